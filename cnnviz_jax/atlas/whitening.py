"""Whitened directions: what of a mean activation is not merely what every activation has in common."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError

Objective = Literal["cosine", "lucid"]
"""`cosine`: dot times max(0.1, cosine)^power. `lucid`: as Lucid's atlas notebooks have it, a mean in place of the dot
and of the cosine."""
_FLOOR = 0.1


def whitening(
    rows: Float[np.ndarray, "..."], *, ridge: float = 1e-6, centred: bool = False
) -> Float[np.ndarray, "c c"]:
    """Return the inverse S of the rows' second moment; `direction @ S` is the whitened direction.

    Args:
        rows: Activations (n, c), one position each.
        ridge: So much of the mean of the moment's diagonal is added to the diagonal; 0 where channels never agree.
        centred: Whether the mean is taken off first: the inverse covariance.

    Raises:
        UsageError: There are no rows, or the moment has no inverse.

    Source: Carter et al. 2019, "Activation Atlas", and its notebooks.
    """
    values = np.asarray(rows, np.float64)
    if values.ndim != 2 or not len(values):
        raise UsageError(f"rows of activations are needed, got shape {values.shape}")
    if centred:
        values = values - values.mean(0)
    moment = values.T @ values / len(values)
    moment += ridge * np.trace(moment) / len(moment) * np.eye(len(moment))
    try:
        inverse: np.ndarray = np.linalg.inv(moment)
    except np.linalg.LinAlgError as error:
        raise UsageError(
            f"{len(moment)} channels of {len(values)} rows have no inverse; ridge=1e-6 gives one"
        ) from error
    return inverse


def alignment(
    activation: Float[np.ndarray, "*n c"],
    direction: Float[np.ndarray, " c"],
    *,
    power: float = 4,
    objective: Objective = "cosine",
) -> Float[np.ndarray, " *n"]:
    """Return how far activations go along a direction, held down where they go elsewhere too.

    Args:
        activation: Of one or more positions.
        direction: Whitened or not.
        power: How much the angle counts.
        objective: See `Objective`. What Lucid has in place of the cosine is a mean over channels and is not divided by
            the direction's length, so that whether its floor of 0.1 acts depends on the number of channels.

    Raises:
        UsageError: There is no such objective.

    Source: Carter et al. 2019; Lucid, `direction_cossim` and the class notebook of its atlases.
    """
    values, along = np.asarray(activation, np.float64), np.asarray(direction, np.float64)
    length = np.linalg.norm(values, axis=-1)
    if objective == "cosine":
        dot = values @ along
        sizes = length * np.linalg.norm(along)
        angle = np.divide(dot, sizes, out=np.zeros_like(dot), where=sizes > 0)
    elif objective == "lucid":
        dot = (values * along).mean(-1)
        angle = dot / (1e-4 + length)
    else:
        raise UsageError(f'objective is "cosine" or "lucid", got {objective!r}')
    return np.asarray(dot * np.maximum(_FLOOR, angle) ** power)
