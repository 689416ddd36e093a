"""`cv.learn_dictionary`: features of a layer beyond its units."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.engine import Chunk, Progress, as_callable, root_key
from cnnviz_jax.engine.activations import ActivationStore, Sampling, sampled
from cnnviz_jax.engine.dictionary import Fitted, LearnerCase, coherence, measured, network_with, stability
from cnnviz_jax.engine.keys import key_text
from cnnviz_jax.engine.techniques import build, running
from cnnviz_jax.errors import ImageError, PluginError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.configs import DictionaryConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.provenance import Call, Provenance, versions
from cnnviz_jax.verbs.outermost import verb

_MEASURED_ROWS = 65_536
"""Rows held out, at most; as many of the others give the principal directions beside."""
_SHOWN_IMAGES = 256
"""Images on which the network is run with its layer rebuilt, at most."""


@verb
def learn_dictionary(
    technique: str | TechniqueSpec | DictionaryConfig,
    model: Model | ActivationStore | np.ndarray | Array,
    images: Any = None,
    *,
    layer: str | None = None,
    size: int | None = None,
    key: Any = None,
    positions: int = 4,
    margin: int = 1,
    held_out: float = 0.1,
    seeds: int = 1,
    folder: str | Path | None = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Dictionary:
    """Return a dictionary: directions of a layer whose sums, few at a time, are its values.

    Args:
        technique: Name of a dictionary technique, as `cnnviz techniques --kind dictionary` lists them, its record, or
            its config, such as `cv.techniques.Topk(k=16)`.
        model: From `cv.adapt` or `cv.load_model`; in its place activations (rows, channels), or what
            `cv.store_activations` wrote.
        images: As for `cv.survey`; none where activations are given.
        layer: The layer; the last one with a map when not given.
        size: How many features; 8 times the channels, at most 16384, when not given.
        key: Seed or key of everything random: positions, rows held out, start and order of a training.
        positions: Positions of an image that become rows, drawn without repetition.
        margin: Positions at each border that are left out: padding makes features of its own.
        held_out: Share of the images, or of rows where those are given, that is measured on and not learned from.
        seeds: How often it is learned anew; from 2 on `metrics` has the `stability`. The first one is returned.
        folder: Where a training keeps its state; the same call goes on after a stop and ends with the same numbers.
        batch: Images at once.
        memory_budget: Bytes the compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.
        **options: The technique's own; see `cnnviz dictionary --method NAME --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, image, layer or size does not fit, and what would.

    Cost: one forward pass per image up to the layer, the technique's own, and one pass over the rows held out.
    Randomness: positions from `fold_in(key, image)`, the rest from keys folded out of `key`; the same on any device.

    Example:
        features = cv.learn_dictionary("topk", model, images, layer="relu4", size=512)
        print(features.metrics["r2"], features.directions.shape)
    """
    has_model = isinstance(model, Model)
    if has_model and images is None:
        raise UsageError("images is missing: a dictionary is learned from what a layer makes of images")
    if not has_model and images is not None:
        raise UsageError(
            f"activations are given in place of a model, so images has no use; got {type(images).__name__}"
        )
    if not 0 < held_out < 1 or seeds < 1:
        raise UsageError(f"held_out lies between 0 and 1 and seeds is 1 or more, got {held_out} and {seeds}")
    root = root_key(key)
    named: dict[str, Any] = {"size": size} if size is not None else {}
    arguments = {"positions": positions, "margin": margin, "held_out": held_out, "seeds": seeds}
    call = Call.of(arguments, {"images": images})
    if isinstance(model, Model):
        chosen = layer or options.get("layer") or _layer_in(technique)
        row = model.map_layer(None) if chosen is None else model.layers[chosen]
        named["layer"] = row.name
        spec, config = technique_and_config(technique, "dictionary", {**options, **named})
        learner = build(spec, config)
        sampling = Sampling(layer=row.name, shape=row.shape, positions=positions, margin=margin)
        dataset = Dataset.of(images, model.input_shape)
        rows, own, notes = _gathered(sampling, model, dataset, root, batch, memory_budget, as_callable(progress))
    else:
        if layer is not None:
            named["layer"] = layer
        spec, config = technique_and_config(technique, "dictionary", {**options, **named})
        learner = build(spec, config)
        rows, own, notes = _given(model)
        named.setdefault("layer", getattr(model, "layer", None) or layer or "")
    chosen_rows, kept_rows = _apart(own, held_out, jax.random.fold_in(root, 0))
    case = partial(
        LearnerCase, rows=_Chosen(rows, chosen_rows), progress=as_callable(progress),
        folder=None if folder is None else Path(folder),
    )  # fmt: skip
    with running(spec):
        fitted = [learner(case(key=jax.random.fold_in(root, 1 + i))) for i in range(seeds)]
    if not all(isinstance(each, Fitted) for each in fitted):
        raise PluginError(f"technique {spec.name!r} learned a {type(fitted[0]).__name__}; it returns a Fitted")
    provenance = Provenance(
        technique=spec.name,
        model=model.name if isinstance(model, Model) else "activations",
        config=config,
        layer=named["layer"] or None,
        seed=key_text(root),
        versions=versions(),
        notes=notes,
        call=call,
    )
    made = Dictionary(
        layer=named["layer"] or "",
        codec=fitted[0].codec,
        metrics={},
        density=np.zeros(len(fitted[0].codec.directions), np.float32),
        curves={name: np.asarray(curve, np.float32) for name, curve in fitted[0].curves.items()},
        row_count=len(chosen_rows),
        held_out_count=len(kept_rows),
        provenance=provenance,
        repeats=tuple(each.codec for each in fitted[1:]),
    )
    return _with_measures(made, rows, chosen_rows, kept_rows, fitted, model, images)


def _layer_in(technique: Any) -> str | None:
    return getattr(technique, "layer", None) if isinstance(technique, DictionaryConfig) else None


def _gathered(
    sampling: Sampling,
    model: Model,
    dataset: Dataset,
    key: Key[Array, ""],
    batch: Chunk,
    memory_budget: int | None,
    progress: Progress,
) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, " n"], tuple[tuple[str, Any], ...]]:
    """Return the rows of all images, the image of each, and what is noted of them."""
    values, images, dropped = [], [], 0
    unreadable: dict[int, str] = {}
    for part in sampled(sampling, model, dataset, key, batch=batch, memory_budget=memory_budget):
        values.append(part.values)
        images.append(part.index[:, 0])
        dropped += part.dropped
        unreadable |= part.unreadable
        progress(min(len(dataset), int(part.index[:, 0].max(initial=0)) + 1), len(dataset), "images")
    rows = np.concatenate(values)
    if not len(rows):
        cause = next(iter(unreadable.values()), "values that are not finite")
        raise ImageError(f"none of {len(dataset)} images gives a row of {sampling.layer!r}: {cause}")
    notes = (
        ("images", len(dataset) - len(unreadable)),
        ("unreadable", tuple(unreadable.values())),
        ("dataset", dataset.source.digest()),
        ("rows_dropped", dropped),
    )
    return rows, np.concatenate(images), notes


def _given(rows: Any) -> tuple[Any, Int[np.ndarray, " n"], tuple[tuple[str, Any], ...]]:
    """Return rows that were given, checked, and a number for each: rows of one number are held out together.

    Raises:
        UsageError: They are no rows of finite numbers.
    """
    if isinstance(rows, ActivationStore):
        return rows, rows.index[:, 0], (("store", str(rows.folder.name)),)
    array = np.asarray(rows)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise UsageError(
            f"activations are numbers (rows, channels), a row each position, got {array.dtype} {array.shape}; "
            "a cv.Model with images= will do, too"
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UsageError(f"activations are finite; {int((~np.isfinite(array)).any(1).sum())} rows are not")
    return array, np.arange(len(array)), ()


def _apart(
    own: Int[np.ndarray, " n"], share: float, key: Key[Array, ""]
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Return the rows to learn from and those held out; rows of one image, which are alike, stay together.

    Raises:
        UsageError: There are too few.
    """
    images = np.unique(own)
    count = max(1, round(share * len(images)))
    if len(images) - count < 1:
        raise UsageError(f"{len(images)} images or rows are too few: some are learned from, others held out")
    order = np.asarray(jax.random.permutation(key, len(images)))
    is_out = np.isin(own, images[order[:count]])
    return np.flatnonzero(~is_out), np.flatnonzero(is_out)[:_MEASURED_ROWS]


class _Chosen:
    """Some of the rows, as a learner takes them."""

    def __init__(self, rows: Any, chosen: Int[np.ndarray, " n"]) -> None:
        self._rows, self._chosen = rows, chosen
        self.shape = (len(chosen), rows.shape[1])

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, places: Any) -> np.ndarray:
        found: np.ndarray = self._rows[self._chosen[places]]
        return found


def _with_measures(
    made: Dictionary,
    rows: Any,
    chosen: Int[np.ndarray, " a"],
    held_out: Int[np.ndarray, " b"],
    fitted: Sequence[Fitted],
    model: Any,
    images: Any,
) -> Dictionary:
    """Return the dictionary with what was measured of it and what there is to warn of."""
    measures, density = measured(rows[chosen[:_MEASURED_ROWS]], rows[held_out], made.encode, made.decode)
    measures["coherence"] = coherence(made.directions)
    others = [np.asarray(each.codec.directions) for each in fitted]
    pairs = [stability(others[i], others[j])[0] for i in range(len(others)) for j in range(i)]
    if pairs:
        measures["stability"] = float(np.mean(pairs))
    if isinstance(model, Model):
        dataset = Dataset.of(images, model.input_shape)
        some = [dataset.source[i].image for i in range(min(len(dataset), _SHOWN_IMAGES))]
        shown = np.stack([in_unit_range(image) for image in some if image is not None])
        measures |= network_with(made.layer, jax.tree.map(jnp.asarray, made.codec), model, shown)
    warnings = [text for each in fitted for text in each.warnings]
    if measures["r2"] < measures["pca_r2"]:
        warnings.append(
            f"as many principal directions as a row has features explain more of the layer "
            f"({measures['pca_r2']:.3f} against {measures['r2']:.3f}): train longer, with more rows, or with more of k"
        )
    if measures["dead"] > 0.5:
        warnings.append(f"{measures['dead']:.0%} of the features fire on none of the rows held out; ask for fewer")
    if made.row_count < len(made):
        warnings.append(f"{len(made)} features were learned from {made.row_count} rows; give more images or positions")
    own = () if not isinstance(model, Model) else model.warnings
    return dataclasses.replace(made, metrics=measures, density=density, warnings=(*own, *dict.fromkeys(warnings)))
