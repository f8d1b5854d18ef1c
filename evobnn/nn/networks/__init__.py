"""Whole networks: cells in a stack (`network`, `macros`), residual blocks (`resnet`), modes of training (`modes`)."""
