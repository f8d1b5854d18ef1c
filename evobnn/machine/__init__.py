"""The computer: worker processes (`workers`), how many of them it feeds (`room`), and what it is (`facts`)."""
