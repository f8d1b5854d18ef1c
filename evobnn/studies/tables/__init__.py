"""Whole small spaces, trained once and looked up from then on: which (`specs`), made (`tabulate`, `climb`),
read (`ranking`).
"""
