"""Inference mode by keyword: no framework has one name for it, so the call's signature is asked."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from cnnviz_jax.plugin import AdaptOptions, ModelError

INFERENCE: Mapping[str, bool] = {
    "train": False,
    "training": False,
    "is_training": False,
    "is_train": False,
    "deterministic": True,
    "use_running_average": True,
    "inference": True,
    "eval": True,
    "eval_mode": True,
}
"""Names under which models take their mode, with the value that means inference."""


STREAMS = ("rngs", "rng", "key")
"""Names under which models take random numbers' keys."""


class _Stream:
    def __repr__(self) -> str:
        return "..."


_STREAM = _Stream()


def inference_kwargs(
    call: Callable[..., Any],
    options: AdaptOptions,
    *,
    operands: tuple[str, ...],
    skip: frozenset[str] = frozenset(),
    streams: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments that put `call` into inference mode; the user's own go first.

    Args:
        call: What will be called with the operands and these keywords; a bound method, not a class's.
        options: Its `call_kwargs` are merged with the flags found, and decide where both say something.
        operands: What is passed by position, for the message, such as `("params", "x")`.
        skip: Flags not to pass where the call has a default for them.
        streams: Whether a key or stream of random numbers that the call insists on gets a place, which `with_streams`
            fills: in inference nothing draws from it.

    Raises:
        ModelError: The call wants arguments that nobody gave, or does not take those given.
    """
    said = dict(options.call_kwargs or {})
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # compiled callables have none
        return said
    keywords = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    needed = {name for name, parameter in keywords.items() if parameter.default is inspect.Parameter.empty}
    flags = {
        name: value for name, value in INFERENCE.items() if name in keywords and (name not in skip or name in needed)
    }
    # An operand may well be called `key`: what stands at its place is no stream.
    taken = list(signature.parameters)[: len(operands)]
    places = [name for name in STREAMS if streams and name in needed and name not in taken]
    kwargs = {**dict.fromkeys(places, _STREAM), **flags, **said}
    try:
        signature.bind(*operands, **kwargs)
    except TypeError as error:
        title = called(call)
        shown = ", ".join((*operands, *(f"{name}={value!r}" for name, value in kwargs.items())))
        raise ModelError(
            f"{title} cannot be called as ({shown}): {error}; say call_kwargs={{...}}, "
            f"or adapt a function of (params, x) that calls it as you mean"
        ) from error
    return kwargs


def with_streams(kwargs: Mapping[str, Any], make: Callable[[], Any]) -> dict[str, Any]:
    """Return keyword arguments with what `make` gives in each stream's place, new for each call."""
    return {name: make() if value is _STREAM else value for name, value in kwargs.items()}


def bound_method(module: Any, method: str | Callable[..., Any], title: str) -> Callable[..., Any]:
    """Return what is called of a module: its method of that name, or a function of it and its operands.

    Raises:
        ModelError: It has no such method.
    """
    if not isinstance(method, str):
        return functools.partial(method, module)
    call = getattr(module, method, None)
    if not callable(call):
        raise ModelError(f"{title} has no method {method!r}")
    return call


def called(call: Callable[..., Any]) -> str:
    """What a function is called in messages."""
    call = getattr(call, "func", call)  # functools.partial
    return str(getattr(call, "__qualname__", type(call).__name__))
