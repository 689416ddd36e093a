"""`cnnviz layers MODEL`: the layers by name, with what each unit sees of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.positionals import take_model
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.values import listing_parser, model_arguments
from cnnviz_jax.errors import UsageError

if TYPE_CHECKING:
    from cnnviz_jax.model.layers import Layer

USAGE = "cnnviz layers MODEL [--weights FILE] [--json]"


def run(words: list[str], settings: Settings) -> int:
    """List the layers of a model in the order they run."""
    parser = listing_parser("cnnviz layers", "List the layers of a model, in the order they run.")
    parser.add_argument("words", nargs="*", metavar="MODEL", help="the model, if not given by --model")
    model_arguments(parser)
    found = parser.parse_intermixed_args(words)
    registry = settings.plugins()
    word, others = take_model(found.words, registry, found.model, usage=USAGE)
    if others:
        raise UsageError(f"layers takes one model, got {' '.join(map(repr, others))} too; write {USAGE}")
    check_model(word, found.weights, registry)
    model = load(word, found.weights, quiet=settings.quiet)
    rows = [_row(layer) for layer in model.layers.values()]
    height, width, channels = model.input_shape
    show(
        rows,
        as_json=found.json,
        empty=f"{model.name} has no layers that could be told apart.",
        title=None if found.json else f"{model.name}: {len(rows)} layers, input {height} x {width} x {channels}",
    )
    return 0


def _row(layer: Layer) -> dict[str, Any]:
    field = layer.receptive_field
    kernel = layer.kernel
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": [int(size) for size in layer.shape],
        "channels": int(layer.channels),
        "kernel": None if kernel is None else [int(size) for size in kernel.shape],
        "receptive_field": None if field is None else list(field.size),
        "stride": None if field is None or field.stride is None else list(field.stride),
    }
