"""Feature accentuation's balance between what a unit says and how far an image may go from where it began."""

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError

Values = Float[np.ndarray, "..."]


def relative_distance(values: Values, start: Values) -> float:
    """Return the squared distance of a layer's values from those of the image at the start, over these' square."""
    changed, first = (np.asarray(each, np.float64) for each in (values, start))
    return float(((changed - first) ** 2).sum() / max((first**2).sum(), 1e-300))


def balance(score_gradient: Values, distance_gradient: Values) -> float:
    """Return beta: how many times the gradient of the score exceeds that of the squared distance, by sums of sizes.

    Raises:
        UsageError: The distance has no gradient, as at the image itself: take a step of the score alone first.

    Source: Hamblin et al. 2024, the authors' code.
    """
    size = float(np.abs(np.asarray(distance_gradient, np.float64)).sum())
    if not size > 0:
        raise UsageError("the distance has no gradient at the image itself; take a step of the score alone first")
    return float(np.abs(np.asarray(score_gradient, np.float64)).sum()) / size


def accentuated(gain: float, values: Values, start: Values, *, alpha: float, beta: float) -> float:
    """Return what is climbed: the gain of the score less alpha beta times the squared distance in a layer.

    Source: Hamblin et al. 2024, section 2, with the balance of the authors' code.
    """
    changed, first = (np.asarray(each, np.float64) for each in (values, start))
    return float(gain - alpha * beta * ((changed - first) ** 2).sum())
