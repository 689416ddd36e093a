"""Where the scores are in what a model returns: picked only when there is one way to read it."""

from collections.abc import Mapping
from typing import Any

import jax

from cnnviz_jax.plugin import ModelError


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
