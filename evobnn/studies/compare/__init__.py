"""Paired searches: arms and phases, in folders or on a table, their account and the report."""
