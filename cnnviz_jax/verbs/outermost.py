"""What holds for every verb alike: progress is shown, and what its result warns of is raised as Python warnings."""

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from cnnviz_jax.errors import CnnvizWarning
from cnnviz_jax.progress.bars import shown, silent

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")

_is_inside: ContextVar[bool] = ContextVar("is_inside", default=False)


def verb(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Return the function as users call it.

    A keyword `progress` that is not a callable becomes what `cnnviz_jax.progress.bars.shown` gives. The `warnings` of
    the result, or of each in a dict of them, are raised as `CnnvizWarning`, said to come from the user's line. A verb
    that another verb calls does neither: the outer one shows and tells.
    """
    has_progress = "progress" in inspect.signature(function).parameters

    @functools.wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        asked: Any = kwargs.get("progress")
        if _is_inside.get():
            if has_progress and not callable(asked):
                kwargs["progress"] = silent
            return function(*args, **kwargs)
        token = _is_inside.set(True)
        try:
            if not has_progress:
                result = function(*args, **kwargs)
            else:
                with shown(asked) as kwargs["progress"]:
                    result = function(*args, **kwargs)
        finally:
            _is_inside.reset(token)
        results = result.values() if isinstance(result, dict) else (result,)
        warn(warning for each in results for warning in getattr(each, "warnings", ()))
        return result

    return called


def warn(found: Iterable[str]) -> None:
    """Raise each text once as a `CnnvizWarning` that names the line of the user's code."""
    level = 2
    frame = sys._getframe(1)
    # Python 3.12 has `skip_file_prefixes` for this; until 3.11 goes, the frames of this package are counted.
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    for text in dict.fromkeys(found):
        warnings.warn(text, CnnvizWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    # jaxtyping: its import hook, where somebody has it, wraps every function.
    return module.partition(".")[0] in ("cnnviz_jax", "cnnviz_plugins", "jaxtyping")
