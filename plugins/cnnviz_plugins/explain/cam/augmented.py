"""Test-time augmentation: the mean of a technique's maps of six views of the image, mirrored and brightened."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model

FACTORS = (0.9, 1.0, 1.1)
VIEWS = 2 * len(FACTORS)


@dataclass(frozen=True, kw_only=True)
class Augmented(Fold):
    """The mean of the maps of {as it is, mirrored left to right} x {0.9, 1.0, 1.1 times the input}, mirrored back.

    The network's own input is multiplied, after mean and std are taken off, so that what the model subtracts stays.
    Extras are means over the views too; those that are numbers of channels or classes are left out.

    Cost: six times that of the technique.
    Source: `aug_smooth` of pytorch_grad_cam/base_cam.py.
    """

    inner: Fold

    @classmethod
    def of(cls, fold: Fold) -> "Augmented":
        """Return a fold over the views of each image."""
        notes = (*fold.notes, ("augment", f"{VIEWS} views"))
        return cls(
            inner=fold, gather=fold.gather, view=fold.view, layer=fold.layer, notes=notes, warnings=fold.warnings
        )

    @property
    def evaluations(self) -> int:
        """Those of every view, one view after the other."""
        return VIEWS * self.inner.evaluations

    def prepare(self, case: Case) -> Any:
        """Return what the evaluations of each view share."""
        return jax.vmap(lambda number: self.inner.prepare(self._seen(case, number)))(jnp.arange(VIEWS))

    def evaluate(self, case: Case) -> Any:
        """Return evaluation `index` of all, whichever view it is of."""
        number = case.index // self.inner.evaluations
        context = jax.tree.map(lambda leaf: leaf[number], case.context)
        index = case.index % self.inner.evaluations
        found = self.inner.evaluate(replace(self._seen(case, number), context=context, index=index))
        if self.gather == "stack":
            return found
        return jax.tree.map(lambda leaf: jnp.zeros((VIEWS, *leaf.shape), leaf.dtype).at[number].set(leaf), found)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the mean of the views' maps."""
        maps = []
        for number in range(VIEWS):
            context, own = (jax.tree.map(take, tree) for take, tree in self._of_view(number, case.context, gathered))
            found = self.inner.finish(replace(self._seen(case, jnp.int32(number)), context=context), own)
            extras = {name: leaf for name, leaf in found.extras.items() if jnp.issubdtype(leaf.dtype, jnp.floating)}
            found = replace(found, extras=extras)
            maps.append(jax.tree.map(_mirrored, found) if number >= len(FACTORS) else found)
        mean: Heatmap = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]) / VIEWS, *maps)
        return mean

    def _of_view(self, number: int, context: Any, gathered: Any) -> list[tuple[Any, Any]]:
        count = self.inner.evaluations
        own = slice(number * count, (number + 1) * count) if self.gather == "stack" else number
        return [(lambda leaf: leaf[number], context), (lambda leaf: leaf[own], gathered)]

    def _seen(self, case: Case, number: Int[Array, ""]) -> Case:
        return replace(case, image=_view(case.image, number, case.model))


def _view(image: Float[Array, "h w c"], number: Int[Array, ""], model: Model) -> Float[Array, "h w c"]:
    mean = jnp.asarray(model.structure.mean, image.dtype)
    factor = jnp.asarray(FACTORS, image.dtype)[number % len(FACTORS)]
    return mean + (jnp.where(number >= len(FACTORS), image[:, ::-1], image) - mean) * factor


def _mirrored(leaf: Array) -> Array:
    return leaf[:, ::-1] if leaf.ndim > 1 else leaf
