"""Layer names for frameworks that leave none in the program: a named scope around each module's call.

While a model is traced, `__call__` of its modules' classes is wrapped so that it opens
`jax.named_scope` with the module's path relative to the module that called it. One call is one
scope element; containers between the two are dots inside it: `layer2/proj/layers.0`.

Framework-neutral: modules are known by `paths_of(module)`, which says under which paths an object
stands in the model, first the one to prefer. Objects without a path, and calls on other threads, run
as if nothing were wrapped.
"""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

from cnnviz_jax.plugin import IDENTITY

PathsOf = Callable[[Any], tuple[str, ...]]
"""The dotted paths under which an object stands in the model; none if it does not."""


@dataclasses.dataclass(frozen=True)
class _Frame:
    paths_of: PathsOf
    path: str
    """Path of the module whose call is innermost; empty at the root."""


_frame: ContextVar[_Frame | None] = ContextVar("cnnviz_scope_frame", default=None)
_patch_lock = threading.Lock()
_patched: dict[type, tuple[Any, int]] = {}
"""Classes wrapped at the moment: their own `__call__` and how many traces want it wrapped."""


@contextlib.contextmanager
def naming(paths_of: PathsOf, classes: Iterable[type] = ()) -> Iterator[None]:
    """Name the calls of modules while this is open, on this thread; nests.

    Args:
        paths_of: Says where a module stands in the model.
        classes: Their `__call__`, own or inherited, is wrapped, and restored at the end whatever
            happens. A framework with interceptors of its own names none and calls `scope` instead.
    """
    owners = {owner for cls in classes for owner in cls.__mro__ if "__call__" in vars(owner)}
    with contextlib.ExitStack() as stack:
        for owner in owners:
            _patch(owner)
            stack.callback(_restore, owner)
        stack.callback(_frame.reset, _frame.set(_Frame(paths_of, "")))
        yield


@contextlib.contextmanager
def scope(paths: tuple[str, ...]) -> Iterator[None]:
    """Open the scope of one call of the object that stands under `paths`.

    An object that stands in several places is called by the place inside its caller, else by its
    first one. A call from within itself (`super().__call__`) opens nothing.
    """
    frame = _frame.get()
    if frame is None or not paths or frame.path in paths:
        yield
        return
    inside = frame.path + "." if frame.path else ""
    path = next((path for path in paths if path.startswith(inside)), paths[0])
    token = _frame.set(dataclasses.replace(frame, path=path))
    try:
        with jax.named_scope(path.removeprefix(inside).replace("/", ".")):
            yield
    finally:
        _frame.reset(token)


def handed_on(found: Any, operands: Iterable[Any]) -> Any:
    """Return what a module returned, marked where it is what the module was given: else its name would be lost."""
    if isinstance(found, jax.core.Tracer) and any(found is operand for operand in operands):
        return checkpoint_name(found, IDENTITY)
    return found


def scoped(function: Callable[..., Any], paths: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that does the same in the scope of its `paths`, for functions that stand in a model."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with scope(paths):
            return function(*args, **kwargs)

    return call


def _patch(owner: type) -> None:
    with _patch_lock:
        if owner in _patched:
            original, traces = _patched[owner]
            _patched[owner] = original, traces + 1
            return
        original = vars(owner)["__call__"]
        _patched[owner] = original, 1
        owner.__call__ = _wrapper(original)  # type: ignore[method-assign]  # restored by `_restore`


def _restore(owner: type) -> None:
    with _patch_lock:
        original, traces = _patched.pop(owner)
        if traces > 1:
            _patched[owner] = original, traces - 1
        else:
            owner.__call__ = original  # type: ignore[method-assign]  # what `_patch` found


def _wrapper(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The class's entry may be any descriptor, such as a jitted or rematerialised method.
        bound = original.__get__(self, type(self)) if hasattr(original, "__get__") else original
        frame = _frame.get()
        paths = frame.paths_of(self) if frame is not None else ()
        with scope(paths):
            found = bound(*args, **kwargs)
            return handed_on(found, (*args, *kwargs.values())) if paths else found

    return call
