"""How the site is built from these pages: ``sphinx-build -W --keep-going docs build/site``."""

import sys
from pathlib import Path

import tinygrad_mlp

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # for the extensions

project = "tinygrad_mlp"
author = "The tinygrad_mlp developers"
project_copyright = author
version = release = tinygrad_mlp.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "extensions.contents",
    "extensions.mathml",
    "extensions.notation",
    "extensions.reference",
    "extensions.sources",
]

# Whatever cannot be resolved is a warning, and the tests build with warnings as errors.
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

contents = {
    "Start": ["tutorial"],
    "Guides": [
        "own_network",
        "own_loss",
        "coming_from",
        "large_data",
        "scale",
        "transforms",
        "write_your_own_op",
        "check_your_derivation",
        "your_code",
        "explain",
        "blackboard",
        "steps",
        "play",
        "pictures",
        "report",
        "speed",
        "scikit_learn",
        "saving",
        "export",
        "debugging",
    ],
    "Explanations": [
        "how_the_graph_works",
        "exact_gradients",
        "programs",
        "deferred_updates",
        "numerical_stability",
    ],
    "Reference": ["glossary", "reference/*", "operations", "performance", "comparison"],
    "The project": ["decisions/*", "changelog"],
}
"""What the sidebar shows. Pages that stand in no list come after the guides."""

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
toc_object_entries = False
default_role = "known"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "tinygrad_mlp"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []
exclude_patterns: list[str] = []
