"""Inference mode by keyword: no framework has one name for it, so the call's signature is asked."""

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


def inference_kwargs(
    call: Callable[..., Any], options: AdaptOptions, *, operands: tuple[str, ...], skip: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the keyword arguments that put `call` into inference mode.

    Args:
        call: What will be called with the operands and these keywords; a bound method, not a class's.
        options: Its `call_kwargs`, when given, are returned in place of what the signature tells.
        operands: What is passed by position, for the message, such as `("params", "x")`.
        skip: Flags not to pass where the call has a default for them.

    Raises:
        ModelError: The call wants arguments that nobody gave, or does not take those given.
    """
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # compiled callables have none
        return dict(options.call_kwargs or {})
    keywords = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    if options.call_kwargs is not None:
        kwargs = dict(options.call_kwargs)
    else:
        kwargs = {
            name: value
            for name, value in INFERENCE.items()
            if name in keywords and (name not in skip or keywords[name].default is inspect.Parameter.empty)
        }
    try:
        signature.bind(*operands, **kwargs)
    except TypeError as error:
        title = getattr(call, "__qualname__", type(call).__name__)
        shown = ", ".join((*operands, *(f"{name}={value!r}" for name, value in kwargs.items())))
        raise ModelError(
            f"{title} cannot be called as ({shown}): {error}; say call_kwargs={{...}}, "
            f"or adapt a function of (params, x) that calls it as you mean"
        ) from error
    return kwargs
