"""F-Fidelity: whether a network notices that important cells go, and does not notice that others do.

Only a share of at most `beta` of the image is removed on average, so that a network fine-tuned with random removal of
as much sees what it knows. A network that was not fine-tuned so gives what the source calls RFid. Source: Zheng et al.
2025, arXiv:2410.02970, section 4.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_jax.plugin import UsageError

Right = Callable[[Bool[np.ndarray, "m cells"]], np.ndarray]
"""`right(kept)`: for each row of kept cells 1 where the network is right, or its probability of being so."""
_EXACT = 12
"""Up to so many cells all masks are gone through, in place of random ones."""


class Fidelity(NamedTuple):
    """Of one image at one share of important cells."""

    plus: float
    """How much is lost as important cells go, each with probability `alpha_plus`; higher is better."""
    minus: float
    """How much is lost as the others go, each with probability `alpha_minus`; lower is better."""
    alpha_plus: float
    alpha_minus: float


def fidelity(
    right: Right,
    importance: Float[np.ndarray, " cells"],
    share: float,
    *,
    alpha: float = 0.5,
    beta: float = 0.1,
    draws: int = 50,
    seed: int = 0,
) -> Fidelity:
    """Return how much is lost as cells go, the important ones and the others.

    Args:
        right: The network, fine-tuned with random removal of up to `beta` of the cells.
        importance: A number for each cell.
        share: The share of the cells that counts as important, the largest; equal ones in order.
        alpha: The largest probability with which a cell goes.
        beta: The share of the image that may go on average.
        draws: Random masks, where there are more than 12 cells to choose from.
        seed: Of the masks.

    Raises:
        UsageError: `share` leaves no cell on one side.

    Cost: one forward pass, and `draws` on each side, or as many as there are masks.
    """
    count = len(importance)
    top = round(share * count)
    if not 0 < top < count:
        raise UsageError(f"share leaves cells on both sides, got {share} of {count}")
    is_important = np.zeros(count, bool)
    is_important[np.argsort(-importance, kind="stable")[:top]] = True
    chances = min(alpha, beta / share), min(alpha, beta / (1 - share))
    random = np.random.default_rng(seed)
    before = float(np.asarray(right(np.ones((1, count), bool)), np.float64)[0])
    lost = []
    for cells, chance in zip((is_important, ~is_important), chances, strict=True):
        kept, weights = _masks(cells, chance, draws, random)
        lost.append(before - float(np.asarray(right(kept), np.float64) @ weights))
    return Fidelity(lost[0], lost[1], *chances)


def _masks(
    cells: Bool[np.ndarray, " cells"], chance: float, draws: int, random: np.random.Generator
) -> tuple[Bool[np.ndarray, "m cells"], Float[np.ndarray, " m"]]:
    """Kept cells, and the weight of each mask."""
    places = np.flatnonzero(cells)
    if len(places) <= _EXACT:
        gone = np.asarray(list(product((False, True), repeat=len(places))))
        weights = np.where(gone, chance, 1 - chance).prod(1)
    else:
        gone = random.uniform(size=(draws, len(places))) < chance
        weights = np.full(draws, 1 / draws)
    kept = np.ones((len(gone), len(cells)), bool)
    kept[:, places] = ~gone
    return kept, weights
