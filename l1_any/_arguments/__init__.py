"""Checks of the arguments of all public functions. Their errors name the argument."""
