"""TCAV: does a class's score rise towards a concept that images show (Kim et al. 2018)?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy import special, stats

from cnnviz_jax.plugin import (
    Case,
    Dataset,
    Fold,
    Layer,
    Model,
    Provenance,
    SurveyPlan,
    Total,
    UsageError,
    surveyed_layer,
    targets,
)
from cnnviz_plugins.explain.concepts.examined import examined
from cnnviz_plugins.explain.concepts.plugin import TcavConfig
from cnnviz_plugins.explain.concepts.results import ConceptScores
from cnnviz_plugins.explain.concepts.sampled_values import SampledValues
from cnnviz_plugins.explain.layer_values import values_and_gradients


@dataclass(frozen=True, kw_only=True)
class LayerGradient(Fold):
    """The gradient of the score at the layer, as (gradient,), for each image."""

    layer: str

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the gradient."""
        return values_and_gradients(case, self.layer)[self.layer][1]

    def finish(self, case: Case, gathered: Any) -> Float[Array, "..."]:
        """Return it."""
        return gathered[0]


def build(config: TcavConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for TCAV, and how the scores are made of it.

    Raises:
        LayerNotFoundError: No such layer.
        TargetError: No such class.

    Cost: one forward pass per image up to the layer; for each examined image one forward and backward pass above.
    Memory for the layer's values of `images` images.
    Source: Kim, Wattenberg, Gilmer, Cai, Wexler, Viegas, Sayres 2018, section 3.
    """
    layer = surveyed_layer(model, config.layer, None)
    targets.resolve_layers(targets.class_score(config.target), model)
    shape = layer.shape[-1:] if config.pool == "mean" else layer.shape
    sampled = SampledValues(
        layer=layer.name, shape=shape, image_count=config.image_count, pool=config.pool, is_labelled=True
    )
    return SurveyPlan(reducers={"sampled": sampled}, finish=partial(_scores, config, model, layer), axes=(1, 2, 3))


def _scores(
    config: TcavConfig, model: Model, layer: Layer, found: Mapping[str, Total], dataset: Dataset, provenance: Provenance
) -> ConceptScores:
    sampled = found["sampled"]
    if not dataset.is_labelled:
        raise UsageError(
            "tcav needs labels that say what each image shows: labels='folders', or one number per image, with one "
            f"label for {config.examined!r} and one for {config.random!r} images"
        )
    names, groups = _groups(config, sampled, dataset)
    own, random = groups.pop("examined"), groups.pop("random")
    rows = sampled["values"].reshape(len(sampled["values"]), -1).astype(np.float64)
    rows = rows / max(float(np.sqrt(np.square(rows).sum(1).mean())), 1e-30)
    size = min(len(random) // 2, *(len(group) for group in groups.values()))
    gradients = _gradients(config, model, layer, [int(sampled["id"][i]) for i in own], dataset)
    concepts = tuple(groups)
    vectors = np.zeros((len(concepts), config.runs, rows.shape[1]))
    accuracy = np.zeros((len(concepts), config.runs))
    chance = np.zeros((config.runs, rows.shape[1]))
    for run in range(config.runs):
        drawn = np.random.default_rng([config.seed, run])
        others = drawn.permutation(random)
        chance[run], _ = _learned(rows, others[:size], others[size : 2 * size], config.penalty, drawn)
        for k, group in enumerate(groups.values()):
            some = drawn.permutation(group)[:size]
            vectors[k, run], accuracy[k, run] = _learned(rows, some, others[:size], config.penalty, drawn)
    score = (vectors @ gradients.T > 0).mean(-1)
    random_score = (gradients @ chance.T > 0).mean(0)
    mean = vectors.mean(1)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    mean = mean / np.where(length > 0, length, 1)
    p_value = np.array([t_test(row, random_score) for row in score])
    return ConceptScores(
        layer=layer.name,
        target=model.class_name(config.target),
        concepts=tuple(names[label] for label in concepts),
        score=score,
        random_score=random_score,
        p_value=p_value,
        accuracy=accuracy,
        vectors=mean.reshape(len(concepts), *sampled["values"].shape[1:]).astype(np.float32),
        derivative=mean @ gradients.T,
        examined=sampled["id"][own],
        provenance=provenance,
        warnings=(*model.warnings, *_findings([names[label] for label in concepts], accuracy, p_value, size)),
    )


def _groups(
    config: TcavConfig, sampled: Total, dataset: Dataset
) -> tuple[Mapping[Any, str], dict[Any, Int[np.ndarray, " n"]]]:
    """Return the labels' names, and the rows of each: `examined`, `random`, and each concept by its number."""
    known = config.label_names or dataset.class_names
    labels = [int(label) for label in np.unique(sampled["label"])]
    names = {label: known[label] if label < len(known) else str(label) for label in labels}
    found: dict[Any, Any] = {}
    for role in ("examined", "random"):
        word = getattr(config, role)
        match = [label for label in labels if word in (names[label], str(label))]
        if not match:
            raise UsageError(f"no image is labelled {word!r} ({role}); the labels are {', '.join(names.values())}")
        found[role] = np.flatnonzero(sampled["label"] == match[0])
        labels.remove(match[0])
    if not labels:
        raise UsageError(f"every image is labelled {config.examined!r} or {config.random!r}; concepts need some")
    found |= {label: np.flatnonzero(sampled["label"] == label) for label in labels}
    few = [role if isinstance(role, str) else names[role] for role, rows in found.items() if len(rows) < 3]
    if few or len(found["random"]) < 6:
        raise UsageError(f"too few images of {few[0] if few else config.random}: 3 of each label and 6 random ones")
    return names, found


def _learned(
    rows: Float[np.ndarray, "n d"],
    first: Int[np.ndarray, " m"],
    second: Int[np.ndarray, " m"],
    penalty: float,
    drawn: np.random.Generator,
) -> tuple[Float[np.ndarray, " d"], float]:
    """Return the direction from the second to the first, of length 1, and its accuracy on the third left out."""
    both = np.concatenate([first, second])
    is_first = np.arange(len(both)) < len(first)
    parts = ((0, len(first)), (len(first), len(second)))
    left_out = np.concatenate([start + drawn.permutation(count)[: count // 3] for start, count in parts])
    is_left_out = np.isin(np.arange(len(both)), left_out)
    weights, constant = direction(rows[both[~is_left_out]], is_first[~is_left_out], penalty)
    tested = rows[both[is_left_out]] @ weights + constant > 0
    length = float(np.linalg.norm(weights))
    return weights / (length if length > 0 else 1), float((tested == is_first[is_left_out]).mean())


def _gradients(
    config: TcavConfig, model: Model, layer: Layer, ids: list[int], dataset: Dataset
) -> Float[np.ndarray, "n d"]:
    fold = LayerGradient(layer=layer.name)
    found: np.ndarray = examined(fold, model, dataset, ids, config.target, seed=config.seed)
    if config.pool == "mean" and found.ndim == 4:
        found = found.sum((1, 2))  # a mean that moves by v moves every place by v
    return found.reshape(len(ids), -1).astype(np.float64)


def t_test(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"]) -> float:
    """Return the p-value of Student's two-sided t-test for two independent samples of one variance.

    Samples without any spread differ surely or not at all: 0 or 1.
    """
    if max(first.std(ddof=1), second.std(ddof=1)) < 1e-10:
        return 1.0 if abs(first.mean() - second.mean()) < 1e-10 else 0.0
    # From means and spreads: SciPy's test of the samples themselves warns where one of them has no spread.
    summaries = [number for sample in (first, second) for number in (sample.mean(), sample.std(ddof=1), len(sample))]
    return float(stats.ttest_ind_from_stats(*summaries).pvalue)


def _findings(
    names: list[str], accuracy: Float[np.ndarray, "k runs"], p_value: Float[np.ndarray, " k"], size: int
) -> list[str]:
    found = []
    weak = [name for name, own in zip(names, accuracy.mean(1), strict=True) if own < 0.7]
    if weak:
        found.append(f"the layer hardly tells {', '.join(weak)} from random images: the direction means little")
    by_chance = [name for name, p in zip(names, p_value, strict=True) if p >= 0.05 / len(names)]
    if by_chance:
        found.append(f"{', '.join(by_chance)}: no different from random directions at p < 0.05 / {len(names)}")
    if size < 15:
        found.append(f"only {size} images on each side of a direction; the authors take 50 and more")
    return found


_ROUNDS = 30


def direction(
    rows: Float[np.ndarray, "n d"], is_first: Bool[np.ndarray, " n"], penalty: float
) -> tuple[Float[np.ndarray, " d"], float]:
    """Return the weights and the constant of the logistic regression of `is_first` on `rows`.

    They minimise mean(log(1 + exp(-y (w x + b)))) + penalty / 2 * (|w|^2 + b^2), y = 1 for the first group and -1 for
    the other. The weights are sums of rows, so the work is in n x n and rows may be as long as a layer's map.

    Source: Newton's method in the form of Rasmussen, Williams 2006, algorithm 3.1.
    """
    count = len(rows)
    gram = (rows @ rows.T + 1) / (penalty * count)  # the 1 is the constant, as one more column
    sign = np.where(is_first, 1.0, -1.0)
    shares = np.zeros(count)
    for _ in range(_ROUNDS):
        at = gram @ shares
        chance = special.expit(at)
        curve = chance * (1 - chance)
        root = np.sqrt(curve)
        right = curve * at + (sign + 1) / 2 - chance
        inner = np.eye(count) + root[:, None] * gram * root
        shares = right - root * np.linalg.solve(inner, root * (gram @ right))
    shares = shares / (penalty * count)
    return rows.T @ shares, float(shares.sum())
