"""The L1 penalty for every array."""

__version__ = "0.1.0"
