"""Scores by slow loops, formulas by brute force, and verdicts on units that are planted or drawn at random."""

import itertools

import numpy as np
import pytest

from cnnviz_jax import naming
from cnnviz_jax.errors import UsageError
from cnnviz_jax.naming.scores import KINDS, mid_ranks
from cnnviz_jax.naming.searches import ConceptSearch, FormulaSearch, TextSearch
from cnnviz_jax.naming.verdicts import halves_of, verdicts

RNG = np.random.default_rng(0)
UNIT = np.round(RNG.normal(size=40), 1)  # with ties
SHOWN = RNG.random((40, 5)) < 0.3


def slow_auprc(values, shown):
    area, recall = 0.0, 0.0
    for cut in sorted(set(values), reverse=True):
        above = values >= cut
        hits = (above & shown).sum()
        area += (hits / shown.sum() - recall) * hits / above.sum()
        recall = hits / shown.sum()
    return area


def slow_auroc(values, shown):
    pairs = [(a > b) + (a == b) / 2 for a in values[shown] for b in values[~shown]]
    return np.mean(pairs)


def test_auprc_and_auroc_are_those_of_slow_loops_ties_too():
    for k in range(5):
        np.testing.assert_allclose(naming.score(UNIT, SHOWN[:, k]), slow_auprc(UNIT, SHOWN[:, k]))
        np.testing.assert_allclose(naming.score(UNIT, SHOWN[:, k], "auroc"), slow_auroc(UNIT, SHOWN[:, k]))
    np.testing.assert_allclose(mid_ranks(np.array([3.0, 1, 3, 2])), [3.5, 1, 3.5, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_many_concepts_are_those_of_each(kind):
    together = naming.score(UNIT, SHOWN, kind)
    np.testing.assert_allclose(together, [naming.score(UNIT, SHOWN[:, k], kind) for k in range(5)])
    nothing = naming.score(np.zeros(40), np.zeros((40, 1)), kind, cut=1.0)[0]
    assert nothing == {"auroc": 0.5, "accuracy": 1}.get(kind, 0)


def test_a_cut_of_other_images_is_kept():
    found = naming.score(UNIT, SHOWN[:, 0], "iou", cut=0.5)
    active = UNIT >= 0.5
    assert found == (active & SHOWN[:, 0]).sum() / (active | SHOWN[:, 0]).sum()


def test_sound_scores_notice_both_faults_and_auroc_and_accuracy_miss_one():
    rare = RNG.random((2000, 3)) < 0.01
    for kind in naming.SOUND:
        assert min(naming.falls(rare, kind)) > 0.05, kind
    assert naming.falls(rare, "auroc")[0] < 0.01
    assert max(naming.falls(rare, "accuracy")) < 0.02
    assert np.isnan(naming.falls(np.ones((9, 1), bool), "iou")).all()


def test_the_beam_finds_what_all_pairs_would():
    names = "abcde"
    found = naming.best_formulas(UNIT, SHOWN, names, length=2, beam=100, most=0.5)
    literals = {name: SHOWN[:, k] for k, name in enumerate(names)} | {
        f"~{n}": ~SHOWN[:, k] for k, n in enumerate(names)
    }
    best = 0.0
    for one, other in itertools.product(literals.values(), repeat=2):
        if one.mean() > 0.5:
            continue
        for joined in (one & other, one | other):
            if 0 < joined.mean() <= 0.5:
                best = max(best, slow_auroc(UNIT, joined))
    np.testing.assert_allclose(found[1].auroc, best)
    assert found[1].auroc >= found[0].auroc
    assert found[1].tried > found[0].tried


def test_formulas_of_the_same_images_are_one_the_shortest():
    twice = np.stack([SHOWN[:, 0], SHOWN[:, 0], SHOWN[:, 1]], 1)
    unit = SHOWN[:, 0] + 0.0
    found = naming.best_formulas(unit, twice, ["second", "first", "other"])
    assert [each.text for each in found] == ["first"] * 3
    assert [each.length for each in found] == [1, 1, 1]
    with pytest.raises(UsageError, match="no concept is shown by more than 90% and at most 95%"):
        naming.best_formulas(unit, twice, ["a", "b", "c"], least=0.9, most=0.95)


def test_halves_depend_on_the_image_and_fit_no_order_of_classes():
    first, second = halves_of(np.arange(1000))
    assert sorted([*first, *second]) == list(range(1000))
    assert 450 < len(first) < 550
    for period in (2, 4, 10, 16):
        of_class = np.bincount(first % period, minlength=period) / (1000 / period)
        assert of_class.min() > 0.3, period
    assert halves_of(np.arange(500, 600))[0].tolist() == (first[(first >= 500) & (first < 600)] - 500).tolist()


def concepts(n, k=6):
    return (np.random.default_rng(3).random((n, k)) < 0.25).astype(np.float64)


def test_random_units_are_refused_and_planted_ones_are_named():
    n = 240
    table = concepts(n)
    search = ConceptSearch(concepts=table, names=tuple("abcdef"), kind="auprc")
    noise = np.random.default_rng(4).normal(size=(n, 100))
    judged = verdicts(noise, search, halves_of(np.arange(n)), draws=5)
    assert sum(each.name == "" for each in judged) >= 95
    planted = table * np.random.default_rng(5).uniform(0.2, 1, (n, 6)) + 0.05 * noise[:, :6]
    named = verdicts(planted, search, halves_of(np.arange(n)))
    assert [each.name for each in named] == list("abcdef")
    assert all(each.score > each.threshold and each.interval[0] <= each.score <= each.interval[1] for each in named)
    assert all(each.p_value < 1e-6 for each in named)


def test_a_name_from_too_few_images_is_refused_and_a_silent_unit_has_none():
    table = concepts(100)
    table[:, 2] = np.arange(100) % 10 == 0
    search = ConceptSearch(concepts=table, names=tuple("abcdef"), kind="iou", share=0.1)
    units = np.stack([table[:, 2] + 0.01 * RNG.random(100), np.ones(100)], 1)
    rare, silent = verdicts(units, search, halves_of(np.arange(100)), draws=20)
    assert (rare.status, rare.best.text, rare.positives) == ("rare", "c", 10)
    assert silent.status == "silent"
    assert verdicts(units[:, :1], search, halves_of(np.arange(100)), draws=20, least=10)[0].name == "c"


def test_two_concepts_that_score_alike_are_both_given():
    n = 200
    table = np.zeros((n, 3))
    table[:80, 0] = table[40:120, 1] = 1  # unrelated enough
    table[:, 2] = concepts(n, 1)[:, 0]
    unit = table[:, 0] + table[:, 1] + 0.1 * np.random.default_rng(1).random(n)
    order = np.random.default_rng(2).permutation(n)
    search = ConceptSearch(concepts=table[order], names=("left", "right", "other"), kind="auprc")
    (found,) = verdicts(unit[order][:, None], search, halves_of(np.arange(n)))
    assert found.status == "two names"
    assert set(found.name.split(" or ")) == {"left", "right"}


def test_formulas_and_texts_are_verified_as_concepts_are():
    n = 240
    table = concepts(n)
    both = ((table[:, 0] > 0) | (table[:, 1] > 0)) + 0.1 * RNG.random(n)
    noise = np.random.default_rng(6).normal(size=n)
    search = FormulaSearch(concepts=table, names=tuple("abcdef"), kind="auprc", length=2, least=20 / n)
    planted, random = verdicts(np.stack([both, noise], 1), search, halves_of(np.arange(n)), permutations=40, draws=20)
    assert planted.best.text in ("(a | b)", "(b | a)")
    assert planted.status == "named"
    assert random.status == "chance"

    directions = np.random.default_rng(7).normal(size=(30, 16))
    images = table @ directions[:6] + 0.3 * np.random.default_rng(8).normal(size=(n, 16))
    units = np.concatenate([table + 0.05 * RNG.random((n, 6)), noise[:, None]], 1)
    words = tuple(f"word {k}" for k in range(30))
    for measure in ("soft_wpmi", "wpmi", "cos_cubed"):
        texts = TextSearch(
            units=units, similarities=naming.cosines(images, directions), texts=words, measure=measure, top=20
        )
        judged = verdicts(units, texts, halves_of(np.arange(n)), permutations=40, draws=20)
        right = [each.best.text for each in judged[:6]] == list(words[:6])
        assert right or measure == "wpmi", measure
        assert judged[6].name == "", measure


def test_what_cannot_be_scored_is_refused_in_a_sentence():
    refusals = [
        (lambda: naming.score(UNIT[:3], SHOWN), "a unit has one number for each image"),
        (lambda: naming.score(UNIT, SHOWN, "r2"), "score is one of auprc, pearson"),
        (lambda: naming.cut_of(UNIT, 0), "share lies above 0 and at most 1, got 0"),
        (lambda: naming.best_formulas(UNIT, SHOWN, "ab"), r"concepts are \(n, k\) with k names, got \(40, 5\) with 2"),
        (lambda: naming.mann_whitney_p(UNIT, np.ones(40, bool)), "images with the concept and images without it"),
        (lambda: naming.cosines(np.ones((3, 2)), np.ones((4, 3))), r"embeddings are \(n, d\) and \(m, d\)"),
        (lambda: naming.cosines(np.zeros((3, 2)), np.ones((4, 2))), "an embedding is zero"),
        (lambda: naming.text_scores(np.ones((3, 2)), np.ones((4, 2))), r"units are \(n, u\) and similarities \(n, m\)"),
        (lambda: naming.text_scores(np.ones((4, 2)), np.ones((4, 2)), "dot"), 'measure is "soft_wpmi", "wpmi" or'),
    ]
    for call, text in refusals:
        with pytest.raises(UsageError, match=text):
            call()
