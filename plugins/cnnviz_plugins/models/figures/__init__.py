"""Figures of a body and five parts, whose class is told by several parts together: for truth by intervention."""
