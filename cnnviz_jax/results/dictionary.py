"""What learning a dictionary returns: features of a layer, how well they explain it, how they were learned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cnnviz_jax.compiling import in_batches_on_host
from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.tables import Tabular

_ROWS = 4096
"""Rows of one call of a compiled program."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Dictionary(Tabular, Result):
    """Features of a layer: directions whose sums, few at a time, are its values.

    `model.with_dictionary(dictionary)` makes them a layer; `cv.targets.feature(dictionary, 3)` is one of them as a
    target.
    """

    layer: str
    """The layer; empty where rows were given in place of a model."""
    codec: Any
    """What encodes and decodes: the arrays of it, in the layer's own units."""
    metrics: Mapping[str, float]
    """Of rows that were not learned from: `r2` (mean of each channel), `fvu`, `l0` (features of a row, mean), `dead`
    (share that never fires), `pca_r2` (as many principal directions as `l0`); of the directions `coherence` (largest
    cosine of two), and over seeds `stability` (mean cosine of those matched). With a model: `agreement` (share of
    images whose top class stays when the layer is what the features make of it) and `score_kept` (1: nothing is lost;
    0: as with a layer of zeros)."""
    density: Float[np.ndarray, " k"]
    """Share of those rows in which each feature fires."""
    curves: Mapping[str, Float[np.ndarray, " points"]]
    """How the learning went, by name, against `step`."""
    row_count: int
    """Rows that were learned from."""
    held_out_count: int
    """Rows that were measured on."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    repeats: tuple[Any, ...] = field(default=())
    """The codecs of further seeds, where there were several."""

    @property
    def directions(self) -> Float[np.ndarray, "k c"]:
        """What one of each feature adds to the layer's value, a row each."""
        return np.asarray(self.codec.directions)

    def __len__(self) -> int:
        """How many features there are."""
        return len(self.directions)

    def encode(self, activations: Any) -> Float[np.ndarray, "*n k"]:
        """Return the features of values of the layer, (..., channels).

        Raises:
            UsageError: The last axis has another length than the layer has channels.
        """
        return self._rows("encode", activations, self.directions.shape[1])

    def decode(self, codes: Any) -> Float[np.ndarray, "*n c"]:
        """Return the values that features stand for, (..., features).

        Raises:
            UsageError: The last axis has another length than there are features.
        """
        return self._rows("decode", codes, len(self))

    def pre(self, activations: Any) -> Float[np.ndarray, "*n k"]:
        """Return what the features of values are chosen from; what `cv.targets.feature` raises.

        Raises:
            UsageError: The last axis has another length than the layer has channels.
        """
        return self._rows("pre", activations, self.directions.shape[1])

    def _rows(self, method: str, given: Any, length: int) -> np.ndarray:
        array = np.asarray(given)
        if array.ndim == 0 or array.shape[-1] != length or array.dtype.kind not in "fiu":
            raise UsageError(f"{method} takes numbers (..., {length}), got {array.dtype} {array.shape}")
        rows = array.reshape(-1, length).astype(np.float32)
        found = np.zeros((0, self._width(method)), np.float32)
        if len(rows):
            run = partial(_of_codec, method)
            found = in_batches_on_host(run, ("codec", method), (self._on_device,), (rows,), most=_ROWS)
        return found.reshape(*array.shape[:-1], found.shape[-1])

    def _width(self, method: str) -> int:
        return self.directions.shape[1] if method == "decode" else len(self)

    @cached_property
    def _on_device(self) -> Any:
        return jax.tree.map(jnp.asarray, self.codec)

    def table(self) -> list[dict[str, float | int | str]]:
        """Return a row for each feature: its number, how often it fires and the length of its direction."""
        lengths = np.linalg.norm(self.directions, axis=1)
        return [
            {"feature": i, "density": float(share), "length": float(length)}
            for i, (share, length) in enumerate(zip(self.density, lengths, strict=True))
        ]


@dataclass(frozen=True, kw_only=True, repr=False)
class FeatureImportance(Tabular, Result):
    """How much each of k features of a layer has to do with the score of each of n images."""

    layer: str
    """The layer that the features are of."""
    scores: Float[np.ndarray, " n"]
    """The target's score on the untouched image."""
    gradient: Float[np.ndarray, "n k"]
    """Code times slope, summed over positions; of a linear head, with `offset` and `error` it adds up to the score."""
    offset: Float[np.ndarray, " n"]
    """The share of the value without features."""
    error: Float[np.ndarray, " n"]
    """The share of what the features leave unexplained: not explained by any of them."""
    removal: Float[np.ndarray, "n k"]
    """By how much the score falls without the feature; what the features leave stays."""
    sobol: Float[np.ndarray, "n k"] | None
    """Total Sobol index: the share of the score's variance in which the feature has a hand as features fade at random;
    0 for features that were not among those examined. `None` where it was not asked for."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    def table(self) -> list[dict[str, float | int | str]]:
        """Return a row for each feature, means over images, the one whose removal costs most first."""
        columns = {"removal": self.removal, "gradient": self.gradient}
        columns |= {} if self.sobol is None else {"sobol": self.sobol}
        order = np.argsort(-self.removal.mean(0), kind="stable")
        return [
            {"feature": int(i), **{name: float(values[:, i].mean()) for name, values in columns.items()}} for i in order
        ]


def _of_codec(method: str, codec: Any, rows: Any) -> Any:
    return getattr(codec, method)(rows)
