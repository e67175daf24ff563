"""The formulas on whole arrays: the reference implementations, which faster code must match. No checks."""
