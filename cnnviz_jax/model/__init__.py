"""A model as the library sees it: what an adapter builds, its layers by name, and every way to run it."""
