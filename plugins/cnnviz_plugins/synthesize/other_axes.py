"""What of a recipe works on series and volumes, which have one spatial axis or three, and no colours."""

import dataclasses

import numpy as np

from cnnviz_jax.plugin import Model, Target, TargetWithInputs, UsageError
from cnnviz_plugins.synthesize.maco import MacoPhase
from cnnviz_plugins.synthesize.parametrizations import Fourier, LaplacianPyramid, Limits
from cnnviz_plugins.synthesize.placement import IMAGE
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.transforms import check_views


def fitted(recipe: Recipe, model: Model, target: Target) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe for a model's inputs, and what the user should know of it; of images it is as it is.

    A spectrum or pyramid of a series or volume whose limits nobody named lies between those of the target's own
    images, or between 0 and 1, which is said.

    Raises:
        UsageError: A part of the recipe is of images alone.
    """
    space = model.structure.space
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
        limits = limits_of(model, target)
        return dataclasses.replace(recipe, parametrization=dataclasses.replace(form, limits=limits)), ()
    said = (
        f"values lie between 0 and 1; where those of {model.name} lie elsewhere say "
        "parametrization='fourier(0.01, 1, (low, high))'"
    )
    return recipe, (said,)


def limits_of(model: Model, target: Target) -> Limits:
    """Return between which numbers values lie: 0 and 1 of images, those of the target's own series or volumes."""
    if model.structure.space is None or not (isinstance(target, TargetWithInputs) and IMAGE in target.arrays):
        return 0.0, 1.0
    images = np.asarray(target.arrays[IMAGE])
    low, high = float(images.min()), float(images.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)
