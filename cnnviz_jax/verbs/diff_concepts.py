"""What one network has alone: concepts of a layer, and how well the other network's layer predicts them (RSVC)."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.dictionary import LearnerCase
from cnnviz_jax.engine.techniques import build
from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.results.difference import AloneConcept, LayerConcepts, LayerMatches
from cnnviz_jax.similarity.prediction import predicted_concepts

_FOLDS = 5
_EXEMPLARS = 4
_TOLERANCE = 1e-5
Rows = Sequence[Float[np.ndarray, "n _"]]


def concepts_apart(
    rows: tuple[Rows, Rows],
    layers: tuple[tuple[str, ...], tuple[str, ...]],
    matches: Sequence[LayerMatches],
    ids: Int[np.ndarray, " n"],
    *,
    count: int,
    key: Key[Array, ""],
) -> tuple[LayerConcepts, ...]:
    """Return the concepts of each layer of `a` and of its partner, and how well each is predicted from either.

    Args:
        rows: By network and layer, one row an image.
        layers: Names of the layers, by network.
        matches: Which layer of `b` each layer of `a` goes with.
        ids: Numbers of the images.
        count: Concepts of a layer, at most as many as it has channels.
        key: Of the images' order and of where factorisations start.

    Raises:
        UsageError: Fewer images than 10.

    Cost: one factorisation per layer of either network, and 20 sparse regressions per pair; no forward pass.
    Source: Kondapaneni, Mac Aodha and Perona 2025, arXiv:2503.15699, section 3; a row is an image, not a crop.
    """
    if len(ids) < 2 * _FOLDS:
        raise UsageError(f"concepts are predicted over {2 * _FOLDS} images and more, got {len(ids)} that can be used")
    # Parts that are predicted from the others are contiguous: in a random order, a folder's classes are in all of them.
    order = np.asarray(jax.random.permutation(key, len(ids)))
    shuffled = [[np.asarray(table, np.float64)[order] for table in side] for side in rows]
    made: dict[tuple[int, int], Float[np.ndarray, "n p"]] = {}

    def concepts(side: int, k: int) -> Float[np.ndarray, "n p"]:
        if (side, k) not in made:
            made[side, k] = _concepts(shuffled[side][k], count, jax.random.fold_in(key, 2 * k + side))
        return made[side, k]

    found = []
    for k, match in enumerate(matches):
        partner = layers[1].index(match.layer_b)
        x, y = shuffled[0][k], shuffled[1][partner]
        u, v = concepts(0, k), concepts(1, partner)
        found.append(
            LayerConcepts(
                layer_a=match.layer_a,
                layer_b=match.layer_b,
                predicted_a=_predicted(y, u),
                own_a=_predicted(x, u),
                predicted_b=_predicted(x, v),
                own_b=_predicted(y, v),
                ids_a=ids[order[_strongest(u)]],
                ids_b=ids[order[_strongest(v)]],
            )
        )
    return tuple(found)


def _concepts(rows: Float[np.ndarray, "n c"], count: int, key: Key[Array, ""]) -> Float[np.ndarray, "n p"]:
    """Return how much of each concept is in each image: the codes of a factorisation."""
    size = max(2, min(count, rows.shape[1], len(rows)))
    spec, config = technique_and_config("nmf" if rows.min() >= 0 else "semi-nmf", "dictionary", {"size": size})
    values = rows.astype(np.float32)
    fitted = build(spec, config)(LearnerCase(rows=values, key=key))
    return np.asarray(fitted.codec.encode(jnp.asarray(values)), np.float64)


def _predicted(x: Float[np.ndarray, "n c"], u: Float[np.ndarray, "n p"]) -> Float[np.ndarray, " p"]:
    return predicted_concepts(x, u, folds=_FOLDS, tolerance=_TOLERANCE)


def _strongest(codes: Float[np.ndarray, "n p"]) -> Int[np.ndarray, "p m"]:
    return np.argsort(-codes, axis=0, kind="stable")[:_EXEMPLARS].T


def alone(concepts: Sequence[LayerConcepts], dataset: Dataset, shown: int) -> tuple[AloneConcept, ...]:
    """Return the concepts that the other network predicts worst, with the images in which they are strongest."""
    sides: tuple[Literal["a", "b"], ...] = ("a", "b")
    every: list[tuple[float, int, Literal["a", "b"], int]] = [
        (-float(each.gap(side)[k]), place, side, k)
        for place, each in enumerate(concepts)
        for side in sides
        for k in (each.only_a if side == "a" else each.only_b)
    ]
    found = []
    for _, place, side, k in sorted(every)[:shown]:
        each = concepts[place]
        own, other = (each.layer_a, each.layer_b) if side == "a" else (each.layer_b, each.layer_a)
        ids = (each.ids_a if side == "a" else each.ids_b)[k]
        numbers: dict[str, Any] = {
            "predicted": float((each.predicted_a if side == "a" else each.predicted_b)[k]),
            "own": float((each.own_a if side == "a" else each.own_b)[k]),
        }
        images = np.stack([dataset.image(int(i)) for i in ids])
        found.append(AloneConcept(network=side, layer=own, partner=other, concept=k, ids=ids, images=images, **numbers))
    return tuple(found)
