"""Where a network looks: attribution, one folder per family, each a plugin of its own."""
