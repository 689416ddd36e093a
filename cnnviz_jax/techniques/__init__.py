"""Every technique as a class of its options: `cv.techniques.Occlusion(window=16)` may stand where "occlusion" may.

A class is found by the technique's name when it is first used: `grad-cam++` is `GradCamPlusPlus`. Plugins' techniques
are here as the built-in ones are; `__init__.pyi`, which a test keeps, tells type checkers and editors of the latter.
"""

from __future__ import annotations

from cnnviz_jax.techniques.lookup import class_names, config_class


def __getattr__(name: str) -> type:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return config_class(name)


def __dir__() -> list[str]:
    return sorted(class_names())
