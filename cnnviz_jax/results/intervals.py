"""How sure a mean over images is: percentile intervals over resampled images, and differences of pairs.

All techniques are resampled with the same images, so that an image that is hard for all of them does not blur their
difference. Source: Efron and Tibshirani 1993, sections 13.3 and 8.3.
"""

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
"""Bootstrap samples; the ends of a 95 % interval then move by a few hundredths of its width from seed to seed."""
_SEED = 0
_TAILS = (2.5, 97.5)


def resampled_means(values: Float[np.ndarray, "rows n"]) -> Float[np.ndarray, "rows b"]:
    """Return the mean of each row over every bootstrap sample of its columns, the same columns for all rows.

    A NaN is left out of its row's mean; a sample that holds nothing else has none.
    """
    count = values.shape[1]
    picked = np.random.default_rng(_SEED).integers(0, count, (RESAMPLES, count))
    times = np.zeros((RESAMPLES, count))
    np.add.at(times, (np.arange(RESAMPLES)[:, None], picked), 1)
    known = ~np.isnan(values)
    totals, weights = np.where(known, values, 0.0) @ times.T, known.astype(np.float64) @ times.T
    return np.where(weights > 0, totals / np.maximum(weights, 1), np.nan)


def interval(samples: Float[np.ndarray, " b"]) -> tuple[float, float] | None:
    """Return the middle 95 % of bootstrap samples; `None` where there are none."""
    known = samples[~np.isnan(samples)]
    if not known.size:
        return None
    low, high = np.percentile(known, _TAILS)
    return float(low), float(high)


def is_apart(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> bool:
    """Whether two techniques' means differ: the 95 % interval of the mean difference, image by image, has no 0."""
    found = interval(resampled_means((one - other)[None])[0])
    return found is not None and not found[0] <= 0 <= found[1]


def places(means: Float[np.ndarray, "rows b"]) -> Float[np.ndarray, "rows b"]:
    """Return the place of each row in each column, 1 for the smallest; equal ones share the mean of their places."""
    below = (means[None] < means[:, None]).sum(1)
    equal = (means[None] == means[:, None]).sum(1)
    return np.where(np.isnan(means), np.nan, below + (equal + 1) / 2)
