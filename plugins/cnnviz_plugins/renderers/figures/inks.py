"""The colours that every figure is drawn with."""

INK, FAINT, RULE, EMPTY = "#1b1f24", "#57606a", "#d0d7de", "#f1f3f5"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's; line styles are a second sign."""
YELLOW = "#ffd33d"
