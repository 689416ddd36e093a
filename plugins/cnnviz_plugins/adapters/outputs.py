"""What adapters hand on: parameters that nobody else writes to, where the scores are, and the `PureModel`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.plugin import AdaptOptions, Axes, ModelError, PureModel


def check_names(names: Sequence[str]) -> None:
    """Raise `ModelError` if two parameters have one path."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ModelError(f"two parameters have the path {twice[0]}; rename an attribute or key that has a dot in it")


def is_array(leaf: Any) -> bool:
    """Whether a leaf is a number or array of JAX or NumPy, not a Python object."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def owned(leaf: Any, path: str) -> jax.Array:
    """Return an array leaf as a JAX array that later writes to a NumPy buffer do not reach.

    Raises:
        ModelError: The leaf is a shape without numbers, or an array of objects.
    """
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


def logits_of(outputs: Any) -> Any:
    """Return the scores: the only array, the entry called `logits`, or the first of `(scores, endpoints)`.

    Raises:
        ModelError: There are several arrays and none is called `logits`.
    """
    if isinstance(outputs, jax.Array):
        return outputs
    named = _named(outputs)
    if "logits" in named:
        return logits_of(named["logits"])
    if isinstance(outputs, tuple) and len(outputs) == 2 and isinstance(outputs[0], jax.Array) and not named:
        second = outputs[1]
        if second is None or isinstance(second, Mapping):  # big_vision's (logits, endpoints), Haiku's (logits, state)
            return outputs[0]
    leaves = jax.tree.leaves(outputs)
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise ModelError(
            f"the model returns no array, but {outputs!r}; adapt a function that returns (n, classes) scores"
        )
    raise ModelError(
        f"the model returns {_described(outputs, named)}, and which of them are the scores is not clear; "
        f"adapt a function that returns only those, such as "
        f"cv.adapt(lambda params, x: model(params, x)[0], params, ...)"
    )


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
    """Return the model that an adapter has made, whose calls refuse outputs without clear scores.

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

    def checked(params: Any, x: Any) -> Any:
        outputs = fn(params, x)
        logits_of(outputs)  # says at once, not at first use, that the scores cannot be told
        return outputs

    return PureModel(
        fn=checked,
        params=params,
        param_paths=tuple(sorted(params) if paths is None else paths),
        axes=options.axes or axes,
        logits=logits_of,
        framework=framework,
        name=name,
        **more,
    )


def _named(outputs: Any) -> Mapping[str, Any]:
    if isinstance(outputs, Mapping):
        return outputs
    if hasattr(outputs, "_asdict"):
        return dict(outputs._asdict())
    return {name: getattr(outputs, name) for name in getattr(outputs, "__dataclass_fields__", ())}


def _described(outputs: Any, named: Mapping[str, Any]) -> str:
    if named:
        return f"a {type(outputs).__name__} of {', '.join(map(repr, named))}"
    return f"a {type(outputs).__name__} of {len(jax.tree.leaves(outputs))} arrays"
