"""Data sets as their publishers and users write them: one module for each format."""
