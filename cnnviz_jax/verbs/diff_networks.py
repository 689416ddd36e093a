"""Two networks over the same images, in one pass: gathered block by block, and made into a `Difference`."""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.unreadable import check_some_read, unread_note
from cnnviz_jax.engine.observation import Observed, in_blocks, observe
from cnnviz_jax.errors import CnnvizWarning, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.difference import Difference, LayerConcepts, LayerMatches, Moved
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.similarity.alignment import participation_ratio, without_outliers
from cnnviz_jax.similarity.changed import change, change_of
from cnnviz_jax.similarity.fixed_point import FIRST_ROWS
from cnnviz_jax.similarity.independence import LEAST
from cnnviz_jax.similarity.matching import chance_correlation, match_units
from cnnviz_jax.similarity.minibatches import MinibatchSums
from cnnviz_jax.similarity.streaming import PairSums
from cnnviz_jax.verbs.diff_answers import Gathered
from cnnviz_jax.verbs.diff_concepts import alone, concepts_apart
from cnnviz_jax.verbs.diff_swap import swap_churn

_WIDEST = 1024
_LARGEST_BYTES = 256 << 20
_KEPT = 2048
"""Images whose rows are kept, for what sums do not tell: matches by chance, CKA without outliers, and concepts."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a comparison of two networks is told."""

    layers: tuple[tuple[str, ...], tuple[str, ...]]
    form: str
    minibatch: int
    bins: int
    shown: int
    swap: bool
    concepts: int
    seed: Any


def compared(
    a: Model, b: Model, datasets: Sequence[Dataset], asked: Asked, provenance: Provenance, **running: Any
) -> Difference:
    """Return how two networks differ; see `cv.diff`."""
    layers_a, layers_b = asked.layers
    shared = tuple(name for name in layers_a if name in layers_b and a.layers[name].shape == b.layers[name].shape)
    form, told = _form(a, b, asked)
    unreadable: dict[int, str] = {}
    batches = observe((a, b), datasets, asked.layers, shared=shared, unreadable=unreadable, **running)
    answers = Gathered(datasets[0], a, b)
    numbers = np.asarray(jax.random.key_data(asked.seed))
    kept_ids = np.sort(np.random.default_rng(numbers).permutation(len(datasets[0]))[:_KEPT])
    sums: Any = MinibatchSums(size=asked.minibatch) if form == "minibatch" else None
    kept: list[Observed] = []
    squares: list[Float[np.ndarray, "b shared 3"]] = []
    left_out = count = 0
    for number, block in in_blocks(batches, asked.minibatch if form == "minibatch" else FIRST_ROWS):
        finite = np.logical_and.reduce([np.isfinite(table).all(1) for side in block.rows for table in side])
        finite &= np.isfinite(block.squares).all((1, 2))
        finite &= np.logical_and.reduce([np.isfinite(each).all(1) for each in block.logits if each is not None], axis=0)
        left_out += int((~finite).sum())
        block = block.part(finite)
        if not len(block):
            continue
        count += len(block)
        if form == "minibatch":
            sums = sums.plus(number, *block.rows)
        else:
            sums = (sums or PairSums.for_rows(*block.rows)).plus(*block.rows)
        answers.add(block)
        squares.append(block.squares)
        kept.append(block.part(np.isin(block.ids, kept_ids)))
    check_some_read(unreadable, len(datasets[0]))
    if count < LEAST:
        raise UsageError(f"networks are compared over {LEAST} images and more, got {count} that can be used")
    told += _left_out(unreadable, left_out + (sums.left_out if form != "minibatch" else 0))
    if form == "minibatch" and sums.left_out:
        told.append(f"{sums.left_out} images fill no minibatch of {LEAST} and are left out of CKA")
    rows = [[np.concatenate([part.rows[k][i] for part in kept]) for i in range(len(asked.layers[k]))] for k in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnvizWarning)  # told below, with the layers' names
        cka = sums.cka() if form == "minibatch" else sums.cka(form)
        matches = tuple(_matches(k, cka, sums, rows, a, b, asked, int(numbers[-1])) for k in range(len(layers_a)))
    flat = [f"{name} of {m.name}" for m, layers, axis in ((a, layers_a, 1), (b, layers_b, 0))
            for name, is_flat in zip(layers, np.isnan(cka).all(axis), strict=True) if is_flat]  # fmt: skip
    if flat:
        told.append(f"CKA is not defined where a layer hardly changes from image to image: {', '.join(flat[:6])}")
    found = answers.finish(asked.bins, asked.shown)
    ends = swap_churn(a, b, datasets[0], shared, **running) if asked.swap else None
    apart: tuple[LayerConcepts, ...] = ()
    if asked.concepts:
        ids, key = np.concatenate([part.ids for part in kept]), jax.random.fold_in(asked.seed, 1)
        apart = concepts_apart((rows[0], rows[1]), asked.layers, matches, ids, count=asked.concepts, key=key)
    if found is None:
        told.append(f"predictions are not compared: {answers.reason}")
    spread = [np.array([_participation(sums, rows, side, k) for k in range(len(rows[side]))]) for side in (0, 1)]
    return Difference(
        model_a=a.name,
        model_b=b.name,
        layers_a=layers_a,
        layers_b=layers_b,
        cka=cka,
        form=form,
        participation_a=spread[0],
        participation_b=spread[1],
        matches=matches,
        answers=found,
        moved=dataclasses.replace(_moved(a, b, shared, np.concatenate(squares)), swap_churn=ends),
        image_count=count,
        concepts=apart,
        alone=alone(apart, datasets[0], asked.shown),
        provenance=provenance,
        warnings=tuple(dict.fromkeys((*a.warnings, *b.warnings, *told))),
    )


def _form(a: Model, b: Model, asked: Asked) -> tuple[str, list[str]]:
    """Return how CKA is estimated, and what there is to say about that."""
    widths = [[m.layers[name].channels for name in layers] for m, layers in zip((a, b), asked.layers, strict=True)]
    if asked.form != "auto":
        return asked.form, []
    need = 24 * (sum(widths[0]) * sum(widths[1]) + sum(c * c for side in widths for c in side))
    widest = max(max(side) for side in widths)
    if widest <= _WIDEST and need <= _LARGEST_BYTES:
        return "debiased", []
    why = f"a layer has {widest} channels" if widest > _WIDEST else f"sums over all images need {need >> 20} MiB"
    return "minibatch", [f"CKA is averaged over minibatches of {asked.minibatch} images: {why}"]


def _left_out(unreadable: dict[int, str], left_out: int) -> list[str]:
    told = [*unread_note(unreadable.values())]
    if left_out:
        told.append(f"{left_out} images are left out: values that are not finite, or far beyond all others")
    return told


def _matches(
    k: int, cka: Float[np.ndarray, "a b"], sums: Any, rows: Any, a: Model, b: Model, asked: Asked, seed: int
) -> LayerMatches:
    layers_a, layers_b = asked.layers
    name = layers_a[k]
    is_same = name in layers_b and a.layers[name].channels == b.layers[name].channels
    partner = layers_b.index(name) if is_same else int(np.where(np.isnan(cka[k]), -np.inf, cka[k]).argmax())
    x, y = (np.asarray(side, np.float64) for side in (rows[0][k], rows[1][partner]))
    found = sums.match(k, partner) if isinstance(sums, PairSums) else match_units(x, y)
    only_a, only_b = found.unmatched()
    return LayerMatches(
        layer_a=name,
        layer_b=layers_b[partner],
        pairs=found.pairs,
        correlation=found.matched,
        chance=chance_correlation(x, y, seed=seed),
        dead_a=found.dead_x,
        dead_b=found.dead_y,
        only_a=only_a,
        only_b=only_b,
        without_outliers=without_outliers(x, y) if len(x) >= 2 * LEAST else float("nan"),
    )


def _participation(sums: Any, rows: Any, side: int, k: int) -> float:
    if isinstance(sums, PairSums):
        return sums.participation_ratio(side, k)
    return participation_ratio(np.asarray(rows[side][k], np.float64))


def _moved(a: Model, b: Model, shared: tuple[str, ...], squares: Float[np.ndarray, "n shared 3"]) -> Moved:
    """Return how far layers and kernels of one name and shape are apart."""
    totals = [[math.fsum(squares[:, k, part]) for part in range(3)] for k in range(len(shared))]
    changes = [change_of(*each) for each in totals]
    kernels = {}
    for name in a.layers:
        one, other = a.layers[name].kernel, b.layers[name].kernel if name in b.layers else None
        if one is not None and other is not None and one.shape == other.shape:
            kernels[name] = change(np.asarray(one, np.float64), np.asarray(other, np.float64))
    return Moved(
        layers=shared,
        relative_error=np.array([each.relative_error for each in changes]),
        sqnr_db=np.array([each.sqnr_db for each in changes]),
        kernels=tuple(kernels),
        kernel_error=np.array([each.relative_error for each in kernels.values()]),
        kernel_cosine=np.array([each.cosine for each in kernels.values()]),
        kernel_newly_zero=np.array([each.newly_zero for each in kernels.values()]),
    )
