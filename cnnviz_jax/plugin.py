"""What plugins may use: every public name of the core for authors of techniques, models, adapters and renderers.

`from cnnviz_jax.plugin import Fold, Case, TechniqueSpec, hookimpl` is the one import path that plugins need, and the
built-in plugins use no other. A name here changes only with a `DeprecationWarning` for one minor release; what is not
here may change in any. Names are loaded when first used, so that a light `plugin.py` stays light; `plugin.pyi` lists
them with their modules, for type checkers too.
"""

from typing import Any

import lazy_loader

import cnnviz_jax

# The package's name, not the module's: the stub's relative imports start there.
_load, __dir__, __all__ = lazy_loader.attach_stub("cnnviz_jax", __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = _load(name)
    if name not in dir(cnnviz_jax):  # lazy_loader keeps it in the package too, where it is not public
        vars(cnnviz_jax).pop(name, None)
    return found
