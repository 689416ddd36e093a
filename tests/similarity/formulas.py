"""Small inputs that anyone can write down: sines of their indices."""

import numpy as np


def s(n, m, a, b, c, d):
    """Return sin(a i + b j + c i j + d), n rows and m columns."""
    i, j = np.arange(n)[:, None], np.arange(m)[None]
    return np.sin(a * i + b * j + c * i * j + d)


X = s(12, 4, 0.9, 1.7, 0.3, 0)
Y = 0.5 * s(12, 3, 0.9, 1.7, 0.3, 0) + np.cos(1.1 * np.arange(12)[:, None] - 0.6 * np.arange(3)[None])
