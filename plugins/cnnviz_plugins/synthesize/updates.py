"""Update rules by name, as optax transformations that climb: each is given gradients of what is maximised.

Images are kept in [0, 1]. A published rule often works in other units, such as 0..255; `span` is their length, so
that its numbers can be given as published: in units u = span * x the gradient is 1/span of ours, and so is a step.
Rules that use a norm take that of one image.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array


@runtime_checkable
class Update(Protocol):
    """A rule by which parameters climb."""

    def transformation(self) -> optax.GradientTransformation:
        """Return the rule; it maximises."""


def _squares(updates: Any) -> Array:
    return jnp.asarray(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(updates)))


def _size(updates: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(updates))


class _Scaled(ABC):
    """A rule whose step is the gradient in units of `span`, times a factor made of all its numbers."""

    span: float

    @abstractmethod
    def factor(self, own: Any) -> Array:
        """Return what the scaled gradient is multiplied by."""

    def transformation(self) -> optax.GradientTransformation:
        """Return the rule."""

        def climb(updates: Any, params: Any = None) -> Any:
            own = jax.tree.map(lambda leaf: leaf / self.span, updates)
            factor = self.factor(own)
            return jax.tree.map(lambda leaf: leaf * factor, own)

        return optax.stateless(climb)


@dataclass(frozen=True)
class Rms(_Scaled):
    """rate * g / (rms(g) + epsilon). Source: Chollet 2016, `conv_filter_visualization.py`."""

    rate: float = 1.0
    span: float = 255.0
    epsilon: float = 1e-5

    def factor(self, own: Any) -> Array:
        """Return rate / (rms + epsilon)."""
        return self.rate / self.span / (jnp.sqrt(_squares(own) / _size(own)) + self.epsilon)


@dataclass(frozen=True)
class UnitNorm(_Scaled):
    """rate * g / ||g||. Source: the Keras example "Visualizing what convnets learn", 2020."""

    rate: float = 10.0
    span: float = 2.0
    epsilon: float = 1e-12
    """Least squared norm, as in `tf.math.l2_normalize`."""

    def factor(self, own: Any) -> Array:
        """Return rate / norm."""
        return self.rate / self.span * jax.lax.rsqrt(jnp.maximum(_squares(own), self.epsilon))


@dataclass(frozen=True)
class Progress:
    """The step by which a linear objective would gain `gain`, its rate at most `most`. Source: Yosinski et al. 2015."""

    gain: float = 2.0
    most: float = 100.0
    span: float = 255.0

    def transformation(self) -> optax.GradientTransformation:
        """Return the rule."""

        def climb(updates: Any, params: Any = None) -> Any:
            squares = _squares(updates) / self.span**2
            rate = jnp.minimum(self.most, self.gain / jnp.maximum(squares, 1e-30))
            return jax.tree.map(lambda leaf: leaf * rate / self.span**2, updates)

        return optax.stateless(climb)


@dataclass(frozen=True)
class Gradient:
    """rate * g, with momentum if there is any."""

    rate: float = 1.0
    span: float = 1.0
    momentum: float = 0.0

    def transformation(self) -> optax.GradientTransformation:
        """Return the rule."""
        return optax.chain(optax.scale(-1), optax.sgd(self.rate / self.span**2, self.momentum or None))


@dataclass(frozen=True)
class Adam:
    """Adam. Source: Kingma, Ba 2014, arXiv 1412.6980."""

    rate: float = 0.05
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8

    nesterov: ClassVar[bool] = False

    def transformation(self) -> optax.GradientTransformation:
        """Return the rule."""
        rule = optax.adam(self.rate, self.b1, self.b2, self.epsilon, nesterov=self.nesterov)
        return optax.chain(optax.scale(-1), rule)


@dataclass(frozen=True)
class Nadam(Adam):
    """Adam with Nesterov's momentum. Source: Dozat 2016; epsilon as in Keras."""

    rate: float = 1.0
    epsilon: float = 1e-7
    nesterov: ClassVar[bool] = True


UPDATES: dict[str, type] = {
    "rms": Rms, "unit-norm": UnitNorm, "progress": Progress, "gradient": Gradient, "adam": Adam, "nadam": Nadam,
}  # fmt: skip
"""The built-in update rules by name."""
