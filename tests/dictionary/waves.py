"""Small tables of numbers that look random and are known to all: sines of sums and products of row and column."""

import numpy as np


def sines(n, m, a, b, c, d):
    """Return (n, m) numbers sin(a i + b j + c i j + d)."""
    i, j = np.arange(n)[:, None], np.arange(m)[None]
    return np.sin(a * i + b * j + c * i * j + d)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


ROWS = sines(10, 4, 0.9, 1.7, 0.3, 0) + 0.5
MEAN = ROWS.mean(0)
DIRECTIONS = unit(sines(6, 4, 1.3, 0.8, 0.7, 0))
BIAS = -0.05 * np.arange(6) / 6
PRE = (ROWS - MEAN) @ DIRECTIONS.T + BIAS
