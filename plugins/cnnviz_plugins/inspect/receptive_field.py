"""Receptive fields: what each unit of each layer sees of the input, read off the traced program."""

from collections.abc import Callable

from cnnviz_jax.plugin import LayerKindError, Model, Provenance, ReceptiveFields, UsageError
from cnnviz_plugins.inspect.plugin import ReceptiveFieldConfig


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
    unit = None
    if config.unit is not None:
        layer = chosen[-1] if config.layer is not None else model.map_layer(None)
        field = layer.receptive_field
        if field is None or not field.is_map:
            raise LayerKindError(f"layer {layer.name!r} of {model.name} has no map, so no unit with a place")
        if not all(0 <= at < count for at, count in zip(config.unit, field.shape, strict=True)):
            raise UsageError(f"layer {layer.name!r} has {field.shape[0]} x {field.shape[1]} units, got {config.unit}")
        layers = list(model.layers.values())
        chosen, unit = layers[: layers.index(layer) + 1], (layer.name, *config.unit)

    def read(provenance: Provenance) -> ReceptiveFields:
        fields = {layer.name: layer.receptive_field for layer in chosen if layer.receptive_field is not None}
        kinds = {layer.name: layer.kind for layer in chosen}
        return ReceptiveFields(
            fields=fields, kinds=kinds, input_shape=model.input_shape, unit=unit, provenance=provenance
        )

    return read
