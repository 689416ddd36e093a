"""Names from given embeddings of images and texts (CLIP-Dissect): which text fits the images that excite a unit."""

from typing import Literal

import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import UsageError

Measure = Literal["soft_wpmi", "wpmi", "cos_cubed"]
"""How the images that excite a unit are held against the texts."""

TOP = {"soft_wpmi": 100, "wpmi": 28}
"""Images looked at, those that excite a unit most."""
_SHARPNESS = {"soft_wpmi": 10.0, "wpmi": 2.0}
PRIOR = {"soft_wpmi": 1.0, "wpmi": 0.6}
"""How much of a text's fit to all units is subtracted."""
_FIRST_WEIGHT, _LAST_WEIGHT = 0.998, 0.97
_EPS = 1e-7
_LEAST_NORM = 1e-3


def cosines(
    images: Float[Array | np.ndarray, "*_"], texts: Float[Array | np.ndarray, "*_"]
) -> Float[np.ndarray, "n m"]:
    """Return the cosine of every image's embedding with every text's.

    Raises:
        UsageError: The lengths differ, or an embedding is zero.
    """
    tables = [np.asarray(each, np.float64) for each in (images, texts)]
    if tables[0].ndim != 2 or tables[1].ndim != 2 or tables[0].shape[1] != tables[1].shape[1]:
        raise UsageError(f"embeddings are (n, d) and (m, d), got {tables[0].shape} and {tables[1].shape}")
    norms = [np.linalg.norm(each, axis=1) for each in tables]
    if not min(norm.min(initial=np.inf) for norm in norms) > 0:
        raise UsageError("an embedding is zero and has no direction")
    return (tables[0] / norms[0][:, None]) @ (tables[1] / norms[1][:, None]).T


def text_scores(
    units: Float[Array | np.ndarray, "*_"],
    similarities: Float[Array | np.ndarray, "*_"],
    measure: Measure = "soft_wpmi",
    *,
    top: int | None = None,
) -> Float[np.ndarray, "u m"]:
    """Return how well each text names each unit; higher is better, the scale is the measure's own.

    Args:
        units: A number for each image and unit. The first two measures subtract what fits all of these units, so a
            unit's scores depend on the others.
        similarities: Of each image with each text, such as `cosines`.
        measure: `soft_wpmi`, `wpmi` or `cos_cubed`.
        top: Images looked at; 100 and 28 where left out, at most all.

    Raises:
        UsageError: The numbers of images differ, or there is no such measure.

    Source: Oikarinen and Weng 2023, section 3, and the authors' code.
    """
    values, table = np.asarray(units, np.float64), np.asarray(similarities, np.float64)
    if values.ndim != 2 or table.ndim != 2 or len(values) != len(table):
        raise UsageError(f"units are (n, u) and similarities (n, m), got {values.shape} and {table.shape}")
    if measure == "cos_cubed":
        return cubed_cosines(values, table)
    if measure not in TOP:
        raise UsageError(f'measure is "soft_wpmi", "wpmi" or "cos_cubed", got {measure!r}')
    fits = text_shares(table, measure)
    each = np.stack([log_fit(values[:, k], fits, measure, top) for k in range(values.shape[1])])
    return each - PRIOR[measure] * log_mean(each)


def cubed_cosines(units: Float[np.ndarray, "n u"], similarities: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "u m"]:
    """Return the cosines of columns, centred and cubed: large values count most."""
    sides = [(each - each.mean(0)) ** 3 for each in (units, similarities)]
    unit = [each / np.maximum(np.linalg.norm(each, axis=0), _LEAST_NORM) for each in sides]
    found: np.ndarray = unit[0].T @ unit[1]
    return found


def text_shares(similarities: Float[np.ndarray, "n m"], measure: Measure) -> Float[np.ndarray, "n m"]:
    """Return the probability of each text given an image."""
    raised = _SHARPNESS[measure] * similarities
    raised = np.exp(raised - raised.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def log_fit(
    values: Float[np.ndarray, " n"], shares: Float[np.ndarray, "n m"], measure: Measure, top: int | None = None
) -> Float[np.ndarray, " m"]:
    """Return the logarithm of how well each text fits the images that excite one unit most."""
    return fit_of(shares[strongest(values, top or TOP[measure])], measure)


def fit_of(shares: Float[np.ndarray, "k m"], measure: Measure) -> Float[np.ndarray, " m"]:
    """Return the logarithm of how well texts fit images, from each text's share of each image, the strongest first."""
    if measure == "wpmi":
        return np.log(shares + _EPS).sum(0)
    weights = _FIRST_WEIGHT - (_FIRST_WEIGHT - _LAST_WEIGHT) * np.arange(len(shares)) / len(shares)
    return np.log(1 + weights[:, None] * (shares - 1) + _EPS).sum(0)


def strongest(values: Float[np.ndarray, " n"], count: int) -> Int[np.ndarray, " k"]:
    """Return the images that excite a unit most, falling; ties go to the lower number."""
    return np.argsort(-values, kind="stable")[:count]


def log_mean(logs: Float[np.ndarray, "u m"]) -> Float[np.ndarray, " m"]:
    """Return the logarithm of the mean over units."""
    most = logs.max(0)
    return most + np.log(np.exp(logs - most).mean(0))
