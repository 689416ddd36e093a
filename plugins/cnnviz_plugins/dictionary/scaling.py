"""Rows on a common scale for a training, and what was learned there back in the layer's own units."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float, Shaped

from cnnviz_jax.plugin import Codec
from cnnviz_plugins.dictionary.archetypes import archetypes
from cnnviz_plugins.dictionary.codecs import PursuitCodec, SparseCodec
from cnnviz_plugins.dictionary.objectives import Objective
from cnnviz_plugins.dictionary.plugin import (
    ArchetypalConfig,
    BatchTopkConfig,
    JumpReluConfig,
    MatchingPursuitConfig,
    TrainedConfig,
)

_BLOCK = 65_536


@dataclass(frozen=True)
class Scaling:
    """Rows less `mean`, divided by one number."""

    mean: Float[np.ndarray, " c"]
    size: float
    spread: float
    """Squared distance of a scaled row from the mean of all, mean over rows."""

    @classmethod
    def of(cls, config: TrainedConfig, rows: Any) -> Self:
        """Return the scaling of all rows; of an archetypal dictionary around 0, since its features are rows."""
        channels = rows.shape[1]
        mean = sum(block.sum(0) for block in _blocks(rows)) / len(rows)
        centred = float(sum(((block - mean) ** 2).sum() for block in _blocks(rows))) / len(rows)
        around = np.zeros(channels) if isinstance(config, ArchetypalConfig) else mean
        square = centred + float(((mean - around) ** 2).sum())
        length = float(sum(np.linalg.norm(block - around, axis=1).sum() for block in _blocks(rows))) / len(rows)
        sizes = {
            "rms": np.sqrt(square / channels),
            "mean-norm": length / np.sqrt(channels),
            "none": 1.0,
            "unit-power": np.sqrt(square),
        }
        size = float(sizes[config.scale]) or 1.0
        return cls(around, size, max(centred / size**2, 1e-30))

    def scaled(self, rows: Shaped[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n c"]:
        """Return rows on the training's scale."""
        return ((rows.astype(np.float32) - self.mean.astype(np.float32)) / np.float32(self.size)).astype(np.float32)

    def in_own_units(self, objective: Objective, state: dict[str, Any], fixed: dict[str, Any]) -> Codec:
        """Return what was learned as a codec of rows as the layer has them.

        Every rule which codes stay is the same for codes of another size, so the size moves into codes and biases:
        with x = size y + mean and y near z D + b, x is near (size z) D + (size b + mean).
        """
        config, learned = objective.config, state["parameters"]
        if isinstance(config, ArchetypalConfig):  # the features, not the codes, have the layer's units
            own = np.asarray(archetypes(learned["mixing"], learned["moves"], learned["log_size"], fixed["centres"]))
            return SparseCodec(
                directions=_plain(own * self.size),
                offset=_plain(self.mean),
                encoder=_plain(learned["encoder"] / self.size),
                bias=_plain(learned["bias"]),
                threshold=np.zeros(len(own), np.float32),
                rule="topk",
                k=objective.k,
            )
        directions = _plain(learned["directions"])
        offset = _plain(self.size * learned["offset"] + self.mean)
        if isinstance(config, MatchingPursuitConfig):
            return PursuitCodec(directions=directions, offset=offset, k=objective.k, refit=config.refit)
        threshold = np.zeros(len(directions))
        rule: Literal["topk", "above", "from"] = "topk"
        if isinstance(config, JumpReluConfig):
            rule = "above"
            threshold = self.size * np.exp(learned["log_threshold"])
        elif isinstance(config, BatchTopkConfig):
            rule = "from"
            borders = state["borders"][: int(state["step"])]
            threshold = np.full(len(directions), self.size * float(borders.mean()))
        return SparseCodec(
            directions=directions,
            offset=offset,
            encoder=_plain(learned["encoder"]),
            bias=_plain(self.size * learned["bias"]),
            threshold=_plain(threshold),
            rule=rule,
            k=objective.k,
        )


def _plain(values: Any) -> Float[np.ndarray, "..."]:
    return np.asarray(values, np.float32)


def _blocks(rows: Any) -> Iterator[Float[np.ndarray, "m c"]]:
    for first in range(0, len(rows), _BLOCK):
        yield rows[first : first + _BLOCK].astype(np.float64)
