"""What adapters hand on: parameters that nobody else writes to, and the `PureModel`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.plugin import AdaptOptions, Axes, ModelError, PureModel, logits_of


def check_names(names: Sequence[str]) -> None:
    """Raise `ModelError` if two parameters have one path."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ModelError(f"two parameters have the path {twice[0]}; rename an attribute or key that has a dot in it")


def is_array(leaf: Any) -> bool:
    """Whether a leaf is a number, an array or a reference of JAX or NumPy, not a Python object."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.Ref)


def owned(leaf: Any, path: str) -> jax.Array:
    """Return an array leaf as a JAX array that later writes to a NumPy buffer do not reach.

    Raises:
        ModelError: The leaf is a shape without numbers, or an array of objects.
    """
    if isinstance(leaf, jax.Ref):
        leaf = leaf[...]  # what it holds now; later writes do not reach it
    if isinstance(leaf, jax.Array):
        return leaf
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise ModelError(f"parameter {path} is a shape without numbers ({leaf}); restore or initialise it first")
    buffer = np.array(leaf)
    if not (jnp.issubdtype(buffer.dtype, np.number) or buffer.dtype == np.bool_):
        raise ModelError(f"parameter {path} is not an array of numbers, but a {type(leaf).__name__} of {buffer.dtype}")
    return jnp.asarray(buffer)


def dotted(keys: Iterable[Any]) -> str:
    """Return a pytree key path as words and indices joined by dots, such as `layer1.0.kernel`."""
    return jax.tree_util.keystr(tuple(keys), simple=True, separator=".")


def without_collections(paths: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """Return key paths of Linen's variables without their collection, which is put behind where two would be one."""
    found: list[str] = []
    for keys in paths:
        path = dotted(keys[1:])
        found.append(f"{path}@{dotted(keys[:1])}" if path in found else path)
    return tuple(found)


def pure_model(
    fn: Callable[[Any, Any], Any],
    params: Any,
    options: AdaptOptions,
    *,
    framework: str,
    name: str,
    axes: Axes = "NHWC",
    paths: Sequence[str] | None = None,
    **more: Any,
) -> PureModel:
    """Return the model that an adapter has made.

    Args:
        fn: Returns the outputs for parameters and a batch of images.
        params: Its parameters.
        options: What the user said; `axes` goes first.
        framework: The adapter's name.
        name: The model's name.
        axes: The framework's usual layout.
        paths: A path per leaf of the parameters; the sorted keys of a flat dictionary if left out.
        **more: Further fields of `PureModel`.
    """

    return PureModel(
        fn=fn,
        params=params,
        param_paths=tuple(sorted(params) if paths is None else paths),
        axes=options.axes or axes,
        logits=logits_of,
        framework=framework,
        name=name,
        **more,
    )
