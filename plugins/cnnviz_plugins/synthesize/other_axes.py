"""What of a recipe works on series and volumes, which have one spatial axis or three, and no colours."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import Model, Target, TargetWithInputs, UsageError
from cnnviz_plugins.synthesize.maco import MacoPhase
from cnnviz_plugins.synthesize.parametrizations import Fourier, LaplacianPyramid, Shape
from cnnviz_plugins.synthesize.placement import IMAGE
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.transforms import check_views


def fitted(recipe: Recipe, model: Model, target: Target) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe for a model's inputs, and what the user should know of it; of images it is as it is.

    A spectrum or pyramid of a series or volume whose limits nobody named lies in the range of the target's own image,
    or between 0 and 1, which is said.

    Raises:
        UsageError: A part of the recipe is of images alone.
    """
    space = model.structure.one_space
    if space is None:
        return recipe, ()
    form = recipe.parametrization
    check_views(recipe.transforms, len(space.spatial))
    if isinstance(form, MacoPhase):
        raise UsageError(
            f"maco takes the spectrum of natural images, and {model.name} takes {space.words}; "
            "parametrization='fourier(0.01, 1)' and 'pixel(...)' make it"
        )
    if recipe.border:
        raise UsageError(
            f"the recipe leaves out {recipe.border} positions at every side of a map of rows and columns, and "
            f"{model.name} takes {space.words}; recipe='quick' makes it"
        )
    if not isinstance(form, Fourier | LaplacianPyramid) or form.limits is not None:
        return recipe, ()
    if isinstance(target, TargetWithInputs) and IMAGE in target.arrays:
        return dataclasses.replace(recipe, parametrization=Ranged(form)), ()
    said = (
        f"values lie between 0 and 1; where those of {model.name} lie elsewhere say "
        "parametrization='fourier(0.01, 1, (low, high))'"
    )
    return recipe, (said,)


@dataclass(frozen=True)
class Ranged:
    """A parametrisation of numbers from 0 to 1, brought to the range of the target's own series or volume.

    Each has its own range, so that it is the same alone and among others.
    """

    inner: Any

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Any:
        """Return the inner one's."""
        return self.inner.start(shape, key, given)

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the inner one's in the range of the target's own."""
        low, length = _range_of(given[IMAGE])
        values: Array = low + length * self.inner.image(parameters, shape, given)
        return values

    def parameters(self, image: Float[Array, "*axes c"]) -> Any:
        """Return the inner one's of the target's own, whose range is known."""
        low, length = _range_of(image)
        return self.inner.parameters((image - low) / length)


def _range_of(values: Float[Array, "*axes c"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The least number, and how far the largest lies above it: 1 where all are one number."""
    low, high = values.min(), values.max()
    return low, jnp.where(high > low, high - low, 1.0)
