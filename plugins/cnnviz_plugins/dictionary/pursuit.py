"""Matching pursuit: one direction after the other, each the one that what is left points along most.

The orthogonal kind fits all directions taken so far anew after each.
"""

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


_ROUNDS = 60
"""Sweeps over the directions taken, in which their amounts settle."""


def refitted(
    values: Float[Array, "*n c"], directions: Float[Array, "k c"], steps: int
) -> tuple[Float[Array, "*n k"], Float[Array, "*n c"]]:
    """Return the codes of orthogonal matching pursuit, and what they leave.

    After each direction taken, the amounts of all of them are those that fit the row best and are not negative; so none
    is taken twice. A row that no further direction points along is done.

    Source: Pati, Rezaiifar, Krishnaprasad 1993; non-negative as in Yaghoobi, Wu, Davies 2015.
    """
    places = jnp.arange(steps)

    def step(found: tuple[Array, Array, Array], number: Array) -> tuple[tuple[Array, Array, Array], None]:
        left, picks, helps = found
        products = jnp.einsum("...c,kc->...k", left, directions, precision="highest")
        taken = (jax.nn.one_hot(picks, len(directions)) * helps[..., None]).sum(-2) > 0
        products = jnp.where(taken, -jnp.inf, products)
        best = products.argmax(-1)
        picks = jnp.where(places == number, best[..., None], picks)
        helps = jnp.where((places == number) & (products.max(-1)[..., None] > 0), 1.0, helps)
        own = directions[picks] * helps[..., None]  # ... steps c
        amounts = _fitted(values, own)
        return (values - jnp.einsum("...s,...sc->...c", amounts, own, precision="highest"), picks, helps), None

    none = jnp.zeros((*values.shape[:-1], steps))
    (left, picks, helps), _ = jax.lax.scan(step, (values, none.astype(jnp.int32), none), places)
    own = directions[picks] * helps[..., None]
    amounts = _fitted(values, own) * helps
    codes = jnp.einsum("...s,...sk->...k", amounts, jax.nn.one_hot(picks, len(directions)), precision="highest")
    return codes, left


def _fitted(values: Float[Array, "*n c"], own: Float[Array, "*n steps c"]) -> Float[Array, "*n steps"]:
    """Return non-negative least squares of each row by directions of its own, those of zeros left out."""
    gram = jnp.einsum("...sc,...tc->...st", own, own, precision="highest")
    product = jnp.einsum("...c,...sc->...s", values, own, precision="highest")

    def one(number: Array, amounts: Array) -> Array:
        place = number % own.shape[-2]
        size = gram[..., place, place]
        pull = product[..., place] - jnp.einsum("...t,...t->...", amounts, gram[..., place, :], precision="highest")
        new = jax.nn.relu(amounts[..., place] + pull / jnp.where(size > 0, size, 1.0))
        return amounts.at[..., place].set(jnp.where(size > 0, new, 0.0))

    # Where no amount would be negative this is the answer already; between directions that are nearly alike, steps over
    # one amount at a time would take long to find it. A ridge of a millionth keeps that of two equal ones regular.
    size = jnp.diagonal(gram, axis1=-2, axis2=-1)
    ridge = jnp.where(size > 0, 1e-6 * size, 1.0)[..., None] * jnp.eye(own.shape[-2])
    start = jnp.linalg.solve(gram + ridge, product[..., None])[..., 0]
    return jax.lax.fori_loop(0, _ROUNDS * own.shape[-2], one, jax.nn.relu(start))
