"""Names of several words (INVERT): concepts joined by and, or and not, found by beam search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.naming.scores import Values, auroc, mid_ranks

BEAM = 3
LONGEST = 3
MOST_SHOWN = 0.5
"""Share of images that a formula may hold for: that a concept is absent says little where it nearly always is."""


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula over concepts, and how well a unit ranks the images for which it holds."""

    text: str
    """`&` and, `|` or, `~` not."""
    length: int
    """Concepts in it."""
    shown: Bool[np.ndarray, " n"]
    """For which images it holds."""
    auroc: float
    tried: int
    """Formulas that were compared to find it."""


def best_formulas(
    values: Values,
    concepts: Bool[Array | np.ndarray, "*_"],
    names: Sequence[str],
    *,
    length: int = LONGEST,
    beam: int = BEAM,
    least: float = 0.0,
    most: float = MOST_SHOWN,
) -> tuple[Formula, ...]:
    """Return the best formula of at most 1, 2, ... `length` concepts.

    Formulas that hold for the same images count once, as the shortest; of equal scores the shorter one wins, then the
    first by the alphabet.

    Args:
        values: A unit's number for each image.
        concepts: Whether each image shows each concept.
        names: Of the concepts.
        length: Concepts in a formula, at most.
        beam: Formulas that are kept to be made longer.
        least: Share of images that a formula must hold for, beside above 0.
        most: Share of images that it may hold for.

    Raises:
        UsageError: The shapes do not fit, or no formula holds for a share of the images from `least` to `most`.

    Cost: 4 beam k products of n numbers for each length.

    Source: Bykov et al. 2023, section 3.
    """
    table = np.asarray(concepts, bool)
    if table.ndim != 2 or len(names) != table.shape[1] or len(table) != len(np.asarray(values)):
        raise UsageError(f"concepts are (n, k) with k names, got {table.shape} with {len(names)} names")
    every = np.arange(len(table))
    return searched(
        mid_ranks(values), Literals.of(table, names), every, length=length, beam=beam, least=least, most=most
    )


@dataclass(frozen=True)
class Literals:
    """Every concept and its negation, but for those that hold for all images or for none."""

    texts: tuple[str, ...]
    shown: Bool[np.ndarray, "n literals"]

    @classmethod
    def of(cls, table: Bool[np.ndarray, "n k"], names: Sequence[str]) -> "Literals":
        """Return the literals of concepts."""
        known = [k for k in range(len(names)) if 0 < table[:, k].sum() < len(table)]
        columns = [column for k in known for column in (table[:, k], ~table[:, k])]
        texts = tuple(text for k in known for text in (names[k], f"~{names[k]}"))
        return cls(texts, np.stack(columns, 1) if columns else np.zeros((len(table), 0), bool))


_Scored = tuple[float, int, str, Bool[np.ndarray, " n"]]
"""Minus the AUROC, length, text, truth: sorts with the best first."""


def searched(
    ranks: Float[np.ndarray, " m"],
    literals: Literals,
    rows: Int[np.ndarray, " m"],
    *,
    length: int,
    beam: int = BEAM,
    least: float = 0.0,
    most: float = MOST_SHOWN,
) -> tuple[Formula, ...]:
    """Return what `best_formulas` does, by a unit's mid-ranks on some of the images that literals are known for."""
    found: list[Formula] = []
    kept: list[_Scored] = []
    tried = 0
    for size in range(1, length + 1):
        seen = {np.packbits(each[3][rows]).tobytes(): each for each in kept}
        groups = [(literals.texts, literals.shown)] if size == 1 else _longer(kept, literals)
        for texts, columns in groups:
            tried += _add(seen, ranks, columns, rows, texts, size, (least, most))
        kept = sorted(seen.values(), key=lambda each: each[:3])[:beam]
        if not kept:
            raise UsageError(f"no concept is shown by more than {least:.0%} and at most {most:.0%} of the images")
        area, long, text, truth = kept[0]
        found.append(Formula(text=text, length=long, shown=truth, auroc=-area, tried=tried))
    return tuple(found)


def _longer(kept: Sequence[_Scored], literals: Literals) -> list[tuple[Sequence[str], Bool[np.ndarray, "n literals"]]]:
    """Return every kept formula joined with every literal."""
    joins: list[tuple[Sequence[str], Bool[np.ndarray, "n literals"]]] = []
    for _, _, text, truth in kept:
        for sign, columns in (("&", truth[:, None] & literals.shown), ("|", truth[:, None] | literals.shown)):
            joins.append(([f"({text} {sign} {each})" for each in literals.texts], columns))
    return joins


def _add(
    seen: dict[bytes, _Scored],
    ranks: Float[np.ndarray, " m"],
    columns: Bool[np.ndarray, "n literals"],
    rows: Int[np.ndarray, " m"],
    texts: Sequence[str],
    length: int,
    shares: tuple[float, float],
) -> int:
    """Add formulas to those seen, each truth column once, and return how many were compared."""
    there = columns[rows]
    share = there.mean(0)
    usable = np.flatnonzero((share > 0) & (share >= shares[0]) & (share <= shares[1] + 1e-12) & (share < 1))
    areas = auroc(ranks, there[:, usable])
    keys = np.packbits(there[:, usable], axis=0).T
    for place, area, key in zip(usable.tolist(), areas.tolist(), map(bytes, keys), strict=True):
        # The same images are the same score: what is shorter, then first by the alphabet, names them.
        if key not in seen or (length, texts[place]) < seen[key][1:3]:
            seen[key] = (-area, length, texts[place], columns[:, place])
    return len(usable)


def mann_whitney_p(values: Values, shown: Bool[Array | np.ndarray, "*_"], tried: int = 1) -> float:
    """Return the two-sided p-value that images with and without a concept rank alike, times the formulas tried."""
    from scipy.stats import mannwhitneyu

    unit, truth = np.asarray(values, np.float64), np.asarray(shown, bool)
    if not 0 < truth.sum() < len(truth):
        raise UsageError("a p-value needs images with the concept and images without it")
    return min(1.0, float(mannwhitneyu(unit[truth], unit[~truth]).pvalue) * tried)
