"""How the documentation is built: python -m sphinx -W --keep-going docs TARGET

Warnings are errors there. It needs the extra: python -m pip install '.[docs]'
"""

import os
import re
import sys
from pathlib import Path

# Compiled functions do not tell autodoc what it wants to know. The two builds have the same
# signatures and docstrings, so it gets to see the Python modules.
os.environ["GIAMBIO_PURE"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "extensions"))

import giambio

project = "giambio"
copyright = "the authors of giambio"
release = giambio.build_info().version
version = release

extensions = ["house_style", "myst_parser", "sphinx.ext.viewcode"]
exclude_patterns = ["tested-like"]  # notes for who works on the tests
html_theme = "furo"
html_title = f"giambio {release}"
html_copy_source = False
pygments_style = "friendly"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"inherited-members": True}
python_maximum_signature_line_length = 80

# `Name` in a docstring leads to what has that name. A name of ours that leads nowhere is a
# warning; names of Python's, of parameters, and whatever else is code are only set as code.
default_role = "py:obj"
nitpicky = True
OURS = "|".join(map(re.escape, giambio.__all__))
nitpick_ignore_regex = [("py:.*", rf"(?!(giambio\.)?({OURS})\b).*"), ("py:class", ".*")]
