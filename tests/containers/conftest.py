"""Keras chooses its arrays when it is imported."""

import os

os.environ["KERAS_BACKEND"] = "jax"
