"""Many trainings, one question. A study plans evaluations, has workers do them, and returns a frozen report."""
