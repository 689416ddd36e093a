"""How much of a detection is found again: D-RISE's weight of a masked image, for any detector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import Target, one_each


class Proposals(NamedTuple):
    """What a detector proposes for one image."""

    boxes: Float[Array, "p 4"]
    """Top, left, bottom, right, in any unit that all boxes share."""
    probabilities: Float[Array, "p classes"]
    objectness: Float[Array, " p"] | None = None
    """How sure it is of each; 1 where left out. A proposal that only fills the array has 0."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Detection(Target):
    """The best match of a detection among a detector's proposals: overlap x cosine of probabilities x objectness.

    It jumps where another proposal becomes the best: a score for masks (`rise`, `occlusion`), not for gradients. Those
    are taken of the class score of the proposal that made the box, `cv.targets.custom(lambda out: out[anchor, c])`.
    Source: Petsiuk et al. 2021, arXiv:2006.03204, section 3, equations 3 to 5.
    """

    proposals: Callable[[Any], Proposals] = static()
    """What one image's outputs propose; traceable."""
    box: Float[Array, "n 4"]  # type: ignore[misc]  # static() gives no default
    """Top, left, bottom, right of the detection that is explained."""
    probabilities: Float[Array, "n classes"]  # type: ignore[misc]  # the same

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the largest product over the proposals; 0 where there are none."""
        found = Proposals(*self.proposals(outputs))
        boxes, probabilities = (jnp.asarray(each, jnp.float32) for each in found[:2])
        objectness = jnp.ones(len(boxes)) if found.objectness is None else jnp.asarray(found.objectness, jnp.float32)
        lengths = jnp.linalg.norm(probabilities, axis=-1) * jnp.linalg.norm(self.probabilities)
        cosine = probabilities @ self.probabilities / jnp.maximum(lengths, 1e-12)
        return jnp.max(overlap(self.box, boxes) * cosine * objectness, initial=0.0)

    def batched(self, count: int) -> "Detection":
        """Return this target with one box and its probabilities per image."""
        box, probabilities = (
            one_each(each[0] if len(each) == 1 else each, count, word, rank=1)
            for each, word in ((self.box, "boxes"), (self.probabilities, "rows of probabilities"))
        )
        return Detection(self.proposals, box, probabilities)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `detection at (10, 10, 50, 40)`."""
        return tuple(f"detection at ({', '.join(f'{side:g}' for side in box)})" for box in np.asarray(self.box))


def overlap(box: Float[Array, "4"], boxes: Float[Array, "p 4"]) -> Float[Array, " p"]:
    """Return intersection over union of a box with each of several; 0 for boxes without area."""
    low, high = jnp.maximum(boxes[:, :2], box[:2]), jnp.minimum(boxes[:, 2:], box[2:])
    common = jnp.prod(jnp.maximum(high - low, 0), -1)
    areas = jnp.prod(jnp.maximum(boxes[:, 2:] - boxes[:, :2], 0), -1)
    union = areas + jnp.prod(jnp.maximum(box[2:] - box[:2], 0)) - common
    return jnp.where(union > 0, common / jnp.where(union > 0, union, 1), 0)


def detection(proposals: Callable[[Any], Any], box: Any, probabilities: Any) -> Detection:
    """Return the target "this detection is found again", for `rise`: that is D-RISE.

    Args:
        proposals: Makes (boxes, probabilities) or (boxes, probabilities, objectness) of one image's outputs, as
            `Proposals` has them; traceable, with a fixed number of proposals.
        box: Top, left, bottom, right of what is explained, or one per image.
        probabilities: Its class probabilities, or one row per image.

    Raises:
        TargetError: A box or its probabilities have the wrong shape, or a box has no area.
    """
    boxes, rows = (np.atleast_2d(np.asarray(each, np.float32)) for each in (box, probabilities))
    if boxes.ndim != 2 or boxes.shape[-1] != 4 or not (boxes[:, 2:] > boxes[:, :2]).all():
        raise TargetError(f"a box is (top, left, bottom, right) with an area, or one per image; got {box!r:.80}")
    if rows.ndim != 2 or len(rows) not in (1, len(boxes)) or not np.linalg.norm(rows, axis=-1).all():
        raise TargetError(
            f"probabilities are one row for each of {len(boxes)} boxes, not all 0; got shape {rows.shape}"
        )
    return Detection(proposals, jnp.asarray(boxes), jnp.asarray(rows))
