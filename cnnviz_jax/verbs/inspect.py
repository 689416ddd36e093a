"""The door for what can be read off a model without pictures: filters, receptive fields."""

from typing import Any

from cnnviz_jax.errors import PluginError
from cnnviz_jax.model import Model
from cnnviz_jax.records import TechniqueSpec, load
from cnnviz_jax.results import Provenance
from cnnviz_jax.verbs.options import require_model, technique_and_config, versions


def inspect(technique: str | TechniqueSpec, model: Model, *, layer: str | None = None, **options: Any) -> Any:
    """Return what an inspect technique reads off the model, such as a `FilterBank` or `ReceptiveFields`.

    Args:
        technique: Name of an inspect technique, or its record; `cnnviz techniques` lists them.
        model: From `cv.adapt` or `cv.load_model`.
        layer: The layer to look at; `None` for the technique's default.
        **options: The technique's own; see `cnnviz inspect TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option or layer does not fit, and what would.
    """
    require_model(model)
    if layer is not None:
        options = {"layer": model.layers.resolve(layer), **options}
    spec, config = technique_and_config(technique, "inspect", options)
    chosen = options.get("layer")
    provenance = Provenance(technique=spec.name, model=model.name, config=config, layer=chosen, versions=versions())
    read = load(spec.build)(config, model)
    if not callable(read):
        raise PluginError(f"technique {spec.name!r} built a {type(read).__name__}; a function of provenance is needed")
    return read(provenance)
