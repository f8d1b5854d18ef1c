"""What stands on an edge and around it: operations (`ops`, `grouped`, `separable`), reductions, skips and blocks."""
