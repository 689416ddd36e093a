"""How far work has come, shown where the user sees it: a terminal, a notebook, or lines. Light."""
