"""Architectures of other people's libraries, random weights: what `benchmarks/menagerie.py` holds the package to.

One file per library. Each has `NAMES`, the packages it needs, and `architectures()`, which yields what can be built.
"""
