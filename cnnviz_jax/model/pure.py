"""What an adapter builds: a native model as one pure function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Axes = Literal["NHWC", "NCHW"]
"""Layouts of images that a native function may take."""

Precision = Literal["float32", "tf32", "bfloat16"]
"""What the operands of convolutions and matrix products are rounded to."""


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """What the user said about the native model, for the adapter to use."""

    input_shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
    """Height, width, channels of one image, or the axes of other inputs; `None` if the native model knows."""
    axes: Axes | None = None
    """The layout the native function takes; `None` for the framework's own."""
    call_kwargs: Mapping[str, Any] | None = None
    """Keyword arguments of the call, beside the inference flags that the adapter finds; they go first."""
    method: str | Callable[..., Any] | None = None
    """The method to call in place of `__call__`, by name, or a function of the module and its operands."""


@dataclass(frozen=True, kw_only=True)
class PureModel:
    """A native model as one pure function: what an adapter returns, and nothing else.

    The adapter finds inference mode, threads state, batches unbatched models, adds scopes and picks
    the logits. It lists no layers, captures nothing and differentiates nothing: the core does.
    """

    fn: Callable[[Any, Any], Any]
    """`fn(params, x) -> outputs`: pure, batched, inference mode, traceable; `x` in the layout `axes`."""
    params: Any
    """Pytree of everything array-like: weights, statistics, state."""
    param_paths: tuple[str, ...]
    """One readable dotted path per leaf of `params`, in leaf order."""
    axes: Axes = "NHWC"
    """Layout of `x`."""
    logits: Callable[[Any], Any] = lambda outputs: outputs
    """Picks the (n, classes) scores from the outputs, where the user does not say which; traced with the model."""
    scope_root: str = ""
    """Name-stack prefix common to all layers, not shown (Linen's class name)."""
    scope_hints: tuple[str, ...] = ()
    """Regular expressions of name-stack parts that are not module names."""
    layer_aliases: Mapping[str, str] = field(default_factory=dict)
    """Further spellings of layer names: framework's -> ours."""
    framework: str = "jax"
    name: str = "model"
    input_shape: tuple[int, ...] | None = None
    """Height, width, channels, or the axes of another input, where the native model knows them."""
    tokens: tuple[int, int, int] | None = None
    """Where tokens are a map: tokens before it, rows, columns; found in the program where not said."""
    notes: tuple[str, ...] = ()
    """Things the user should know about how the model was read."""
