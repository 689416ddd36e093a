"""The libraries by name, the functions here that list them, and what a process may import before it forks."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from zoos.network import Architecture


@dataclass(frozen=True)
class Library:
    """A library of networks."""

    listed: str
    """`module:function` that yields its architectures."""
    needs: tuple[str, ...]
    """Packages that it consists of; the first has the versions that count."""


_FLAX, _EQUINOX = "zoos.of_flax", "zoos.of_equinox"
LIBRARIES = {
    "small": Library("zoos.of_small:architectures", ("keras", "haiku")),
    "flaxmodels": Library(f"{_FLAX}:flaxmodels", ("flaxmodels",)),
    "big_vision": Library(f"{_FLAX}:big_vision", ("big_vision",)),
    "scenic": Library(f"{_FLAX}:scenic", ("scenic",)),
    "bonsai": Library("zoos.of_bonsai:architectures", ("bonsai",)),
    "equimo": Library(f"{_EQUINOX}:equimo", ("equimo",)),
    "eqxvision": Library(f"{_EQUINOX}:eqxvision", ("eqxvision", "equinox")),
    "haiku": Library("zoos.of_haiku:architectures", ("haiku",)),
    "keras": Library("zoos.of_keras:architectures", ("keras",)),
    "jax_resnet": Library(f"{_FLAX}:jax_resnet", ("jax_resnet",)),
    "transformers": Library("zoos.of_transformers:architectures", ("torch", "transformers")),
    "timm": Library("zoos.of_timm:architectures", ("torch", "timm")),
    "torchvision": Library("zoos.of_torchvision:architectures", ("torch", "torchvision")),
}
DISTRIBUTIONS = {"haiku": "dm-haiku", "jax_resnet": "jax-resnet"}
"""Distributions that are not called as their package is."""
_OURS = (
    "cnnviz_plugins.explain.cam.grad_cam",
    "cnnviz_plugins.explain.relevance.conditional",
    "cnnviz_plugins.explain.perturbation.occlusion",
    "cnnviz_jax.verbs.adapt",
    "cnnviz_jax.verbs.explain",
    "zoos.checks",
    "zoos.jax_modules",
)


def architectures(library: str) -> Iterator[Architecture]:
    """Yield a library's architectures."""
    module, _, function = LIBRARIES[library].listed.partition(":")
    yield from getattr(importlib.import_module(module), function)()


def preload(library: str) -> None:
    """Import a library and this package; nothing is computed, so the process may fork."""
    needs = LIBRARIES[library].needs
    before = ("cnnviz_plugins.adapters.torch.module", "zoos.torch_modules") if "torch" in needs else ()
    for name in (*before, *(need for need in needs if need != "eqxvision"), *_OURS):
        importlib.import_module(name)
