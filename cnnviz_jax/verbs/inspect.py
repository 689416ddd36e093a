"""`cv.inspect`: what can be read off a model without a data set: filters, receptive fields, one kernel, a training."""

from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from cnnviz_jax.data.images import open_image
from cnnviz_jax.engine.techniques import build, running
from cnnviz_jax.errors import ImageError, PluginError, UsageError
from cnnviz_jax.model.model import require_model
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.configs import InspectConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.provenance import Call, Provenance, versions
from cnnviz_jax.verbs.outermost import verb

Returned = TypeVar("Returned")


@overload
def inspect(technique: InspectConfig[Returned], model: Any, *, layer: str | None = None) -> Returned: ...


@overload
def inspect(technique: str | TechniqueSpec, model: Any, *, layer: str | None = None, **options: Any) -> Any: ...


@verb
def inspect(
    technique: str | TechniqueSpec | InspectConfig[Any], model: Any, *, layer: str | None = None, **options: Any
) -> Any:
    """Return what an inspect technique reads off the model, such as a `FilterBank` or `ReceptiveFields`.

    Args:
        technique: Name of an inspect technique, as `cnnviz techniques` lists them, its record, or its config, such as
            `cv.techniques.Filters()`: then type checkers know what comes back.
        model: From `cv.adapt` or `cv.load_model`. For a technique that looks at one image, the image: (h, w, c) in
            [0, 1] or a file; for one that looks at a training, the folder of its `cv.Recorder`.
        layer: The layer to look at; `None` for the technique's default.
        **options: The technique's own; see `cnnviz inspect TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option or layer does not fit, and what would.
    """
    spec, config = technique_and_config(technique, "inspect", options if layer is None else {"layer": layer, **options})
    subject, name = _subject(spec, model)
    if spec.takes == "model" and layer is not None:
        layer = model.layers.resolve(layer)
        spec, config = technique_and_config(technique, "inspect", {**options, "layer": layer})
    chosen = getattr(config, "layer", None)
    provenance = Provenance(
        technique=spec.name, model=name, config=config, layer=chosen, versions=versions(), call=Call(arguments={})
    )
    function = build(spec, config, subject)
    with running(spec):
        found = function(provenance)
    if found is None or isinstance(found, bool | int | float | complex | str | bytes):
        raise PluginError(f"technique {spec.name!r} gave a {type(found).__name__}, which is no result to show")
    return found


def _subject(spec: TechniqueSpec, given: Any) -> tuple[Any, str]:
    """Return what the technique is handed, checked, and what that is called."""
    if spec.takes == "model":
        require_model(given)
        return given, given.name
    if spec.takes == "run":
        if not isinstance(given, str | Path):
            raise UsageError(f"{spec.name} takes the folder of a cv.Recorder, got {type(given).__name__}")
        return Path(given), Path(given).name
    if isinstance(given, str | Path):
        return np.asarray(open_image(given, 3), np.float32) / 255, Path(given).name
    image = np.asarray(given)
    if image.ndim != 3 or image.dtype.kind != "f" or not image.size:
        raise ImageError(
            f"{spec.name} takes an image (h, w, c) of floats in [0, 1] or a file, got {image.dtype} {image.shape}"
        )
    return image.astype(np.float32), "an image"
