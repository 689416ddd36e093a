"""`cv.recommend`: which technique to use on these images, decided by a cheap panel of measures within a time budget."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images, image_names
from cnnviz_jax.engine import Progress, as_callable, root_key
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.results.intervals import interval, is_apart, resampled_means
from cnnviz_jax.results.measurement import Comparison
from cnnviz_jax.results.recommendation import Recommendation
from cnnviz_jax.verbs.compare import chosen_names, compare
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.measure import measure
from cnnviz_jax.verbs.outermost import verb

LEAST_IMAGES = 8
"""With fewer images an interval is wider than what techniques differ by."""
INSENSITIVE = 0.5
"""A map whose rank correlation with that of the random network is above this ignores the weights."""
_WEIGHT_IMAGES = 4
"""Images on which the dependence on weights is looked at."""
_STEPS = 16
_PANEL = (
    "grad-cam", "input-x-gradient", "saliency", "layer-cam", "lrp", "deeplift", "guided-backprop",
    "excitation-backprop", "integrated-gradients", "smoothgrad", "score-cam", "occlusion",
)  # fmt: skip
"""Tried in this order where none are named: the cheap ones first, a few of every family."""
_METRICS = ("deletion", "insertion")


@verb
def recommend(
    model: Model,
    images: Images,
    techniques: Sequence[str] | None = None,
    target: Any = None,
    *,
    budget_s: float = 60.0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    names: Sequence[str] | None = None,
    key: Any = None,
    progress: Progress | bool | None = None,
) -> Recommendation:
    """Return which technique to use on these images, in words, with its evidence; or why none is recommended.

    Each technique explains the images and is measured by insertion less deletion of the same image. Those that the
    images do not tell apart from the best (paired bootstrap, 95 %) stay; those whose map hardly changes when all
    weights are random go, and of the rest the one that took least time is recommended. It abstains with fewer than
    8 images, where the time sufficed for one technique only, where none is better than a random map, and where none
    that is left depends on the weights.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: Images in [0, 1], 8 or more, of the kind that matters to you.
        techniques: Names to choose from; a dozen of all families, the cheap ones first, when not given.
        target: What is explained; each image's top class when not given.
        budget_s: Seconds after which no further technique is begun.
        options: Options by name of a technique, in place of defaults.
        names: One name per image.
        key: Seed or key of everything random.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A name does not exist or the images do not fit.

    Cost: for each technique an explanation and 34 forward passes per image; for those that stay an explanation of four
    images by each of as many random networks as there are layers.
    """
    begun = time.monotonic()
    if not budget_s > 0:
        raise UsageError(f"budget_s is positive, got {budget_s}")
    images = check_images(images, model.input_shape)
    titles = image_names(names, len(images))
    panel = tuple(name for name in _PANEL if name in plugins().techniques)
    asked = chosen_names(techniques, "explain", panel)
    chosen = {name: dict(each) for name, each in (options or {}).items()}
    if unknown := [name for name in chosen if name not in asked]:
        raise UsageError(f"options are given for {unknown[0]!r}, which is not among the techniques")
    resolved, tell = targets.resolve(target, model, images), as_callable(progress)
    settings: dict[str, Any] = {name: {"steps": _STEPS} for name in _METRICS}
    found: Comparison | None = None
    untried: list[str] = []
    for place, name in enumerate(asked):
        tell(place, len(asked) + 1, name)
        if found is not None and time.monotonic() - begun > budget_s:
            untried.append(name)
            continue
        own = settings | ({name: chosen[name]} if name in chosen else {})
        try:
            one = compare(
                model, images, [name], _METRICS, resolved, options=own, names=titles, key=key, progress=_quiet
            )
        except CnnvizError as reason:
            if found is not None:
                found = dataclasses.replace(found, refused={**found.refused, name: str(reason)})
            continue
        found = one if found is None else _joined(found, one)
    answer = _answer(model, images, resolved, found, settings, key, chosen, begun + budget_s)
    tell(len(asked) + 1, len(asked) + 1, "done")
    if untried:
        left = f"the time of {budget_s:g} s did not suffice for {', '.join(untried)}"
        answer = dataclasses.replace(answer, untried=tuple(untried), reasons=(*answer.reasons, left))
    return answer


def _quiet(done: int, total: int, what: str) -> None:
    """Say nothing: the panel's own progress is told."""


def _joined(one: Comparison, other: Comparison) -> Comparison:
    """Return two comparisons of the same images by the same measures as one."""
    return dataclasses.replace(
        one,
        techniques=(*one.techniques, *other.techniques),
        measurements={**one.measurements, **other.measurements},
        attributions={**one.attributions, **other.attributions},
        refused={**one.refused, **other.refused},
        elapsed_s={**one.elapsed_s, **other.elapsed_s},
    )


def _answer(
    model: Model,
    images: Float[np.ndarray, "n h w c"],
    target: targets.Target,
    found: Comparison | None,
    settings: dict[str, Any],
    key: Any,
    chosen: dict[str, dict[str, Any]],
    until: float,
) -> Recommendation:
    """Return the decision, from what was measured."""
    measured = {} if found is None else {name: _faithfulness(by) for name, by in found.measurements.items()}
    numbers = {name: each for name, each in measured.items() if each is not None}
    if found is None or not numbers:
        why = "" if found is None else ": " + "; ".join(f"{name}: {reason}" for name, reason in found.refused.items())
        return Recommendation(technique=None, reasons=(f"no technique could be measured{why}",), comparison=found)
    spread = {name: _spread(each) for name, each in numbers.items()}
    order = sorted(numbers, key=lambda name: (-spread[name][0], name))
    control = _control(model, images, target, settings, key)
    level = float(control.mean())
    facts: dict[str, Any] = {"faithfulness": {name: spread[name] for name in order}, "control": level}
    facts |= {"comparison": found}
    said = [f"insertion less deletion of {name}: {_words(spread[name])}" for name in order[:3]]
    said.append(f"the better of two random maps has {level:.3g}")

    def abstained(why: str, **more: Any) -> Recommendation:
        return Recommendation(technique=None, reasons=(why, *said), **facts, **more)

    if len(images) < LEAST_IMAGES:
        return abstained(f"{len(images)} images tell nothing apart; give {LEAST_IMAGES} or more")
    if len(order) < 2:
        return abstained(f"only {order[0]} was measured, and there is nothing to compare it with")
    best = order[0]
    if not (numbers[best] - control).mean() > 0 or not is_apart(numbers[best], control):
        return abstained("no technique is better than a random map on these images")
    alike = [name for name in order if name == best or not is_apart(numbers[best], numbers[name])]
    weights = _weights(model, images, target, alike, key, chosen, until)
    insensitive = tuple(name for name in alike if abs(weights.get(name, 0.0)) > INSENSITIVE)
    said += [f"rank correlation of {name} with its map of the random network: {weights[name]:.2f}" for name in weights]
    facts |= {"weights": weights, "insensitive": insensitive}
    left = [name for name in alike if name not in insensitive]
    if not left:
        return abstained(f"the best, {', '.join(alike)}, hardly change when all weights are random")
    choice = min(left, key=lambda name: (name not in weights, found.elapsed_s[name], name))
    others = tuple(name for name in alike if name != choice)
    reasons = [f"on {len(images)} images nothing is more faithful than {choice}: {_words(spread[choice])}"]
    if others:
        reasons.append(f"these images do not tell it apart from {', '.join(others)}")
    if insensitive:
        reasons.append(
            f"left out, since their maps hardly change when all weights are random: {', '.join(insensitive)}"
        )
    if choice in weights:
        reasons.append(
            f"it depends on the weights: rank correlation {weights[choice]:.2f} with the random network's map"
        )
    else:
        reasons.append("whether it depends on the weights was not asked: the time did not suffice, or no layer has any")
    reasons.append(f"a random map has {level:.3g}")
    seconds = found.elapsed_s[choice] / len(images)
    reasons.append(f"it took {seconds:.2g} s an image, the first run's compilation included")
    return Recommendation(technique=choice, reasons=tuple(reasons), alike=others, **facts)


def _faithfulness(by: Mapping[str, Any]) -> Float[np.ndarray, " n"] | None:
    """Return insertion less deletion, image by image."""
    if any(metric not in by for metric in _METRICS):
        return None
    deletion, insertion = (np.asarray(by[metric].values, np.float64) for metric in _METRICS)
    return insertion - deletion


def _spread(values: Float[np.ndarray, " n"]) -> tuple[float, float, float]:
    ends = interval(resampled_means(values[None])[0]) or (float(values.mean()),) * 2
    return (float(values.mean()), *ends)


def _words(spread: tuple[float, float, float]) -> str:
    mean, low, high = (format(value, ".3g") for value in spread)
    return f"{mean} (95 % interval {low} to {high})"


def _control(
    model: Model, images: Float[np.ndarray, "n h w c"], target: targets.Target, settings: dict[str, Any], key: Any
) -> Float[np.ndarray, " n"]:
    """Return the same number of two random maps, pixels and blocks of an eighth, the better one on the whole.

    Removing blocks breaks an image less than removing single pixels, so a coarse map is to be held against blocks.
    """
    seed = np.asarray(jax.random.key_data(root_key(key)), np.uint32).tolist()
    random, (count, height, width, _) = np.random.default_rng(seed), images.shape
    pixels = random.uniform(size=(count, height, width)).astype(np.float32)
    rows, cols = (np.arange(size) * 8 // size for size in (height, width))
    blocks = random.uniform(size=(count, 8, 8)).astype(np.float32)[:, rows][:, :, cols]
    found = []
    for heat in (pixels, blocks):
        by = {metric: measure(metric, model, images, heat, target, key=key, **settings[metric]) for metric in _METRICS}
        found.append(_faithfulness(by))
    best: np.ndarray = max((each for each in found if each is not None), key=lambda each: float(each.mean()))
    return best


def _weights(
    model: Model,
    images: Float[np.ndarray, "n h w c"],
    target: targets.Target,
    names: Sequence[str],
    key: Any,
    chosen: dict[str, dict[str, Any]],
    until: float,
) -> dict[str, float]:
    """Return how alike each one's map is to that of the network with all layers random; at least one is asked."""
    some = images[:_WEIGHT_IMAGES]
    own = jax.tree.map(lambda leaf: leaf[: len(some)], target)
    found: dict[str, float] = {}
    for name in names:
        if found and time.monotonic() > until:
            break
        try:
            maps = explain(name, model, some, own, key=key, **chosen.get(name, {}))
            result = measure("parameter-randomization", model, some, maps, own, key=key)
        except CnnvizError:  # no layer with weights, or no such measure: it is said that it was not asked
            continue
        if result.curve is not None:
            found[name] = float(np.asarray(result.curve)[:, -1].mean())
    return found
