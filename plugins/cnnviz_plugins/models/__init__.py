"""Named networks, the readers of their weights files, and the bundled `shapes` network."""
