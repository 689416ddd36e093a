"""How a name is looked for on some images and scored on others: among concepts, formulas of them, or texts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.naming.embeddings import PRIOR, Measure, cubed_cosines, fit_of, log_fit, log_mean, text_shares
from cnnviz_jax.naming.formulas import Literals, mann_whitney_p, searched
from cnnviz_jax.naming.scores import RANKED, SHARE, Score, cut_of, mid_ranks, score

RELATED = 0.5
"""Two concepts that correlate above this over images are related: one does not stand against the other."""

Unit = Float[np.ndarray, " n"]
Images = Int[np.ndarray, " rows"]
"""Rows of images; a bootstrap has some of them several times."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A name that was found."""

    text: str
    shown: Float[np.ndarray, " n"]
    """Whether, or how likely, each image shows it."""
    chosen: float
    """Its score where it was found."""
    cut: float
    """From which value the unit is active, by the images it was found on."""
    tried: int
    """Names it was compared with, itself included."""
    positives: int | None
    """Images that show it; `None` for a text, which each shows to a degree."""


class Search(Protocol):
    """A way to look for names."""

    @property
    def is_ranked(self) -> bool:
        """Whether only the order of a unit's values matters."""
        ...

    def best(self, unit: Unit, found_on: Images) -> Candidate:
        """Return the best name on some images."""
        ...

    def second(self, unit: Unit, found_on: Images, best: Candidate) -> Candidate | None:
        """Return the best name that is not related to `best`; `None` where there is none."""
        ...

    def scored(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return the score of a name on other images."""
        ...

    def p_value(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return the chance that images with and without the name rank so far apart, times the names tried."""
        ...


class _TableSearch(ABC):
    """Names are the columns of a table that says what each image shows."""

    @property
    @abstractmethod
    def _table(self) -> Float[np.ndarray, "n k"]:
        """What every image shows of every name."""

    @abstractmethod
    def _candidate(self, unit: Unit, found_on: Images, usable: Bool[np.ndarray, " k"]) -> Candidate | None:
        """Return the best of the usable names on some images; `None` where none is usable."""

    def best(self, unit: Unit, found_on: Images) -> Candidate:
        """Return the best name on some images."""
        found = self._candidate(unit, found_on, np.ones(self._table.shape[1], bool))
        assert found is not None
        return found

    def second(self, unit: Unit, found_on: Images, best: Candidate) -> Candidate | None:
        """Return the best name not related to `best`."""
        return self._candidate(unit, found_on, unrelated(self._table, best.shown))


@dataclass(frozen=True, kw_only=True)
class ConceptSearch(_TableSearch):
    """Names are concepts that images show, or show to a degree."""

    concepts: Float[np.ndarray, "n k"]
    names: tuple[str, ...]
    kind: Score
    share: float = SHARE

    @property
    def is_ranked(self) -> bool:
        """Whether only the order of a unit's values matters."""
        return self.kind in RANKED

    @property
    def _table(self) -> Float[np.ndarray, "n k"]:
        return self.concepts

    def _candidate(self, unit: Unit, found_on: Images, usable: Bool[np.ndarray, " k"]) -> Candidate | None:
        if not usable.any():
            return None
        own = unit[found_on]
        cut = cut_of(own, self.share)
        scores = score(own, self.concepts[found_on], self.kind, share=self.share)
        best = int(np.where(usable, scores, -np.inf).argmax())
        return Candidate(
            text=self.names[best],
            shown=self.concepts[:, best],
            chosen=float(scores[best]),
            cut=cut,
            tried=len(self.names),
            positives=int((self.concepts[:, best] > 0.5).sum()),
        )

    def scored(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return the score of a name on other images."""
        return float(score(unit[held_out], candidate.shown[held_out], self.kind, share=self.share, cut=candidate.cut))

    def p_value(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return the p-value that images with the name rank as others do, times the names tried; 1 where undefined."""
        shown = candidate.shown[held_out] > 0.5
        return mann_whitney_p(unit[held_out], shown, candidate.tried) if 0 < shown.sum() < len(shown) else 1.0


@dataclass(frozen=True, kw_only=True)
class FormulaSearch(ConceptSearch):
    """Names are formulas of concepts, found by their AUROC and scored as concepts are."""

    length: int
    least: float = 0.0
    """Share of images that a formula must hold for."""

    @cached_property
    def _literals(self) -> Literals:
        return Literals.of(self.concepts > 0.5, self.names)

    def best(self, unit: Unit, found_on: Images) -> Candidate:
        """Return the best name on some images."""
        own = unit[found_on]
        found = searched(mid_ranks(own), self._literals, found_on, length=self.length, least=self.least)[-1]
        shown = found.shown.astype(np.float64)
        cut = cut_of(own, self.share)
        chosen = float(score(own, shown[found_on], self.kind, share=self.share, cut=cut))
        positives = int(found.shown.sum())
        return Candidate(text=found.text, shown=shown, chosen=chosen, cut=cut, tried=found.tried, positives=positives)


@dataclass(frozen=True, kw_only=True)
class TextSearch(_TableSearch):
    """Names are texts, held against images by given similarities."""

    units: Float[np.ndarray, "n u"]
    """All units of the layer: what fits all of them names none."""
    similarities: Float[np.ndarray, "n m"]
    texts: tuple[str, ...]
    measure: Measure
    top: int
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def is_ranked(self) -> bool:
        """Whether only the order of a unit's values matters."""
        return self.measure != "cos_cubed"

    @property
    def _table(self) -> Float[np.ndarray, "n m"]:
        return self.similarities

    def scored(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return the score of a name on other images, less what fits all units there."""
        text = [self.texts.index(candidate.text)]
        if self.measure == "cos_cubed":
            return float(cubed_cosines(unit[held_out][:, None], self.similarities[held_out][:, text])[0, 0])
        fit = log_fit(unit[held_out], self._shares[held_out][:, text], self.measure, self.top)
        return float(fit[0] - self._prior(held_out, text[0]))

    def p_value(self, unit: Unit, held_out: Images, candidate: Candidate) -> float:
        """Return nan: images show a text to a degree, and there are no two groups to compare."""
        return float("nan")

    def _candidate(self, unit: Unit, found_on: Images, usable: Bool[np.ndarray, " m"]) -> Candidate | None:
        if not usable.any():
            return None
        if self.measure == "cos_cubed":
            scores = cubed_cosines(unit[found_on][:, None], self.similarities[found_on])[0]
        else:
            fit = log_fit(unit[found_on], self._shares[found_on], self.measure, self.top)
            scores = fit - self._priors(found_on)
        best = int(np.where(usable, scores, -np.inf).argmax())
        return Candidate(
            text=self.texts[best],
            shown=self.similarities[:, best],
            chosen=float(scores[best]),
            cut=0.0,
            tried=len(self.texts),
            positives=None,
        )

    @property
    def _shares(self) -> Float[np.ndarray, "n m"]:
        return self._kept("shares", lambda: text_shares(self.similarities, self.measure))

    def _priors(self, rows: Images) -> Float[np.ndarray, " m"]:
        """Return how well each text fits all units on some images."""

        def all_texts() -> Float[np.ndarray, " m"]:
            shares, units = self._shares[rows], self.units[rows]
            fits = [log_fit(units[:, k], shares, self.measure, self.top) for k in range(units.shape[1])]
            return PRIOR[self.measure] * log_mean(np.stack(fits))

        return self._kept(("priors", rows.tobytes()), all_texts)

    def _prior(self, rows: Images, text: int) -> float:
        """Return how well one text fits all units on some images."""

        def one_text() -> float:
            key = ("strongest", rows.tobytes())
            order = self._kept(key, lambda: np.argsort(-self.units[rows], axis=0, kind="stable")[: self.top])
            shares = self._shares[rows, text][order]
            return PRIOR[self.measure] * float(log_mean(fit_of(shares, self.measure)[:, None])[0])

        return self._kept(("prior", rows.tobytes(), text), one_text)

    def _kept(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def unrelated(concepts: Float[np.ndarray, "n k"], shown: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " k"]:
    """Return which concepts do not go with another over the images."""
    found: np.ndarray = score(shown, concepts, "pearson") <= RELATED
    return found
