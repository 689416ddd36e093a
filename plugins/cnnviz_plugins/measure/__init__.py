"""Measures: how faithful a map is to the network, and how far it agrees with the truth."""
