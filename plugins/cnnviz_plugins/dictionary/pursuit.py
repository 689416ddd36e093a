"""Matching pursuit: one direction after the other, each the one that what is left points along most."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def pursued(
    values: Float[Array, "*n c"], directions: Float[Array, "k c"], steps: int
) -> tuple[Float[Array, "*n k"], Float[Array, "*n c"], Int[Array, "..."]]:
    """Return codes, what they leave, and which direction each step took, (steps, *n), -1 where none helps any more.

    A direction may be taken again. Products are signed: a row that no direction points along is done.

    Source: Mallat, Zhang 1993; as an encoder Costa et al. 2025, arXiv:2506.03093.
    """

    def step(found: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        left, codes = found
        products = jnp.einsum("...c,kc->...k", left, directions, precision="highest")
        best = products.argmax(-1)
        amount = jax.nn.relu(jnp.take_along_axis(products, best[..., None], -1))  # ... 1
        taken = jax.nn.one_hot(best, len(directions), dtype=values.dtype) * amount
        return (left - amount * directions[best], codes + taken), jnp.where(amount[..., 0] > 0, best, -1)

    start = values, jnp.zeros((*values.shape[:-1], len(directions)), values.dtype)
    (left, codes), picks = jax.lax.scan(step, start, None, length=steps)
    return codes, left, picks
