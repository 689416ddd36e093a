"""Receptive fields: what each unit of each layer sees of the input, read off the traced program."""

from collections.abc import Callable

from cnnviz_jax import Model, ReceptiveFields
from cnnviz_jax.results import Provenance
from cnnviz_plugins.inspect.plugin import ReceptiveFieldConfig


def build(config: ReceptiveFieldConfig, model: Model) -> Callable[[Provenance], ReceptiveFields]:
    """Return what lists the fields of all layers, or of `config.layer`.

    Raises:
        LayerNotFoundError: No such layer.

    Cost: none, no evaluation.
    Source: Araujo, Norris, Sim 2019; exact tables per unit where branches do not agree.
    """
    chosen = [model.layers[config.layer]] if config.layer is not None else list(model.layers.values())

    def read(provenance: Provenance) -> ReceptiveFields:
        fields = {layer.name: layer.receptive_field for layer in chosen if layer.receptive_field is not None}
        kinds = {layer.name: layer.kind for layer in chosen}
        return ReceptiveFields(fields=fields, kinds=kinds, input_shape=model.input_shape, provenance=provenance)

    return read
