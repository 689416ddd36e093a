"""What a training lowers: what codes leave of a row, and what codes that never fire could do about it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_plugins.dictionary.activations import topk_codes


def squared_error(rows: Float[Array, "n c"], rebuilt: Float[Array, "n c"]) -> Float[Array, ""]:
    """Return the squared error of a row, summed over channels, mean over rows."""
    return jnp.square(rows - rebuilt).sum(-1).mean()


def spread(rows: Float[Array, "n c"]) -> Float[Array, ""]:
    """Return the squared error of the rows' mean."""
    return squared_error(rows, jnp.broadcast_to(rows.mean(0), rows.shape))


def auxiliary(
    left: Float[Array, "n c"],
    pre: Float[Array, "n codes"],
    directions: Float[Array, "codes c"],
    dead: Bool[Array, " codes"],
    k: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return what the `k` strongest dead codes of each row leave of what is `left`, and that as a share of its spread.

    0 where no code is dead or the value is not finite. `left` is taken as given: its gradient is not the dead codes'.

    Source: Gao et al. 2024, arXiv:2406.04093, section A.2.
    """
    left = jax.lax.stop_gradient(left)
    codes = topk_codes(jnp.where(dead, jax.nn.relu(pre), 0.0), k)
    error = squared_error(left, codes @ directions)
    share = error / jnp.maximum(spread(left), 1e-30)
    counts = dead.any() & jnp.isfinite(share)
    return jnp.where(counts, error, 0.0), jnp.where(counts, share, 0.0)
