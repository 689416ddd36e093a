"""Any traceable function of a model's outputs as a target."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import Target


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Custom(Target):
    """Any traceable function of one image's outputs to a number."""

    function: Callable[[Any], Float[Array, ""]] = static()
    name: str = static(default="custom score")
    _count: Int[Array, "*n"] | int = 0

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return `function(outputs)`."""
        return jnp.asarray(self.function(outputs), jnp.float32).reshape(())

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return the function's name for every image."""
        return (self.name,) * np.atleast_1d(np.asarray(self._count)).size


def custom(function: Callable[[Any], Float[Array, ""]], name: str | None = None) -> Custom:
    """Return the target "whatever `function` makes of one image's outputs"."""
    return Custom(function=function, name=name or str(getattr(function, "__name__", "custom score")))
