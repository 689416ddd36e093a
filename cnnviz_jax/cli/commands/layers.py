"""`cnnviz layers MODEL`: the layers by name, with what each unit sees of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS

if TYPE_CHECKING:
    from cnnviz_jax.model.layers import Layer

VERB = Verb(
    name="layers",
    usage="cnnviz layers MODEL [--weights FILE] [--json]",
    about="List the layers of a model, in the order they run.",
    words="the model, if not given by --model",
    options=MODEL_OPTIONS[:2],
)


def run(words: list[str], settings: Settings) -> int:
    """List the layers of a model in the order they run."""
    request = Request.read(VERB, words, settings)
    request.refuse_words("layers takes one model and nothing else")
    model = request.load()
    rows = [_row(layer) for layer in model.layers.values()]
    height, width, channels = model.input_shape
    show(
        rows,
        as_json=request.as_json,
        empty=f"{model.name} has no layers that could be told apart.",
        title=None if request.as_json else f"{model.name}: {len(rows)} layers, input {height} x {width} x {channels}",
    )
    return 0


def _row(layer: Layer) -> dict[str, Any]:
    field = layer.receptive_field
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": [int(size) for size in layer.shape],
        "channels": int(layer.channels),
        "kernel": None if layer.kernel_shape is None else [int(size) for size in layer.kernel_shape],
        "receptive_field": None if field is None else list(field.size),
        "stride": None if field is None or field.stride is None else list(field.stride),
        "nominal_field": None if field is None or field.nominal_size is None else list(field.nominal_size),
        "nominal_stride": None if field is None or field.nominal_stride is None else list(field.nominal_stride),
        "widened_by": field.widened_by if field is not None and field.is_widened else None,
    }
