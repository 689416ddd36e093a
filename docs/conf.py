"""Sphinx configuration: MyST pages, the book theme, API pages from docstrings. Warnings are errors in CI."""

import sys
from pathlib import Path

import cnnviz_jax

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "cnnviz_jax"
author = "The cnnviz_jax developers"
copyright = author
release = version = cnnviz_jax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "command_help",
    "docstring_style",
    "gallery",
    "notebook_pages",
    "plugin_names",
]
exclude_patterns = ["_build", "tutorial/cnnviz-shifted-saliency"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# Docstrings write code in single backticks, as Markdown does.
default_role = "code"

nitpicky = True
# No intersphinx, so that the build needs no network: only names of this project must lead somewhere.
nitpick_ignore_regex = [
    ("py:.*", r"(?!cnnviz_(jax|plugins)\.).*"),
    # Behind the public names, or a protocol that public classes satisfy.
    ("py:class", r"cnnviz_jax\.(model\.(Structure|scored\.Scored)|program\..*)"),
    (
        "py:class",
        r"cnnviz_jax\.(sweep\.(layout\.RunFolder|spec\.SweepSpec)|site\.(folder\.SiteFolder|serving\.SiteServer))",
    ),
    ("py:class", r"cnnviz_jax\.(data\.(noise\.Noise|images\.ImageTaker|source\.Source))"),
    ("py:class", r"cnnviz_jax\.(results\.provenance\.(Described|Named)|verbs\.outermost\.Returned)"),
    ("py:class", r"cnnviz_plugins\.models\.shapes\.network\.ShapesNetwork"),
    # What every option class is, and all display options as a dictionary: the pages show the options themselves.
    ("py:class", r"cnnviz_jax\.plugins\.(configs\.\w+Config|display_options\.DisplayOptions)"),
]

html_theme = "sphinx_book_theme"
html_title = "cnnviz_jax"
html_static_path = ["static"]
html_theme_options = {"show_toc_level": 2}
