# SPDX-License-Identifier: GPL-2.0
"""Sphinx's settings; tools/htmldocs runs it."""
project = "rxe-odp"
project_copyright = "the authors of rxe-odp"
extensions = ["sphinx.ext.graphviz"]
graphviz_output_format = "svg"
html_theme = "alabaster"
html_copy_source = False
html_show_copyright = False
primary_domain = "c"
highlight_language = "none"
# Attributes in the header's prototypes that are not C
c_id_attributes = ["__user", "__must_check", "__iomem", "__rcu"]
exclude_patterns = ["conf.py"]
