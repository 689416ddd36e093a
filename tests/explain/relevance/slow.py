"""Relevance rules as plain loops over units, on weights written out as matrices; nothing here is fast."""

import numpy as np


def matrix_of(kernel, shape):
    """The matrix of a VALID convolution, (h w c inputs) x (rows columns out)."""
    height, width, channels = shape
    rows, columns, _, out = kernel.shape
    tall, wide = height - rows + 1, width - columns + 1
    matrix = np.zeros((height, width, channels, tall, wide, out))
    for y in range(tall):
        for x in range(wide):
            for dy in range(rows):
                for dx in range(columns):
                    for c in range(channels):
                        for o in range(out):
                            matrix[y + dy, x + dx, c, y, x, o] = kernel[dy, dx, c, o]
    return matrix.reshape(height * width * channels, tall * wide * out)


def stable(total, epsilon):
    return total + (epsilon if total >= 0 else -epsilon)


def shares(rule, number, x, weights, bias, relevance, *, low=None, high=None, epsilon=1e-6, takes=True):
    """Hand the relevance of every output to the inputs, one pair of units at a time; `takes` says if biases share."""
    back = np.zeros(len(x))
    for k in range(len(relevance)):
        z = np.array([x[j] * weights[j, k] for j in range(len(x))])
        up, down = np.maximum(z, 0), np.minimum(z, 0)
        b = bias[k] if takes else 0.0
        if rule == "epsilon":
            back += z / stable(z.sum() + b, number) * relevance[k]
        elif rule == "gamma":
            side, c = (up, max(b, 0)) if z.sum() + bias[k] >= 0 else (down, min(b, 0))
            boosted = z + number * side
            back += boosted / stable(boosted.sum() + b + number * c, epsilon) * relevance[k]
        elif rule in ("z+", "alpha-beta"):
            alpha = 1 if rule == "z+" else number
            back += alpha * up / stable(up.sum() + max(b, 0), epsilon) * relevance[k]
            back -= (alpha - 1) * down / stable(down.sum() + min(b, 0), epsilon) * relevance[k]
        elif rule == "z^B":
            w = weights[:, k]
            z = x * w - low * np.maximum(w, 0) - high * np.minimum(w, 0)
            back += z / stable(z.sum(), epsilon) * relevance[k]
        elif rule == "flat":
            touched = TOUCH[k]
            back += touched / touched.sum() * relevance[k]
        elif rule == "w^2":
            w = weights[:, k] ** 2
            back += w / stable(w.sum(), epsilon) * relevance[k]
    return back


TOUCH: list = []
"""For the rule `flat`: which inputs each output of the first layer sees."""
