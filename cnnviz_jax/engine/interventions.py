"""Interventions as a fold: the scores of an image with one or several edits of its layers, many variants at once."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.targets.target import WrappedTarget

Each = Literal["all", "edit", "channel", "position"]
"""What is changed in one variant: everything asked for, one edit of it, or one channel or position of one edit."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EditNumbers:
    """The numbers of one edit, one of each per image."""

    where: Bool[Array, "..."]
    """Which units of the layer may be changed."""
    factor: Float[Array, "..."]
    value: Float[Array, "..."]


# The numbers travel with the target, as its own do: one compiled program then serves every channel, place and value.
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EditedTarget(WrappedTarget):
    """A target, and what is done to the layers of the images that it scores."""

    edits: tuple[EditNumbers, ...]
    source: Float[Array, "... h w c"] | None
    """The image whose values are patched in."""
    number: Int[Array, "... variants"]
    """Which edit each variant makes."""
    item: Int[Array, "... variants"]
    """Which channel, or which position, of it."""

    def batched(self, count: int) -> Self:
        """Return it as it is: it is made with one entry per image."""
        return dataclasses.replace(self, inner=self.inner.batched(count))


@dataclass(frozen=True, kw_only=True)
class EditOf:
    """What of an edit decides the program."""

    layer: str
    kind: str
    function: Callable[[Any], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class EditFold(Fold):
    """Scores of every variant of an image: `target` (variants,) and `scores` (variants, classes).

    Beside them `target_before` and `scores_before`, of the image as it is, and `source`, the target's score of the
    source image, where there is one.

    Cost: one forward pass per variant, from the lowest edited layer up, one of the image and one of its source.
    """

    edits: tuple[EditOf, ...]
    each: Each
    variants: int
    has_classes: bool
    """Whether the model has one score per class, so that all of them are returned."""

    @property
    def evaluations(self) -> int:
        """The variants."""
        return self.variants

    def prepare(self, case: Case) -> dict[str, Any]:
        """Return the scores as they are, and the values that are patched in."""
        target: EditedTarget = case.target
        patched = tuple(dict.fromkeys(edit.layer for edit in self.edits if edit.kind == "patch"))
        found: dict[str, Any] = {"before": self._scored(case, case.image, {})[0], "patches": {}}
        if target.source is not None:
            scores, values = self._scored(case, target.source, {}, patched)
            found |= {"source": scores["target"], "patches": values}
        return found

    def evaluate(self, case: Case) -> dict[str, Array]:
        """Return the scores of one variant."""
        changes: dict[str, list[Callable[[Array], Array]]] = {}
        for place, edit in enumerate(self.edits):
            changes.setdefault(edit.layer, []).append(self._change(case, place, edit))

        def in_turn(own: list[Callable[[Array], Array]]) -> Callable[[Array], Array]:
            def change(value: Array) -> Array:
                for each in own:
                    value = each(value)
                return value

            return change

        return self._scored(case, case.image, {layer: in_turn(own) for layer, own in changes.items()})[0]

    def finish(self, case: Case, gathered: Any) -> dict[str, Array]:
        """Return what was gathered, beside the untouched scores."""
        context = case.context
        found = gathered | {f"{name}_before": value for name, value in context["before"].items()}
        return found | ({"source": context["source"]} if "source" in context else {})

    def _change(self, case: Case, place: int, edit: EditOf) -> Callable[[Array], Array]:
        target: EditedTarget = case.target
        numbers, index = target.edits[place], case.index

        def change(value: Array) -> Array:
            where = numbers.where
            if self.each != "all":
                where = where & (target.number[index] == place)
            if self.each == "channel":
                where = where & (jnp.arange(value.shape[-1]) == target.item[index])
            if self.each == "position":
                positions = jnp.arange(where.size // where.shape[-1]).reshape(*where.shape[:-1], 1)
                where = where & (positions == target.item[index])
            if edit.kind == "patch":
                new = case.context["patches"][edit.layer]
            elif edit.kind == "function" and edit.function is not None:
                new = jnp.asarray(edit.function(value))
            else:
                # Without a factor the value itself must not count: 0 times infinity is no number.
                new = jnp.where(numbers.factor == 0, 0, numbers.factor * value) + numbers.value
            return jnp.where(where, new.astype(value.dtype), value)

        return change

    def _scored(
        self, case: Case, image: Array, changes: dict[str, Any], read: tuple[str, ...] = ()
    ) -> tuple[dict[str, Array], dict[str, Shaped[Array, "..."]]]:
        inner = case.target.inner
        every = tuple(dict.fromkeys((*read, *inner.layers)))
        needed = self.has_classes or inner.needs_outputs
        outputs, values = case.model.run(image, read=every, replace=changes, need_outputs=needed)
        found = {"target": jnp.asarray(inner.score(outputs, values), jnp.float32)}
        if self.has_classes:
            # Scores of every place, as a segmentation gives them, count by their mean over places.
            logits = jnp.asarray(outputs, jnp.float32)
            found["scores"] = logits.reshape(-1, logits.shape[-1]).mean(0)
        return found, {name: values[name] for name in read}
