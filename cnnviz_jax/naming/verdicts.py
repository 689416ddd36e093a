"""Names chosen on half of the images and verified on the other half; refused where chance would give as good ones."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.naming.scores import mid_ranks
from cnnviz_jax.naming.searches import Candidate, Search

Status = Literal["named", "two names", "chance", "rare", "silent"]
"""`two names`: another concept scores as well. `chance`: permuted values do. `rare`: too few images show the concept.
`silent`: the unit has one value for all images."""

PERMUTATIONS, DRAWS, LEAST = 100, 200, 20
_PERCENT = 99.0
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found about one unit."""

    status: Status
    best: Candidate
    score: float
    """Of the best name, on the images it was not chosen on."""
    threshold: float
    """What 99 % of the same searches stay below with the unit's values permuted over images."""
    interval: tuple[float, float]
    """Of the score, 95 %, by bootstrap over images."""
    second: str
    """The best name not related to the first; empty where there is none."""
    second_score: float
    """nan where there is none."""
    positives: int | None
    """Images that show the best name."""
    p_value: float
    """Of the best name, times the names tried; nan for a text."""

    @property
    def name(self) -> str:
        """The name, two where two are as good; empty where it is refused."""
        return {"named": self.best.text, "two names": f"{self.best.text} or {self.second}"}.get(self.status, "")


def halves_of(ids: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Return the places of the images that names are chosen on, and of those they are scored on, by their numbers.

    A digest of the number decides, not whether it is even: data sets come in orders such as one image of each class in
    turn, and every other image then shows every other class.
    """
    last = np.array([hashlib.blake2b(int(i).to_bytes(8, "little"), digest_size=1).digest()[0] for i in ids]) & 1
    return np.flatnonzero(last == 0), np.flatnonzero(last == 1)


def verdicts(
    units: Float[np.ndarray, "n u"],
    search: Search,
    halves: tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]],
    *,
    permutations: int = PERMUTATIONS,
    draws: int = DRAWS,
    least: int = LEAST,
    seed: int = 0,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Verdict]:
    """Return what each unit may be called.

    Args:
        units: A number for each image and unit.
        search: How names are looked for.
        halves: The images that names are chosen on, and those they are scored on.
        permutations: Searches with permuted values.
        draws: Of the bootstrap.
        least: Images that must show a concept.
        seed: Of permutations and draws.
        tell: Called with how many units are done.

    Cost: a search for each unit and permutation; where only the order of values counts, for each pattern of ties.

    Randomness: permutations and draws, the same for all units.
    """
    first, second = halves
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(units)) for _ in range(permutations)]
    drawn = [rng.choice(second, len(second)) for _ in range(draws)]
    known: dict[bytes, float] = {}
    found = []
    for k in range(units.shape[1]):
        unit = units[:, k]
        best = search.best(unit, first)
        held_out = search.scored(unit, second, best)
        # Permuted, a unit is its values in any order: those with one pattern of ties share their chances.
        canonical = np.sort(mid_ranks(unit)) if search.is_ranked else unit
        key = canonical.tobytes()
        if key not in known:
            known[key] = _chance(canonical, search, first, second, orders)
        other = search.second(unit, first, best)
        other_score = float("nan") if other is None else search.scored(unit, second, other)
        resampled = [search.scored(unit, rows, best) for rows in drawn]
        interval = tuple(float(each) for each in np.percentile(resampled, _INTERVAL)) if draws else (held_out, held_out)
        status: Status = "named"
        if unit.min() == unit.max():
            status = "silent"
        elif best.positives is not None and best.positives < least:
            status = "rare"
        elif not held_out > known[key]:
            status = "chance"
        elif other is not None and interval[0] <= other_score:
            status = "two names"
        found.append(
            Verdict(
                status=status,
                best=best,
                score=held_out,
                threshold=known[key],
                interval=(interval[0], interval[1]),
                second="" if other is None else other.text,
                second_score=other_score,
                positives=best.positives,
                p_value=search.p_value(unit, second, best),
            )
        )
        tell(k + 1)
    return found


def _chance(
    unit: Float[np.ndarray, " n"],
    search: Search,
    first: Int[np.ndarray, " a"],
    second: Int[np.ndarray, " b"],
    orders: list[Int[np.ndarray, " n"]],
) -> float:
    """Return the 99th percentile of held-out scores with values permuted, the whole search each time."""
    if not orders:
        return float("-inf")
    scores = []
    for order in orders:
        permuted = unit[order]
        scores.append(search.scored(permuted, second, search.best(permuted, first)))
    return float(np.percentile(scores, _PERCENT))
