"""The classes of figures: which variant each of the five slots holds, as code words far enough apart.

Any two classes differ in three slots at least, so two parts alone may be shared and three never are. For each class
there are ten pairs or more of others that share two parts with it each, and no part with it both: such a pair asks of a
map what speaks for either class. The words are of the Hamming code of length 5 over four letters (distance 3), chosen
by a local search so that the pairs are there and each variant is in four to six classes.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

SLOTS: tuple[str, ...] = ("head", "right hand", "right foot", "left foot", "left hand")
"""Where a part may be, clockwise from the top."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "head": ("circle", "square", "triangle", "star"),
    "right hand": ("ring", "cross", "crescent", "diamond"),
    "right foot": ("bar", "peg", "tee", "ell"),
    "left foot": ("stripes", "checker", "dots", "zigzag"),
    "left hand": ("half", "wedge", "pair", "triple"),
}
"""What each slot may hold."""

_WORDS = (
    "02023", "02130", "02202", "02311", "03210", "10102", "10323", "11110", "13020", "13133",
    "20022", "20203", "21123", "21211", "23232", "30212", "30301", "31021", "31313", "33330",
)  # fmt: skip

CODES: Int[np.ndarray, "20 5"] = np.array([[int(letter) for letter in word] for word in _WORDS])
"""The variant in each slot of each class."""

CLASSES: tuple[str, ...] = tuple(
    ", ".join(VARIANTS[slot][variant] for slot, variant in zip(SLOTS, code, strict=True)) for code in CODES
)
"""A class is named by its parts."""


def agreeing(labels: Int[np.ndarray, " n"], kept: Bool[np.ndarray, "n 5"]) -> Float[np.ndarray, "n 20"]:
    """Return the answer that figures with only some parts have: every class that agrees with what is left, alike."""
    is_same = CODES[None] == CODES[labels][:, None]
    agrees = (is_same | ~kept[:, None]).all(-1)
    return (agrees / agrees.sum(1, keepdims=True)).astype(np.float32)


def pairs(label: int) -> list[tuple[int, int]]:
    """Return the pairs of classes that share two parts with a class each, and none of them in common."""
    shared = CODES[label] == CODES
    near = np.flatnonzero(shared.sum(1) == 2)
    return [(int(a), int(b)) for a, b in combinations(near, 2) if not (shared[a] & shared[b]).any()]
