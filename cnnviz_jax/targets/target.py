"""What every target is: a small pytree that scores one image."""

from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError

if TYPE_CHECKING:
    from cnnviz_jax.model import Model


class Target:
    """Scores one image from the model's outputs and from the layers it asks for.

    Subclass as a frozen dataclass registered with `jax.tree_util.register_dataclass`.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that `score` reads."""
        return ()

    @property
    def needs_outputs(self) -> bool:
        """Whether `score` reads the model's outputs; if not, only the program below `layers` runs."""
        return True

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the score of one image from its outputs and its layer values (canonical axes: h w c)."""
        raise TypeError(f"{type(self).__name__} defines no score")

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if `model` cannot be scored so."""

    def batched(self, count: int) -> Self:
        """Return this target with one value per image in every leaf."""

        def spread(leaf: Any) -> Array:
            leaf = jnp.asarray(leaf)
            if leaf.ndim == 0:
                return jnp.broadcast_to(leaf, (count,))
            if leaf.shape[0] != count:
                raise TargetError(f"the target names {leaf.shape[0]} values for {count} pictures; give one for each")
            return leaf

        return jax.tree.map(spread, self)

    def findings(self, scores: Float[np.ndarray, " n"]) -> tuple[str, ...]:
        """Return what the scores give cause to warn about, such as a saturated probability."""
        return ()

    def scored_as(self, unit: str) -> "Target":
        """Return the target as a measure scores it: `target` is itself, `probability` that of a class."""
        return self

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return one text per image (call on a batched target)."""
        leaves = jax.tree.leaves(self)
        count = len(leaves[0]) if leaves else 1
        return (type(self).__name__,) * count

    def __add__(self, other: Any) -> "Target":
        """Return the target that scores the sum."""
        return self if _is_zero(other) else _weighted((1.0, self), (1.0, other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Target":
        """Return the target that scores the difference."""
        return _weighted((1.0, self), (-1.0, other))

    def __mul__(self, factor: Any) -> "Target":
        """Return the target that scores `factor` times as much; `factor` is a number."""
        if isinstance(factor, bool) or not isinstance(factor, int | float | np.number):
            raise TargetError(f"a target is multiplied by a number, got {factor!r}")
        return _weighted((float(factor), self))

    __rmul__ = __mul__

    def __neg__(self) -> "Target":
        """Return the target that scores the opposite."""
        return _weighted((-1.0, self))


def _is_zero(other: Any) -> bool:
    """Whether `other` is where `sum` begins."""
    return isinstance(other, int) and other == 0


def _weighted(*pairs: tuple[float, Any]) -> Target:
    from cnnviz_jax.objectives import weighted

    return weighted(*pairs)
