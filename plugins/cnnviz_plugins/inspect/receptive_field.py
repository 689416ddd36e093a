"""Receptive fields: what each unit can see of the input, and how strongly each pixel really moves it."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import (
    EffectiveReceptiveField,
    LayerKindError,
    Model,
    Provenance,
    ReceptiveFields,
    UsageError,
    compiled,
)
from cnnviz_plugins.inspect.plugin import EffectiveFieldConfig, ReceptiveFieldConfig


def build(config: ReceptiveFieldConfig, model: Model) -> Callable[[Provenance], ReceptiveFields]:
    """Return what lists the fields of all layers, or of `config.layer`.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: A unit is asked for in a layer without a map.
        UsageError: The layer has no such unit.

    Cost: none, no evaluation.
    Source: Araujo, Norris, Sim 2019; exact tables per unit where branches do not agree.
    """
    chosen = [model.layers[config.layer]] if config.layer is not None else list(model.layers.values())
    unit: tuple[str | int, ...] | None = None
    if config.unit is not None:
        layer = chosen[-1] if config.layer is not None else model.map_layer(None)
        field = layer.receptive_field
        if field is None or not field.is_map:
            raise LayerKindError(f"layer {layer.name!r} of {model.name} has no map, so no unit with a place")
        is_one = len(config.unit) == len(field.shape)
        if not is_one or not all(0 <= at < count for at, count in zip(config.unit, field.shape, strict=True)):
            raise UsageError(f"layer {layer.name!r} has {' x '.join(map(str, field.shape))} units, got {config.unit}")
        layers = list(model.layers.values())
        chosen, unit = layers[: layers.index(layer) + 1], (layer.name, *config.unit)

    def read(provenance: Provenance) -> ReceptiveFields:
        fields = {layer.name: layer.receptive_field for layer in chosen if layer.receptive_field is not None}
        kinds = {layer.name: layer.kind for layer in chosen}
        return ReceptiveFields(
            fields=fields, kinds=kinds, input_shape=(*model.structure.extents, model.input_shape[2]), unit=unit,
            provenance=provenance,
        )  # fmt: skip

    return read


_HELD = 0.95


def effective(config: EffectiveFieldConfig, model: Model) -> Callable[[Provenance], EffectiveReceptiveField]:
    """Return what measures the field of the central unit of `config.layer`, or of the last map.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map, or the model takes volumes.
        UsageError: Fewer than one sample.

    Cost: one forward and one backward pass per sample.
    Randomness: images are uniform noise in [0, 1] and channels get random signs, both from `config.seed`.
    Source: Luo, Li, Urtasun, Zemel 2016, arXiv:1701.04128, section 2.
    """
    if len(model.structure.extents) > 2:
        raise LayerKindError(
            f"effective-receptive-field works on images and series; {model.name} takes a volume, whose exact boxes "
            "cv.inspect('receptive-field', model) lists"
        )
    layer = model.map_layer(config.layer)
    rows, columns = layer.shape[:2]
    unit = (rows // 2, columns // 2)

    def read(provenance: Provenance) -> EffectiveReceptiveField:
        root = jax.random.key(config.seed, impl="threefry2x32")
        what = (layer.name, unit, layer.channels)
        program = compiled(partial(_sensitivity, *what), ("effective-field", *what), (model, root))
        sensitivity = np.zeros(model.input_shape[:2])
        for index in range(config.samples):
            sensitivity += np.asarray(program(model, jax.random.fold_in(root, index)), np.float64)
        sensitivity /= config.samples
        height, width = model.input_shape[:2]
        box = (0, 0, height - 1, width - 1)
        if layer.receptive_field is not None:
            top, left, bottom, right = layer.receptive_field.box(*unit)
            box = (top, left, bottom, right)
        centre, sigma = spread(sensitivity, box)
        still = () if sensitivity.any() else (f"nothing moves unit {unit} of {layer.name}: all its gradients are zero",)
        return EffectiveReceptiveField(
            layer=layer.name,
            unit=unit,
            sensitivity=sensitivity,
            box=box,
            centre=centre,
            sigma=sigma,
            share=_share(sensitivity, box),
            samples=config.samples,
            provenance=provenance,
            warnings=(*model.warnings, *still),
        )

    return read


def _sensitivity(layer: str, unit: tuple[int, int], channels: int, model: Model, key: Array) -> Float[Array, "h w"]:
    noise, signs = jax.random.split(key)
    image = jax.random.uniform(noise, model.input_shape)
    weights = jax.random.rademacher(signs, (channels,), jnp.float32)

    def answer(image: Float[Array, "h w c"]) -> Float[Array, ""]:
        value = model.run(image, read=(layer,), need_outputs=False)[1][layer]
        return (value[unit[0], unit[1]].astype(jnp.float32) * weights).sum()

    return jnp.abs(jax.grad(answer)(image)).sum(-1)


def spread(
    sensitivity: Float[np.ndarray, "h w"], box: tuple[int, int, int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return mean and standard deviation along rows and columns, as if the sensitivity were a density."""
    total = sensitivity.sum()
    if not total > 0:
        return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (0.0, 0.0)
    means, deviations = [], []
    for axis in (0, 1):
        weight = sensitivity.sum(1 - axis) / total
        place = np.arange(len(weight))
        mean = float((weight * place).sum())
        means.append(mean)
        deviations.append(float(np.sqrt((weight * (place - mean) ** 2).sum())))
    return (means[0], means[1]), (deviations[0], deviations[1])


def _share(sensitivity: Float[np.ndarray, "h w"], box: tuple[int, int, int, int]) -> float:
    falling = np.sort(sensitivity.ravel())[::-1]
    total = falling.sum()
    if not total > 0:
        return 0.0
    needed = int(np.searchsorted(np.cumsum(falling), _HELD * total)) + 1
    area = max((box[2] - box[0] + 1) * (box[3] - box[1] + 1), 1)
    return min(needed / area, 1.0)
