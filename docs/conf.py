"""Sphinx settings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import _generate

import l1_any

_generate.write()

project = "l1_any"
author = "The l1_any authors"
copyright = "2026, The l1_any authors"  # noqa: A001
version = release = l1_any.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "matplotlib.sphinxext.plot_directive",
]
exclude_patterns = ["_build", "_generated/backends.md"]
templates_path = ["_templates"]
default_role = "obj"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_apply_rcparams = True
plot_rcparams = {"figure.figsize": (8, 3), "figure.constrained_layout.use": True, "axes.grid": True}

html_theme = "furo"
html_title = f"l1_any {release}"
