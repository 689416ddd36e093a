"""Dictionaries: features of a layer beyond its units, learned from its values."""
