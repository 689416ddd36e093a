"""An adapter and a renderer: models of a framework of one's own, and maps as a table for spreadsheets.

`cnnviz --plugin own_framework.py explain saliency my_module:make photo.png --out strongest.csv --pixels 5`
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz_jax.plugin import AdapterSpec, AdaptOptions, Attribution, ModelError, PureModel, RendererSpec, hookimpl


@dataclass
class Stack:
    """What stands for the framework: convolutions with a ReLU behind each, a mean over the places, a matrix."""

    kernels: list[Any]
    """(height, width, inputs, outputs) each."""
    head: Any
    """(channels, classes)."""


def is_stack(native: Any) -> bool:
    """Whether an object is of this framework: by its name, so that nothing is imported to ask."""
    return type(native).__name__ == "Stack"


def adapt_stack(native: Stack, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a `Stack` as one pure function of its parameters and a batch of images."""
    import jax

    if args:
        raise ModelError(f"cv.adapt(stack, input_shape=...) takes nothing else, got {len(args)} more")
    params = {f"conv{number}": kernel for number, kernel in enumerate(native.kernels)} | {"head": native.head}

    def fn(params: Any, x: Any) -> Any:
        for number in range(len(native.kernels)):
            with jax.named_scope(f"conv{number}"):  # the name under which the layer is listed
                x = jax.lax.conv_general_dilated(
                    x, params[f"conv{number}"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
            x = jax.nn.relu(x)
        return x.mean((1, 2)) @ params["head"]

    # Leaves of a dictionary are in the order of its keys.
    return PureModel(fn=fn, params=params, param_paths=tuple(sorted(params)), framework="stack", name="Stack")


@dataclass(frozen=True, kw_only=True)
class CsvOptions:
    """How a map becomes a table."""

    pixels: int = 3
    """Rows per image: the pixels of largest |value|."""


def csv_options(kind: str) -> tuple[type, ...]:
    """Return the display options for results of that class name: keywords in Python, flags on the command line."""
    return (CsvOptions,) if kind == "Attribution" else ()


def write_csv(result: Attribution, path: Path, **display: Any) -> None:
    """Write the strongest pixels of every map, one a row."""
    import numpy as np

    options = CsvOptions(**display)
    values = np.asarray(result.values)
    maps = values.reshape(*values.shape[:3], -1).sum(-1)
    names = result.names or [str(number) for number in range(len(maps))]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["technique", "image", "target", "score", "row", "column", "value"])
        for name, target, score, each in zip(names, result.provenance.targets, result.scores, maps, strict=True):
            order = np.argsort(-np.abs(each), axis=None, kind="stable")[: options.pixels]
            for row, column in zip(*np.unravel_index(order, each.shape), strict=True):
                number = f"{float(each[row, column]):.6g}"
                table.writerow([result.provenance.technique, name, target, f"{float(score):.6g}", row, column, number])


@hookimpl
def cnnviz_adapters() -> Iterable[AdapterSpec]:
    """Yield the adapter."""
    yield AdapterSpec(name="stack", summary="Lists of convolutions", matches=is_stack, build=adapt_stack)


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the renderer."""
    yield RendererSpec(
        name="strongest-pixels",
        summary="the strongest pixels of every map as a table",
        accepts=("Attribution",),
        suffixes=(".csv",),
        render=write_csv,
        display=csv_options,
    )
