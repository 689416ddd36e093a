"""What a feature of a dictionary adds to the layer below, and which features add most to a unit of that layer."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import CodeLayer, Facts, LayerCase, Part, Text, Units

_SHOWN = 8
_NEAREST = 6
_NOTE = (
    "What one of the feature adds to each unit of the layer. Units of the largest size first; below zero it takes away."
)


def build(case: LayerCase) -> Callable[[int], list[Part]] | None:
    """Return what shows a feature's direction, or the features of a unit; `None` where there is no dictionary."""
    own = next((codes for codes in case.model.codes if codes.name == case.layer.name), None)
    if own is not None:
        return _of_feature(own)
    written = [codes for codes in case.model.codes if codes.layer == case.layer.name and codes.name in case.shown]
    return _of_unit(written) if written else None


def _of_feature(codes: CodeLayer) -> Callable[[int], list[Part]]:
    directions = np.asarray(codes.codec.directions)
    lengths = np.sqrt((directions.astype(np.float64) ** 2).sum(1))
    units = directions / np.where(lengths > 0, lengths, 1)[:, None]

    def of(feature: int) -> list[Part]:
        weights, cosines = directions[feature], units @ units[feature]
        near = [int(other) for other in np.argsort(-cosines, kind="stable") if other != feature][:_NEAREST]
        rows = [(codes.layer, int(unit), weights[unit]) for unit in _largest(weights)]
        parts: list[Part] = [Text(text=_NOTE), Units(title=f"Adds to {codes.layer}", rows=rows)]
        alike = [(codes.name, other, cosines[other]) for other in near if cosines[other] > 0]
        if alike:
            parts.append(Units(title="Features of a like direction: cosine", rows=alike))
        return [*parts, Facts(rows=[("length of its direction", lengths[feature])])]

    return of


def _of_unit(dictionaries: list[CodeLayer]) -> Callable[[int], list[Part]]:
    def of(unit: int) -> list[Part]:
        parts: list[Part] = []
        for codes in dictionaries:
            weights = np.asarray(codes.codec.directions)[:, unit]
            rows = [(codes.name, int(feature), weights[feature]) for feature in _largest(weights)]
            if rows:
                parts.append(Units(title=f"Features of {codes.name} that add most to it", rows=rows))
        return parts

    return of


def _largest(weights: Float[np.ndarray, " n"]) -> list[int]:
    return [int(at) for at in np.argsort(-np.abs(weights), kind="stable")[:_SHOWN] if weights[at] != 0]
