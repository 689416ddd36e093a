"""How a user's words and Python values become frozen configs, checked before any work. Light.

The config classes themselves stand with the techniques, in the `plugin.py` of each plugin family.
"""
