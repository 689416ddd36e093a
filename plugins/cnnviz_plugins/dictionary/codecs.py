"""The codecs that the learners of this family return, in the network's own units."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Codec, Numbers, static
from cnnviz_plugins.dictionary.activations import topk_codes
from cnnviz_plugins.dictionary.pursuit import pursued, refitted
from cnnviz_plugins.factors import presence


@dataclass(frozen=True, kw_only=True, eq=False)
class _Linear(Codec):
    """A codec of this family: directions and an offset of these shapes."""

    directions: Float[Numbers, "k c"]
    offset: Float[Numbers, " c"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, eq=False)
class SparseCodec(_Linear):
    """An affine encoder and a rule which of its numbers stay: `topk`, or those from a threshold on."""

    encoder: Float[Numbers, "k c"]
    bias: Float[Numbers, " k"]
    threshold: Float[Numbers, " k"]
    """What a code must exceed (`above`) or reach (`from`); not read for `topk`."""
    rule: Literal["topk", "above", "from"] = static(default="topk")
    k: int = static(default=1)
    """How many codes of a row stay, for `topk`."""

    @property
    def affine(self) -> tuple[Float[Array, "k c"], Float[Array, " k"]]:
        """The encoder, around the offset."""
        encoder = jnp.asarray(self.encoder)
        return encoder, jnp.asarray(self.bias) - jnp.einsum(
            "kc,c->k", encoder, jnp.asarray(self.offset), precision="highest"
        )

    def encode(self, values: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return the codes that stay."""
        # Around the offset first: values are near it, and a difference of large numbers would cost digits.
        near = values - self.offset
        pre = jnp.einsum("...c,kc->...k", near, jnp.asarray(self.encoder), precision="highest") + self.bias
        if self.rule == "topk":
            return topk_codes(pre, self.k)
        stays = pre > self.threshold if self.rule == "above" else pre >= self.threshold
        return jnp.where(stays, jax.nn.relu(pre), 0.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, eq=False)
class PursuitCodec(_Linear):
    """Matching pursuit: no encoder, the directions are both."""

    k: int = static(default=1)
    """Steps: codes of a row, at most."""
    refit: bool = static(default=False)
    """Whether all codes are fitted anew after each step."""

    @property
    def affine(self) -> tuple[Float[Array, "k c"], Float[Array, " k"]]:
        """The product of the first step."""
        directions = jnp.asarray(self.directions)
        return directions, -jnp.einsum("kc,c->k", directions, jnp.asarray(self.offset), precision="highest")

    def encode(self, values: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return the codes of `k` steps."""
        near, directions = values - self.offset, jnp.asarray(self.directions)
        return refitted(near, directions, self.k)[0] if self.refit else pursued(near, directions, self.k)[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, eq=False)
class FactorCodec(_Linear):
    """Codes that are not negative and fit a row best: a factorisation's own."""

    rounds: int = static(default=60)
    """Passes over all codes of a row, one after the other."""

    @property
    def affine(self) -> tuple[Float[Array, "k c"], Float[Array, " k"]]:
        """The products with the directions."""
        directions = jnp.asarray(self.directions)
        return directions, jnp.zeros(len(directions), directions.dtype)

    def encode(self, values: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return the non-negative least squares solution."""
        return presence(values, jnp.asarray(self.directions), rounds=self.rounds)
