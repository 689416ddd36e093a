"""The built-in plugins: adapters, models, techniques and renderers, found through entry points like any other."""
