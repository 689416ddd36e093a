"""What an explanation itself gives cause to say: zeros and why, shares that miss their sum."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import LayerNotFoundError, ModelError, in_few
from cnnviz_jax.model.layers import INPUT
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.attribution import Heatmap
from cnnviz_jax.targets import Target


def findings(
    heatmap: Heatmap,
    model: Model,
    images: Float[Array | np.ndarray, "n h w c"],
    target: Target,
    layer: str | None,
    technique: str,
    scores: Float[np.ndarray, " n"],
) -> tuple[str, ...]:
    """Return what the numbers of an explanation give cause to say.

    Raises:
        ModelError: A map has values that are not finite.
    """
    found = []
    finite = np.isfinite(heatmap.values).reshape(len(images), -1).all(1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ModelError(
            f"{technique} gave values that are not finite for image {first}{_why_not_finite(heatmap, first)}"
        )
    zero = [i for i, value in enumerate(heatmap.values) if not value.any()]
    if zero:
        found.append(f"all zero for image {in_few(zero)}: {_why_zero(heatmap, model, target, layer, zero)}")
    found += _incomplete(heatmap, scores)
    found += _not_conserved(heatmap)
    low, top = float(images.min()), float(images.max())
    if model.structure.space is None and (low < -0.01 or top > 2):  # other inputs have units of their own
        found.append(f"images reach from {low:g} to {top:g}; they are expected in [0, 1], before mean and std")
    return tuple(found)


def _why_not_finite(heatmap: Heatmap, image: int) -> str:
    """Return what made relevance overflow; nothing for other values, or where no finite number went in."""
    # A rule divides by sums and multiplies by their summands. Of 1e-3 and its bias of 1, with biases that take nothing,
    # relevance of 1 becomes 1000 above and below zero, and 13 such layers are beyond float32's 3e38.
    root = heatmap.extras.get("root")
    if root is None or "conservation_gap" not in heatmap.extras or not np.isfinite(root[image]):
        return ""
    return (
        f": {root[image]:.3g} went in and grew past what 32 bits hold, as sums near zero divide it layer after layer; "
        "biases that take their share (bias=True), a larger epsilon or a composite such as z+ hold it together"
    )


def _why_zero(heatmap: Heatmap, model: Model, target: Target, layer: str | None, zero: Sequence[int]) -> str:
    looked_at = [name for name in (layer or "").split(", ") if name and name != INPUT]
    try:
        layers = [name for name in target.layers if name != INPUT or INPUT in model.program.layers]
        cut = [
            name for name in looked_at if not model.program.reaches(name, results=target.needs_outputs, layers=layers)
        ]
    except LayerNotFoundError:  # a technique's own words in place of a layer's name
        cut = []
    if cut:
        return f"the score does not rest on layer {cut[0]!r}; name one that it rests on, or none"
    before = heatmap.extras.get("before_relu")
    if before is not None:
        raw = [np.asarray(before[i]) for i in zero]
        if all((each <= 0).all() and each.any() for each in raw):
            return "the ReLU removed a negative map"
        if looked_at:
            return f"the values or the gradients at {looked_at[0]!r} are zero everywhere for it"
    return "the score does not depend on what was changed"


def _incomplete(heatmap: Heatmap, scores: Float[np.ndarray, " n"]) -> list[str]:
    """Return a warning where shares that should sum to a difference of scores do not, by more than a twentieth."""
    if not {"completeness_gap", "baseline_score"} <= heatmap.extras.keys():
        return []
    gap = np.abs(heatmap.extras["completeness_gap"])
    difference = np.abs(scores - heatmap.extras["baseline_score"])
    off = np.flatnonzero(gap > 0.05 * difference + 1e-4 * np.maximum(1, np.abs(scores)))
    if not off.size:
        return []
    which, i = in_few(off), off[0]
    return [f"the shares of image {which} miss the difference of scores (by {gap[i]:.3g} of {difference[i]:.3g})"]


def _not_conserved(heatmap: Heatmap) -> list[str]:
    """Return a warning where relevance that should arrive as it went in has grown or gone."""
    if not {"root", "conservation_gap", "conservation_tolerance"} <= heatmap.extras.keys():
        return []
    root, gap = np.asarray(heatmap.extras["root"]), np.asarray(heatmap.extras["conservation_gap"])
    off = np.flatnonzero(np.abs(gap) > heatmap.extras["conservation_tolerance"] * np.maximum(np.abs(root), 0.01))
    if not off.size:
        return []
    which, i = in_few(off), off[0]
    came = root[i] + gap[i]
    cause = (
        "sums near zero divide it; a larger epsilon or a composite such as epsilon-plus holds it together"
        if abs(came) > abs(root[i])
        else "its epsilon took some; a smaller one takes less"
    )
    return [f"relevance is not conserved for image {which}: {root[i]:.3g} went in and {came:.3g} came out: {cause}"]
