"""The compiled twin of the readable network, for CPUs; everything runs without it."""
