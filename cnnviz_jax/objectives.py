"""What synthesis maximises beyond one unit: directions, whole layers, and any weighted sum of targets.

All are targets, so they go wherever a target goes. Targets can be added, subtracted and multiplied by
numbers: `a + 3 * b - 5 * c` scores exactly that. Diversity is the one objective of several pictures at once;
`group_scores` gives every picture of a group its score, whatever the target.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.results import static
from cnnviz_jax.targets import Channel, Target, settle

if TYPE_CHECKING:
    from cnnviz_jax.model import Model

_LEAST_COSINE = 0.1


class _OfLayer(Target):
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Direction(_OfLayer):
    """How far a layer's values point along a vector: dot * max(0.1, cosine)^power.

    A vector over channels is compared at every position, and the mean taken; a vector of the whole map's shape
    (h, w, c) is compared once. Source: Lucid, `optvis/objectives.py`, `direction` and `_dot_cossim`.
    """

    layer: str = static()
    vector: Float[Array, "*n c"] | Float[Array, "*n h w c"]  # type: ignore[misc]  # static() gives no default
    power: float = static(default=0.0)

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean over positions."""
        value = taps[self.layer]
        if self.vector.ndim > 1:
            value, vector = value.reshape(1, -1), self.vector.reshape(-1)
        else:
            value, vector = value.reshape(-1, value.shape[-1]), self.vector
        dot = value @ vector
        if self.power == 0:
            return dot.mean()
        # Added under the root, so that the gradient at an all-zero layer is zero and not NaN.
        lengths = jnp.sqrt(jnp.square(value).sum(-1) + 1e-12) * jnp.sqrt(jnp.square(vector).sum() + 1e-12)
        return (dot * jnp.maximum(_LEAST_COSINE, dot / (lengths + 1e-6)) ** self.power).mean()

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if the vector has another length than the layer has channels."""
        channels = model.layers[self.layer].channels
        if np.shape(self.vector)[-1] != channels:
            found = np.shape(self.vector)[-1]
            raise TargetError(f"a direction in {self.layer!r} has {channels} numbers, one per channel; got {found}")

    def batched(self, count: int) -> Self:
        """Return it with one vector per target; a single vector serves all."""
        vector = jnp.asarray(self.vector, jnp.float32)
        if vector.ndim in (1, 3):
            vector = jnp.broadcast_to(vector, (count, *vector.shape))
        if len(vector) != count:
            raise TargetError(f"the direction names {len(vector)} vectors for {count} targets; give one for each")
        return dataclasses.replace(self, vector=vector)

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return texts such as `conv3 direction 0`."""
        vector = np.asarray(self.vector)
        count = len(vector) if vector.ndim in (2, 4) else 1
        return tuple(f"{self.layer} direction {i}" for i in range(count))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeLayer(_OfLayer):
    """The mean of squares over a whole layer: whatever is there, more of it.

    Source: Mordvintsev, Olah, Tyka 2015, "Inceptionism"; Lucid's `deepdream` objective.
    """

    layer: str = static()
    number: Float[Array, "*n"] | float = 0.0
    """Nothing but a place for the batch axis."""

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of squares."""
        return jnp.square(taps[self.layer]).mean()

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return the layer's name."""
        return (f"{self.layer} mean of squares",) * np.atleast_1d(np.asarray(self.number)).size


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InnerChannel(Channel):
    """The mean of one channel without the outermost positions, where padding makes artefacts."""

    border: int = static(default=2)

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of the channel's map without `border` positions at every side; all of it if too small."""
        value, edge = taps[self.layer], self.border
        if value.ndim == 3 and min(value.shape[:2]) > 2 * edge > 0:
            value = value[edge:-edge, edge:-edge]
        return value.reshape(-1, value.shape[-1]).mean(0)[self.channel]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Diversity(_OfLayer):
    """How different the pictures of a group look to a layer: minus the mean cosine of their Gram matrices.

    Every picture is scored against all others of its group; alone it scores 0.
    Source: Olah, Mordvintsev, Schubert 2017, "Feature Visualization", Distill; Lucid's `diversity` objective.
    """

    layer: str = static()
    number: Float[Array, "*n"] | float = 0.0
    """Nothing but a place for the batch axis."""

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return 0: a picture alone is not diverse."""
        return jnp.zeros(())

    def score_group(self, value: Float[Array, "k ..."]) -> Float[Array, " k"]:
        """Return the score of each picture of a group from the layer's values of all."""
        count = len(value)
        flat = value.reshape(count, -1, value.shape[-1])
        grams = jnp.einsum("kpc,kpd->kcd", flat, flat).reshape(count, -1)
        grams = grams / jnp.sqrt(jnp.square(grams).sum(-1, keepdims=True) + 1e-10)
        cosines = grams @ grams.T
        return -(cosines.sum(-1) - jnp.diagonal(cosines)) / max(count - 1, 1)

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return the layer's name."""
        return (f"diversity at {self.layer}",) * np.atleast_1d(np.asarray(self.number)).size


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

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the sum."""
        parts = (w * term.score(outputs, taps) for term, w in zip(self.terms, self.weights, strict=True))
        return jnp.asarray(sum(parts), jnp.float32)

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if a term does not fit."""
        for term in self.terms:
            term.check(model)

    def batched(self, count: int) -> Self:
        """Return it with one entry per target in every term."""
        weights = tuple(jnp.broadcast_to(jnp.asarray(w, jnp.float32), (count,)) for w in self.weights)
        return dataclasses.replace(self, terms=tuple(term.batched(count) for term in self.terms), weights=weights)

    def describe(self, model: "Model") -> tuple[str, ...]:
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Given(Target):
    """A target together with arrays that its synthesis starts from, one of each per target: pictures, a spectrum."""

    objective: Target
    arrays: dict[str, Float[Array, "..."]]

    @property
    def layers(self) -> tuple[str, ...]:
        """The objective's."""
        return self.objective.layers

    @property
    def needs_outputs(self) -> bool:
        """Whether the objective reads the outputs."""
        return self.objective.needs_outputs

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the objective's score."""
        return self.objective.score(outputs, taps)

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if the objective does not fit."""
        self.objective.check(model)

    def batched(self, count: int) -> Self:
        """Return it with one entry per target."""
        return dataclasses.replace(self, objective=self.objective.batched(count))

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return the objective's texts."""
        return self.objective.describe(model)


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


def direction(layer: str, vector: Any, power: float = 0.0) -> Direction:
    """Return the target "along `vector` in a layer": one vector, or one per target.

    Args:
        layer: The layer.
        vector: One number per channel; with a leading axis, one vector per target.
        power: How much the angle counts beside the length.
    """
    return Direction(layer=layer, vector=jnp.asarray(vector, jnp.float32), power=power)


def whole_layer(layer: str) -> WholeLayer:
    """Return the target "mean of squares of a layer", DeepDream's."""
    return WholeLayer(layer=layer)


def diversity(layer: str) -> Diversity:
    """Return the target "pictures of one group look different to a layer"; add a multiple of it to others."""
    return Diversity(layer=layer)


def terms_of(target: Target) -> tuple[Target, ...]:
    """Return the plain targets that a target is made of."""
    if isinstance(target, Given):
        return terms_of(target.objective)
    if isinstance(target, WeightedSum):
        return tuple(plain for term in target.terms for plain in terms_of(term))
    return (target,)


def mapped(target: Target, change: Callable[[Target], Target]) -> Target:
    """Return `target` with every plain target in it replaced by `change(plain target)`."""
    if isinstance(target, Given):
        return dataclasses.replace(target, objective=mapped(target.objective, change))
    if isinstance(target, WeightedSum):
        return dataclasses.replace(target, terms=tuple(mapped(term, change) for term in target.terms))
    return change(target)


def settled(target: Target, model: "Model") -> Target:
    """Return `target` with the layers of all its parts named as `model` lists them, after checking that they fit."""
    return mapped(target, lambda plain: settle(plain, model))


def count_of(target: Target) -> int:
    """Return how many targets a target that is not yet batched stands for."""

    def one(plain: Target) -> int:
        if isinstance(plain, Direction):
            return len(plain.vector) if np.ndim(plain.vector) in (2, 4) else 1
        return max((np.atleast_1d(np.asarray(leaf)).shape[0] for leaf in jax.tree.leaves(plain)), default=1)

    return max(one(plain) for plain in terms_of(target))


def group_scores(
    target: Target, outputs: Any, taps: dict[str, Float[Array, "k ..."]], count: int
) -> Float[Array, " k"]:
    """Return the score of each of `count` pictures that were made together for one target.

    Args:
        target: Of one group, not batched.
        outputs: The model's outputs of all pictures, or `None`.
        taps: Layer values of all pictures.
        count: How many pictures.
    """
    if isinstance(target, Given):
        return group_scores(target.objective, outputs, taps, count)
    if isinstance(target, WeightedSum):
        parts = [group_scores(term, outputs, taps, count) for term in target.terms]
        return jnp.asarray(sum(w * part for w, part in zip(target.weights, parts, strict=True)), jnp.float32)
    if isinstance(target, Diversity):
        return target.score_group(taps[target.layer])
    if outputs is None:
        return jax.vmap(lambda values: target.score(None, values), axis_size=count)(taps)
    return jax.vmap(target.score, axis_size=count)(outputs, taps)
