"""Changed copies of the images, explained again one after the other."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Key

from cnnviz_jax.plugin import HostCase, HostMetric, Measured

Change = Callable[[HostCase, int], Float[np.ndarray, "n h w c"]]
"""`change(case, number)`: copy number `number` of every image."""
Compare = Callable[[HostCase, np.ndarray, np.ndarray], Float[np.ndarray, " n"]]
"""`compare(case, copies, maps)`: a number per image; NaN where a copy does not count."""


def over_copies(
    samples: int, change: Change, compare: Compare, *, largest: bool, axis: str, **record: Any
) -> HostMetric:
    """Return the measure whose number is the largest, or the mean, over copies; `curve` has every copy's."""

    def run(case: HostCase) -> Measured:
        found = []
        for number in range(samples):
            copies = np.asarray(change(case, number), np.float32)
            _, maps = case.again(images=copies)
            found.append(compare(case, copies, maps))
            case.progress(number + 1, samples, "explanations")
        curve = np.stack(found, 1)
        counts = ~np.isnan(curve)
        if largest:
            values = np.where(counts, curve, -np.inf).max(1)
        else:
            values = np.where(counts, curve, 0).sum(1) / np.maximum(counts.sum(1), 1)
        values = np.where(counts.any(1), values, np.nan).astype(np.float32)
        return Measured(values=values, curve=curve.astype(np.float32) if counts.all() else None)

    at = tuple(float(number) for number in range(samples))
    return HostMetric(run=run, better="lower", at=at, axis=axis, **record)


def drawn(case: HostCase, number: int, draw: Callable[[Key[Any, ""], tuple[int, ...]], Any]) -> np.ndarray:
    """Return noise for every image: copy i of an image uses fold_in(image's key, i)."""
    shape = case.images.shape[1:]
    return np.asarray(jax.vmap(lambda key: draw(jax.random.fold_in(key, number), shape))(case.keys))


def flat(arrays: Any) -> Float[np.ndarray, "n p"]:
    """Return arrays as one row of float64 for each image."""
    return np.asarray(arrays, np.float64).reshape(len(arrays), -1)
