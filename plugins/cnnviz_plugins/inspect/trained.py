"""What a recorded training's network does at every step: answers to images, and images made for its units."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnnviz_jax.plugin import Evolution, Model, Weights, survey, synthesize, with_weights
from cnnviz_plugins.inspect.plugin import EvolutionConfig

_FIRST = 4


def answers_of(
    config: EvolutionConfig, model: Model, kept: Sequence[Weights], shares: Sequence[float]
) -> tuple[np.ndarray | None, np.ndarray | None, str | None]:
    """Return, for each step, quantiles and fire rate of a layer's units over the images, and the layer's name."""
    if config.images is None:
        return None, None, None
    quantiles, rates, layer = [], [], None
    for weights in kept:
        found = survey("distributions", _at(model, weights), config.images, layer=config.surveyed)
        places = [found.shares.index(share) for share in shares]
        quantiles.append(found.quantiles[:, places])
        rates.append(found.fire_rate)
        layer = found.layer
    return np.stack(quantiles), np.stack(rates), layer


def with_units(found: Evolution, config: EvolutionConfig, model: Model, kept: Sequence[Weights]) -> Evolution:
    """Return `found` with what activation maximisation makes of the chosen units at every step.

    Key, recipe and size are the same at every step, so differences are the training's.
    """
    layer = model.layers.resolve(str(config.synthesised))
    units = config.units or tuple(range(min(_FIRST, model.layers[layer].channels)))
    options: dict[str, Any] = {
        "recipe": config.recipe,
        "steps": config.ascent_steps,
        "size": config.size or model.input_shape[:2],
    }
    made = [
        synthesize(
            "activation-maximization",
            _at(model, weights),
            layer=layer,
            channels=units,
            key=config.start_seed,
            **options,
        )
        for weights in kept
    ]
    said: dict[str, list[int]] = {}
    for step, one in zip(found.steps, made, strict=True):
        for warning in one.warnings:
            said.setdefault(warning, []).append(step)
    warnings = [
        warning if len(steps) == len(made) else f"step{'s' * (len(steps) > 1)} {', '.join(map(str, steps))}: {warning}"
        for warning, steps in said.items()
    ]
    return replace(
        found,
        synthesised=layer,
        units=units,
        images=np.stack([np.asarray(one.images) for one in made]),
        activation=np.stack([np.asarray(one.activation) for one in made]),
        status=tuple(one.status for one in made),
        warnings=(*found.warnings, *warnings),
    )


def _at(model: Model, weights: Weights) -> Model:
    """The network with the weights of a step."""
    return model.with_params(with_weights(model.params, weights))
