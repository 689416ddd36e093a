"""Activation maximisation: an image raised by gradient ascent until it excites a unit most (Erhan et al. 2009)."""

from dataclasses import dataclass
from typing import Any

from cnnviz_jax.plugin import Diversity, Model, Target, TargetError, TargetWithInputs, UsageError, terms_of
from cnnviz_plugins.synthesize.activations import tapped
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.placement import IMAGE, placement_of, side
from cnnviz_plugins.synthesize.plugin import ActivationMaximizationConfig
from cnnviz_plugins.synthesize.recipes import RECIPES, Recipe, changed


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(Ascent):
    """Gradient ascent on an image by a recipe, any of whose parts may be another.

    Raises (when built):
        ModelError: The model cannot be run at the size size that was asked for.
        UsageError: A part does not exist, or does not go with another.
        TargetError: Diversity is asked for of single images.

    Cost: steps x views forward and backward passes per image and two forward passes, up to the layer; one
    compilation per layer.
    Randomness: start and views, from the key of (seed, layer, channel).
    Source: Erhan, Bengio, Courville, Vincent 2009, section 3.1; recipes name their own.
    """

    @classmethod
    def build(cls, config: ActivationMaximizationConfig, model: Model, target: Target) -> "ActivationMaximization":
        """Return the iteration for `model`."""
        recipe = recipe_of(config)
        if config.copies == 1 and any(isinstance(plain, Diversity) for plain in terms_of(target)):
            raise TargetError("diversity compares the images of one group; say copies=2 or more")
        return built(cls, recipe, model, target, size=side(config.size), margin=config.margin, warmup=config.warmup,
                     copies=config.copies, notes=(("recipe", config.recipe),))  # fmt: skip


def recipe_of(config: ActivationMaximizationConfig) -> Recipe:
    """Return the recipe with the parts that the config names in place of its own."""
    return changed(
        RECIPES[config.recipe],
        steps=config.steps,
        parametrization=config.parametrization,
        transforms=config.transforms,
        views=config.views,
        regularizers=config.regularizers,
        update=config.optimizer,
        display=config.display,
        tap=config.tap,
        keep=config.keep,
    )


def built(
    kind: type[Any],
    recipe: Recipe,
    model: Model,
    target: Target,
    *,
    size: tuple[int, int] | None = None,
    margin: int | None = None,
    warmup: int | None = None,
    copies: int = 1,
    notes: tuple[tuple[str, Any], ...] = (),
    **fields: Any,
) -> Any:
    """Return an ascent of class `kind` with tap, size and warm-up decided.

    Args:
        kind: `Ascent` or a subclass.
        recipe: Everything about the ascent.
        model: At its own size.
        target: Batched.
        size: Of the size; `None` for a neuron's field, the image's size or the recipe's own.
        margin: Pixels around a neuron's field; `None` for as far as views wander.
        warmup: Steps with leaking ReLUs; `None` for an eighth where a ReLU cannot be gone round, else none.
        copies: Images made together for each target.
        notes: Further facts for the provenance.
        **fields: Further fields of `kind`.
    """
    read, layers, closed = tapped(model, target, recipe.tap, recipe.border)
    placement = placement_of(
        model, read, size=size, usual=recipe.size, margin=recipe.reach_px if margin is None else margin
    )
    rectified = any(operation.kind == "relu" for operation in model.program.operations)
    if warmup and not rectified:
        raise UsageError(f"warmup makes ReLUs leak, and {model.name} has none")
    if warmup is None:
        warmup = max(1, recipe.steps // 8) if closed and rectified else 0
    mean = model.structure.mean if any(model.structure.mean) else (0.5,) * model.input_shape[2]
    facts: list[tuple[str, Any]] = [*notes, ("placement", placement.size), ("tap", layers)]
    facts += [("offsets", placement.offsets)] if placement.offsets is not None else []
    facts += [("warmup_steps", warmup)] if warmup else []
    has_image = isinstance(target, TargetWithInputs) and IMAGE in target.arrays
    return kind(
        recipe=recipe,
        placement=placement,
        shape=(*placement.size, model.input_shape[2]),
        mean=tuple(float(m) for m in mean),
        steps=recipe.steps,
        copies=copies,
        warmup=warmup,
        layer=target.layers[0] if target.layers else None,
        notes=tuple(facts),
        warnings=placement.warnings,
        **{"starts_at_image": has_image, **fields},
    )
