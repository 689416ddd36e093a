"""One matplotlib figure per kind of result."""
