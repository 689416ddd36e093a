"""See what a convolutional network in JAX has learned.

`adapt` takes any JAX model, `explain` shows where it looks, `synthesize` what excites it, `inspect` what
its weights are, `report` puts all of it on one offline page. Names are loaded when first used, so that
importing the package costs nothing; `__init__.pyi` lists them with their modules, for type checkers too.
"""

from typing import Any

import lazy_loader

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _load(name)


def _version() -> str:
    from importlib import metadata  # costs tens of milliseconds, and few programs ask

    try:
        return metadata.version("cnnviz-jax")
    except metadata.PackageNotFoundError:
        return "0+source"  # a checkout on the path that is not installed


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
