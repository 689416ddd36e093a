"""`cv.name_units`: what units may be called, verified on images that the names were not chosen on."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax
import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.unreadable import unread_note
from cnnviz_jax.engine import Chunk, Progress, as_callable, key_text, root_key, stage
from cnnviz_jax.engine.observation import Observed, joined, observe
from cnnviz_jax.engine.survey import surveyed_layer
from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.naming.embeddings import TOP, Measure, cosines
from cnnviz_jax.naming.scores import KINDS, SHARE, SOUND
from cnnviz_jax.naming.searches import ConceptSearch, FormulaSearch, Search, TextSearch
from cnnviz_jax.naming.soundness import LEAST_FALL, falls
from cnnviz_jax.naming.verdicts import DRAWS, LEAST, PERMUTATIONS, Verdict, halves_of, verdicts
from cnnviz_jax.results.naming import UnitNames
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.verbs.outermost import verb

_FEW_IMAGES = 8
_FEW_TEXTS = 1000
_EXEMPLARS = 4
Concepts = Float[np.ndarray, "n k"]


@verb
def name_units(
    model: Model,
    images: Any,
    *,
    layer: str | None = None,
    units: Sequence[int] | None = None,
    labels: Any = None,
    masks: Any = None,
    embeddings: tuple[Any, Any] | None = None,
    concepts: Sequence[str] | None = None,
    length: int = 1,
    score: str | None = None,
    share: float = SHARE,
    value: Literal["max", "mean"] = "max",
    top: int | None = None,
    permutations: int = PERMUTATIONS,
    draws: int = DRAWS,
    least: int = LEAST,
    shown: int = 8,
    names: Sequence[str] | None = None,
    key: Any = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> UnitNames:
    """Return what a layer's units may be called, from labels, masks or given embeddings of images and texts.

    A name is chosen on half of the images, told by a digest of their numbers, and scored on the other half. It is
    refused where the same search with the unit's values permuted over images does as well in 1 of 100 cases, or where
    too few images show it; where another, unrelated name scores within the interval, both are given.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: Images (n, h, w, c) in [0, 1], or the path of a folder, an `.npz` or a `.zarr`.
        layer: Whose units are named; the last one with a map when not given.
        units: Which; all when not given.
        labels: One class index per image, -1 where unknown, or for a folder `"folders"` or a CSV file: names are the
            classes.
        masks: Concept masks (n, k, h, w) of bools, or (n, k) of whether or how likely each image shows each concept, or
            the name of the field in which the images bring their masks, such as `"concepts"`: an image shows a concept
            if any pixel does.
        embeddings: Embeddings of the images (n, d) and of texts (m, d), from a network of your own: names are the
            texts, given as `concepts`.
        concepts: One name per class, mask or text, where they have none.
        length: Concepts in a name, joined by and, or, not; up to 3.
        score: `auprc` (default of labels and masks), `pearson` (of probabilities), `cosine`, `f1`, `iou`; `auroc`,
            `accuracy` and `mean_difference` do not notice some wrong labels. Of embeddings `soft_wpmi` (default),
            `wpmi`, `cos_cubed`.
        share: Of `f1`, `iou` and `accuracy`: the share of images on which a unit counts as active.
        value: How a unit's map becomes one number per image.
        top: Of embeddings: how many of the most exciting images are looked at; 100 (`wpmi`: 28), at most a fifth of
            the images, when not given.
        permutations: Searches with permuted values.
        draws: Of the bootstrap over images.
        least: Images that must show a concept.
        shown: How many units the figure draws, those with the highest scores.
        names: One name per image, where `images` is an array.
        key: Seed or key of permutations and draws.
        batch: Images at once; decides speed and memory.
        memory_budget: Bytes the compiled program may need.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: Not exactly one of labels, masks and embeddings, or they do not fit the images.
        ImageError: The images do not fit the model, or fewer than 8 can be read.

    Cost: one forward pass per image up to the layer; then `permutations` + `draws` searches per unit on the host.

    Randomness: permutations and draws.

    Source: Oikarinen, Yan and Weng 2025 (scores); Bykov et al. 2023 (formulas); Oikarinen and Weng 2023 (texts).
    """
    require_model(model)
    chosen = surveyed_layer(model, layer, None if units is None else tuple(units))
    given = [
        name for name, each in (("labels", labels), ("masks", masks), ("embeddings", embeddings)) if each is not None
    ]
    if len(given) != 1:
        raise UsageError(f"names come from one of labels, masks and embeddings, got {' and '.join(given) or 'none'}")
    kind = {"embeddings": "texts"}.get(given[0], given[0])
    _check(kind, length, score, value, permutations, draws)
    said = None if concepts is None else tuple(map(str, concepts))
    is_field = isinstance(masks, str)
    dataset = Dataset.of(images, model.input_shape, labels=labels, names=names, class_names=model.labels)
    seed = root_key(key)
    numbers = int(np.asarray(jax.random.key_data(seed))[-1])
    tell = as_callable(progress)
    unreadable: dict[int, str] = {}
    seen = [
        _reduced(part, masks if is_field else None)
        for part in observe(
            (model,), (dataset,), ((chosen.name,),), pool=value, fields=(masks,) if is_field else (), batch=batch,
            memory_budget=memory_budget, unreadable=unreadable, progress=stage(tell, 0, 2, "images"),
        )
    ]  # fmt: skip
    found = joined(seen) if seen else None
    usable = None if found is None else np.isfinite(found.rows[0][0]).all(1)
    if found is None or usable is None or usable.sum() < _FEW_IMAGES:
        raise ImageError(
            f"units are named over {_FEW_IMAGES} images and more, got {0 if usable is None else usable.sum()}"
        )
    told = [*unread_note(unreadable.values())]
    if not usable.all():
        told.append(f"{int((~usable).sum())} images are left out: values that are not finite")
    found = found.part(usable)
    table, words = _concepts(kind, found, dataset, labels, masks, embeddings, said, model)
    by = score or ("soft_wpmi" if kind == "texts" else "auprc" if np.isin(table, (0, 1)).all() else "pearson")
    values = np.asarray(found.rows[0][0], np.float64)
    halves = halves_of(found.ids)
    if min(map(len, halves)) < _FEW_IMAGES // 4:
        raise ImageError(f"the {len(found)} images do not make two halves; give more")
    which = tuple(range(chosen.channels)) if units is None else tuple(map(int, units))
    search = _search(kind, table, words, by, share, length, values, halves, top, least)
    if kind == "texts" and len(words) < _FEW_TEXTS:
        told.append(f"{len(words)} texts are few: a name is the best of what is offered; give 1,000 and more")
    missing, extra = (float("nan"), float("nan")) if kind == "texts" else falls(table > 0.5, by, share=share)  # type: ignore[arg-type]
    if kind != "texts" and (by not in SOUND or missing < LEAST_FALL or extra < LEAST_FALL):
        told.append(
            f"{by} does not tell wrong labels well: it falls by {missing:.3f} of itself when half of them are missing "
            f"and by {extra:.3f} when as many are added"
        )
    after = stage(tell, 1, 2, "units")
    judged = verdicts(
        values[:, list(which)], search, halves, permutations=permutations, draws=draws, least=least, seed=numbers,
        tell=lambda done: after(done, len(which), "units"),
    )  # fmt: skip
    drawn = _drawn(judged, shown)
    ids = np.array([found.ids[np.argsort(-values[:, which[k]], kind="stable")[:_EXEMPLARS]] for k in drawn], np.int64)
    ids = ids.reshape(len(drawn), -1)
    options = {
        "layer": chosen.name, "units": None if units is None else which, "concepts": said, "length": length,
        "score": score, "share": share, "value": value, "top": top, "permutations": permutations, "draws": draws,
        "least": least, "shown": shown,
    }  # fmt: skip
    call = Call.of({}, {"images": images, "labels": labels, "masks": masks, "embeddings": embeddings, "names": names})
    notes = (("images", len(found)), ("dataset", dataset.source.digest()), ("units of the layer", chosen.channels))
    facts: dict[str, Any] = {"layer": chosen.name, "seed": key_text(seed), "notes": notes, "call": call}
    return UnitNames(
        layer=chosen.name,
        image_count=len(found),
        concepts=words,
        kind=kind,
        scored_by=by,
        value=value,
        units=which,
        best=tuple(each.best.text for each in judged),
        second=tuple(each.second for each in judged),
        status=tuple(each.status for each in judged),
        chosen=np.array([each.best.chosen for each in judged]),
        score=np.array([each.score for each in judged]),
        threshold=np.array([each.threshold for each in judged]),
        low=np.array([each.interval[0] for each in judged]),
        high=np.array([each.interval[1] for each in judged]),
        second_score=np.array([each.second_score for each in judged]),
        p_value=np.array([each.p_value for each in judged]),
        positives=np.array([-1 if each.positives is None else each.positives for each in judged]),
        missing_fall=missing,
        extra_fall=extra,
        shown=tuple(which[k] for k in drawn),
        ids=ids,
        images=_images(dataset, ids, model),
        provenance=Provenance.of("name_units", model, options, **facts),
        warnings=tuple(dict.fromkeys((*model.warnings, *told))),
    )


def _check(kind: str, length: int, score: str | None, value: str, permutations: int, draws: int) -> None:
    known = get_args(Measure) if kind == "texts" else KINDS
    if score is not None and score not in known:
        raise UsageError(f"score of names from {kind} is one of {', '.join(known)}, got {score!r}")
    if value not in ("max", "mean"):
        raise UsageError(f'value is "max" or "mean" over positions, got {value!r}')
    if not 1 <= length <= 3 or (length > 1 and kind == "texts"):
        raise UsageError(f"length is 1, 2 or 3 concepts of labels or masks, got {length}")
    if permutations < 1 or draws < 1:
        raise UsageError(f"permutations and draws are 1 or more, got {permutations} and {draws}")


def _reduced(part: Observed, field: str | None) -> Observed:
    """Return a batch with masks made into whether each image shows each concept: they are larger than the images."""
    if field is None:
        return part
    masks = part.fields[field]
    shown = masks if masks.ndim == 2 else masks.reshape(*masks.shape[:2], -1).any(2)
    return Observed(**{**vars(part), "fields": {field: shown}})


def _concepts(
    kind: str,
    found: Observed,
    dataset: Dataset,
    labels: Any,
    masks: Any,
    embeddings: tuple[Any, Any] | None,
    names: Sequence[str] | None,
    model: Model,
) -> tuple[Concepts, tuple[str, ...]]:
    """Return which image shows which concept, or how well which text fits it, and the concepts' names."""
    source = dataset.source
    if kind == "labels":
        known = dataset.class_names or tuple(f"class {k}" for k in range(int(found.labels.max()) + 1))
        words = tuple(names or known)
        _fit(words, max(len(known), int(found.labels.max()) + 1), "class")
        return (found.labels[:, None] == np.arange(len(words))).astype(np.float64), words
    if kind == "masks":
        table = found.fields[masks] if isinstance(masks, str) else _shown(masks, len(dataset))[found.ids]
        words = tuple(names or getattr(source, "concept_names", ()) or (f"concept {k}" for k in range(table.shape[1])))
        _fit(words, table.shape[1], "mask")
        return table.astype(np.float64), words
    if embeddings is None or len(embeddings) != 2:
        raise UsageError("embeddings are two arrays: of the images and of the texts")
    if len(embeddings[0]) != len(dataset):
        raise UsageError(f"{len(embeddings[0])} embeddings for {len(dataset)} images; give one for each")
    if names is None:
        raise UsageError("texts have words: give them as concepts, one for each text's embedding")
    _fit(tuple(names), len(embeddings[1]), "text")
    return cosines(*embeddings)[found.ids], tuple(names)


def _fit(words: tuple[str, ...], count: int, what: str) -> None:
    if len(words) != count:
        raise UsageError(f"{len(words)} names for {count} of one {what} each; give one for each")


def _shown(masks: Any, count: int) -> np.ndarray:
    table = np.asarray(masks)
    if table.ndim not in (2, 4) or len(table) != count:
        raise UsageError(f"masks are (n, k, h, w), or (n, k), for {count} images, got {table.shape}")
    return table if table.ndim == 2 else np.asarray((table > 0.5).any((2, 3)))


def _search(
    kind: str,
    table: Concepts,
    words: tuple[str, ...],
    by: Any,
    share: float,
    length: int,
    values: Float[np.ndarray, "n u"],
    halves: tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]],
    top: int | None,
    least: int,
) -> Search:
    if kind == "texts":
        most = top or min(TOP.get(by, len(values)), max(1, len(halves[0]) // 5))
        return TextSearch(units=values, similarities=table, texts=words, measure=by, top=most)
    if length > 1:
        return FormulaSearch(concepts=table, names=words, kind=by, share=share, length=length, least=least / len(table))
    return ConceptSearch(concepts=table, names=words, kind=by, share=share)


def _drawn(judged: Sequence[Verdict], count: int) -> list[int]:
    """Return the places of the units that are drawn: named ones first, by score."""
    order = sorted(range(len(judged)), key=lambda k: (judged[k].name == "", -judged[k].score, k))
    return order[:count]


def _images(dataset: Dataset, ids: Int[np.ndarray, "k m"], model: Model) -> Float[np.ndarray, "k m h w ch"]:
    images = np.zeros((*ids.shape, *model.input_shape), np.float32)
    for row, column in np.ndindex(*ids.shape):
        images[row, column] = dataset.image(int(ids[row, column]))
    return images
