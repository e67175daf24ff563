"""Fused kernels: faster ways to the numbers of a few formulas. A module of kernels is imported when it is chosen."""
