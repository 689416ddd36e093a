"""From a class's name to the technique whose options it holds, and back."""

from __future__ import annotations

import inspect
import re

from cnnviz_jax.errors import did_you_mean
from cnnviz_jax.options.docs import options_text
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import Kind, TechniqueSpec


def technique_names(kind: Kind | None = None) -> tuple[str, ...]:
    """Return the names of the techniques that are installed, sorted.

    Args:
        kind: `explain`, `synthesize`, `inspect`, `survey` or `measure`; all of them when not given.

    Example:
        for name in cv.technique_names("explain"):
            print(name)
    """
    return tuple(name for name, spec in plugins().techniques.items() if kind in (None, spec.kind))


def class_name(technique: str) -> str:
    """Return what a technique is called in `cv.techniques`: `grad-cam++` is `GradCamPlusPlus`."""
    words = re.split(r"[-_. ]", technique.replace("+", "-plus"))
    return "".join(word[:1].upper() + word[1:] for word in words)


def class_names() -> dict[str, TechniqueSpec]:
    """Return every technique by its class's name."""
    return {class_name(name): spec for name, spec in plugins().techniques.items()}


def config_class(name: str) -> type:
    """Return the class of a technique's options; its docstring lists them, so that `help` does.

    Raises:
        AttributeError: No technique is called so; near ones are offered.
    """
    found = class_names()
    if name not in found:
        raise AttributeError(f"no technique {name!r}.{did_you_mean(name, found)} `cv.technique_names()` lists them all")
    spec = found[name]
    config = spec.config
    if vars(config).get("__technique__") is not spec:  # a record made by hand, whose config need not carry it
        config = type(config.__name__, (config,), {"__technique__": spec, "__doc__": config.__doc__})
    _say_options(config, spec)
    return config


def _say_options(config: type, spec: TechniqueSpec) -> None:
    """Put the options into the class's docstring, once."""
    doc, name = inspect.cleandoc(config.__doc__ or spec.summary).rstrip(), f"`{spec.name}`, to {spec.kind} with."
    if name in doc:
        return
    head = f"{doc}\n\n{name}"
    try:
        options = options_text(config)
    except (OSError, TypeError):  # a class without source, as one made at run time is
        return
    config.__doc__ = f"{head}\n\nOptions:\n{options}" if options else head
