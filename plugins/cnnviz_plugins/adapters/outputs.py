"""Where the scores are in what a model returns, picked only when there is one way to read it; and the `PureModel`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from cnnviz_jax.plugin import AdaptOptions, Axes, ModelError, PureModel


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
