"""The three published searches, each a function that reads like its paper's section."""
