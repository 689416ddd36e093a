"""The named networks: the bundled `shapes`, and published ones that need their weights file.

Light: imports no jax; a network's module is imported when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import ModelSpec, WeightsSpec

_SQUEEZENET = "Iandola et al. 2016, arXiv 1602.07360"

PUBLISHED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("squeezenet1_0", "SqueezeNet 1.0 for ImageNet, torchvision's layer names", (_SQUEEZENET,)),
    ("squeezenet1_1", "SqueezeNet 1.1 for ImageNet, torchvision's layer names", (_SQUEEZENET,)),
    ("lenet", "LeNet for MNIST digits, as Caffe trains it", ("LeCun et al. 1998, Proc. IEEE 86(11)",)),
)
"""Name, summary and references of each network with published weights."""


def _builder(name: str) -> Callable[..., Any]:
    def build(weights: str | Path | None = None) -> Any:
        from cnnviz_plugins.models.published import build as build_published

        return build_published(name, weights)

    return build


@hookimpl
def cnnviz_models() -> Iterable[ModelSpec]:
    """Yield the bundled network, then the published ones."""
    yield ModelSpec(
        name="shapes",
        summary="Small network for 64 x 64 pictures of shapes and textures, trained by this project; weights included",
        build="cnnviz_plugins.models.shapes.bundled:build",
        weights=WeightsSpec(bundled=True),
        examples="cnnviz_plugins.models.shapes.examples:examples",
    )
    for name, summary, references in PUBLISHED:
        yield ModelSpec(name=name, summary=summary, build=_builder(name), references=references)
