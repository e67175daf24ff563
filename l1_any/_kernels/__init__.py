"""Fused kernels: faster code for a few formulas. A module of kernels is imported only when it is used."""
