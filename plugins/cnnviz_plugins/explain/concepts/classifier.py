"""A linear classifier of two groups of rows: logistic regression with a penalty, by Newton's method in few rows."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

_ROUNDS = 30


def direction(
    rows: Float[np.ndarray, "n d"], is_first: Bool[np.ndarray, " n"], penalty: float
) -> tuple[Float[np.ndarray, " d"], float]:
    """Return the weights and the constant of the logistic regression of `is_first` on `rows`.

    They minimise mean(log(1 + exp(-y (w x + b)))) + penalty / 2 * (|w|^2 + b^2), y = 1 for the first group and -1 for
    the other. The weights are sums of rows, so the work is in n x n and rows may be as long as a layer's map.

    Source: Newton's method in the form of Rasmussen, Williams 2006, algorithm 3.1.
    """
    count = len(rows)
    gram = (rows @ rows.T + 1) / (penalty * count)  # the 1 is the constant, as one more column
    sign = np.where(is_first, 1.0, -1.0)
    shares = np.zeros(count)
    for _ in range(_ROUNDS):
        at = gram @ shares
        chance = special.expit(at)
        curve = chance * (1 - chance)
        root = np.sqrt(curve)
        right = curve * at + (sign + 1) / 2 - chance
        inner = np.eye(count) + root[:, None] * gram * root
        shares = right - root * np.linalg.solve(inner, root * (gram @ right))
    shares = shares / (penalty * count)
    return rows.T @ shares, float(shares.sum())
