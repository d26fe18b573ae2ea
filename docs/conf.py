"""How the documentation is built: python -m sphinx -W docs docs/_build, then the board beside it (see CONTRIBUTING)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "plasticbench"
author = "The plasticbench authors"
version = release = installed_version("plasticbench")
html_title = f"plasticbench {version}"
html_theme = "furo"
html_show_copyright = False
html_copy_source = False
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_gallery.gen_gallery"]
extensions += ["command_line", "pages_from_files", "plain_docstrings"]  # of docs/extensions
exclude_patterns = ["_build", "notebooks", "examples", "conformance", "extensions"]

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
default_role = "code"  # docstrings write `names` as Markdown does

sphinx_gallery_conf = {
    "examples_dirs": "notebooks",
    "gallery_dirs": "journeys",
    "filename_pattern": r"\.py$",  # all of them are executed
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "reset_modules": ("matplotlib",),
}
