"""Regularizers of log-probabilities and data, and pipelines of them (ADR-001)."""
