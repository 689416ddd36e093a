"""What every target is: a small pytree that scores one image."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model


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

    def of_one_class(self) -> "tuple[Any, Target] | None":
        """Return the one class whose logit is all that `score` reads, and the target that scores it where it is alone.

        `None` where `score` reads more; a model may then not leave out the other classes.
        """
        return None

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the score of one image from its outputs and its layer values (canonical axes: h w c)."""
        raise TypeError(f"{type(self).__name__} defines no score")

    def check(self, model: Model) -> None:
        """Raise `TargetError` if `model` cannot be scored so."""

    def frozen(self, model: Model, images: Float[Array | np.ndarray, "n h w c"]) -> "Target":
        """Return the target with all fixed that is read off the untouched images, such as the region of a class."""
        return self

    def batched(self, count: int) -> Self:
        """Return this target with one value per image in every leaf."""
        return jax.tree.map(lambda leaf: one_each(leaf, count, "values"), self)

    def findings(self, scores: Float[np.ndarray, " n"]) -> tuple[str, ...]:
        """Return what the scores give cause to warn about, such as a saturated probability."""
        return ()

    def scored_as(self, unit: str) -> "Target":
        """Return the target as a measure scores it: `target` is itself, `probability` that of a class."""
        return self

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return one text per image (call on a batched target)."""
        leaves = jax.tree.leaves(self)
        count = len(leaves[0]) if leaves else 1
        return (type(self).__name__,) * count

    def __add__(self, other: Any) -> "Target":
        """Return the target that scores the sum."""
        is_start = isinstance(other, int) and other == 0  # where `sum` begins
        return self if is_start else weighted((1.0, self), (1.0, other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Target":
        """Return the target that scores the difference."""
        return weighted((1.0, self), (-1.0, other))

    def __mul__(self, factor: Any) -> "Target":
        """Return the target that scores `factor` times as much; `factor` is a number."""
        if isinstance(factor, bool) or not isinstance(factor, int | float | np.number):
            raise TargetError(f"a target is multiplied by a number, got {factor!r}")
        return weighted((float(factor), self))

    __rmul__ = __mul__

    def __neg__(self) -> "Target":
        """Return the target that scores the opposite."""
        return weighted((-1.0, self))


def one_each(value: Any, count: int, what: str, *, rank: int = 0) -> Array:
    """Return a value of `rank` axes as one for each of `count` images; what has one axis more must be that already."""
    array = jnp.asarray(value)
    if array.ndim == rank:
        return jnp.broadcast_to(array, (count, *array.shape))
    if len(array) != count:
        raise TargetError(f"the target names {len(array)} {what} for {count} images; give one for each")
    return array


def check_numbers(word: str, numbers: Any, size: int, whose: str) -> None:
    """Raise `TargetError` if a number is not that of one of the `size` classes, channels, rows or columns."""
    for number in np.atleast_1d(np.asarray(numbers)):
        if not 0 <= number < size:
            many = f"{word}es" if word == "class" else f"{word}s"
            raise TargetError(f"{word} {int(number)} is out of range: {whose} has {many} 0 to {size - 1}")


class LayerTarget(Target):
    """A target that reads one layer and no outputs."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer it reads."""
        return (self.layer,)

    @property
    def needs_outputs(self) -> bool:
        """Never: only the program below the layer runs."""
        return False


@dataclass(frozen=True)
class WrappedTarget(Target):
    """A target together with something else, scored as it is by itself."""

    inner: Target

    @property
    def layers(self) -> tuple[str, ...]:
        """The inner target's."""
        return self.inner.layers

    @property
    def needs_outputs(self) -> bool:
        """Whether the inner target reads the outputs."""
        return self.inner.needs_outputs

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the inner target's score."""
        return self.inner.score(outputs, activations)

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the inner target does not fit."""
        self.inner.check(model)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return the inner target's texts."""
        return self.inner.describe(model)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WeightedSum(Target):
    """Targets added up, each times a number."""

    terms: tuple[Target, ...]
    weights: tuple[Float[Array, "*n"] | float, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all terms."""
        return tuple(dict.fromkeys(layer for term in self.terms for layer in term.layers))

    @property
    def needs_outputs(self) -> bool:
        """Whether any term reads the outputs."""
        return any(term.needs_outputs for term in self.terms)

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the sum."""
        parts = (w * term.score(outputs, activations) for term, w in zip(self.terms, self.weights, strict=True))
        return jnp.asarray(sum(parts), jnp.float32)

    def check(self, model: Model) -> None:
        """Raise `TargetError` if a term does not fit."""
        for term in self.terms:
            term.check(model)

    def frozen(self, model: Model, images: Float[Array | np.ndarray, "n h w c"]) -> "Target":
        """Return the sum of the terms, each fixed."""
        return dataclasses.replace(self, terms=tuple(term.frozen(model, images) for term in self.terms))

    def batched(self, count: int) -> Self:
        """Return it with one entry per target in every term."""
        weights = tuple(jnp.broadcast_to(jnp.asarray(w, jnp.float32), (count,)) for w in self.weights)
        return dataclasses.replace(self, terms=tuple(term.batched(count) for term in self.terms), weights=weights)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `conv1 channel 2 + 3 x conv1 channel 4`."""
        columns = [
            [
                _signed(float(w), text)
                for w, text in zip(np.broadcast_to(np.asarray(weight), len(texts)), texts, strict=True)
            ]
            for weight, texts in ((w, term.describe(model)) for term, w in zip(self.terms, self.weights, strict=True))
        ]
        rows = max(map(len, columns), default=1)
        texts = (" ".join(column[min(i, len(column) - 1)] for column in columns) for i in range(rows))
        return tuple(text.removeprefix("+ ") for text in texts)


def _signed(weight: float, text: str) -> str:
    factor = "" if abs(weight) == 1 else f"{abs(weight):g} x "
    return f"{'-' if weight < 0 else '+'} {factor}{text}"


def weighted(*pairs: tuple[float, Any]) -> WeightedSum:
    """Return the sum of `weight * target` over the pairs; sums among them are opened."""
    terms: list[Target] = []
    weights: list[Any] = []
    for weight, target in pairs:
        if isinstance(target, WeightedSum):
            terms += target.terms
            weights += [weight * inner for inner in target.weights]
        elif isinstance(target, Target):
            terms.append(target)
            weights.append(weight)
        else:
            raise TargetError(f"only targets can be added to targets, got {target!r}")
    return WeightedSum(tuple(terms), tuple(weights))
