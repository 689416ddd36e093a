"""Numbers of other implementations, run once on inputs that anyone can write down."""

import numpy as np
import pytest

from cnnviz_jax import naming
from tests.similarity.formulas import s

I = np.arange(12)  # noqa: E741
CONCEPTS = np.stack([I % 2 == 0, I % 3 == 0, (I // 4) % 2 == 1], 1)


def test_formulas_found_by_their_auroc():
    unit = np.round(np.sin(1.3 * I), 1)
    np.testing.assert_allclose(naming.score(unit, CONCEPTS, "auroc"), [0.43055556, 0.390625, 0.46875], rtol=1e-6)
    found = naming.best_formulas(unit, CONCEPTS, "pqr")
    np.testing.assert_allclose([each.auroc for each in found], [0.56944444, 0.90909091, 0.95], rtol=1e-6)
    p, q, r = CONCEPTS.T
    for each, expected in zip(found, [~p, r & q, ~p & ~q & ~r], strict=True):
        np.testing.assert_array_equal(each.shown, expected)
    np.testing.assert_allclose(naming.mann_whitney_p(unit, p), 0.74662481, rtol=1e-6)
    np.testing.assert_allclose(naming.mann_whitney_p(unit, p, tried=2), 1)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pearson", -0.21987329),
        ("cosine", 0.065952756),
        ("f1", 0.28571429),
        ("iou", 0.16666667),
        ("auprc", 0.49583333),
        ("auroc", 0.4375),
        ("mean_difference", -0.32641857),
    ],
)
def test_scores_of_a_unit_and_a_concept(kind, expected):
    unit = np.sin(1.3 * I) + 0.2
    np.testing.assert_allclose(naming.score(unit, CONCEPTS[:, 1], kind, share=0.25), expected, rtol=1e-6)
    np.testing.assert_allclose(naming.cut_of(unit, 0.25), 1.1635582, rtol=1e-6)


def test_which_scores_notice_missing_and_extra_labels():
    unit = np.arange(1000) < 10
    missing, extra = np.arange(1000) < 5, np.arange(1000) < 20
    for labels, expected in (
        (missing, [0.70532789, 0.70710678, 0.66666667, 0.5, 0.505, 0.75, 0.995]),
        (extra, [0.70352647, 0.70710678, 0.66666667, 0.5, 0.5, 0.99494949, 0.99]),
    ):
        fired = unit.astype(float)
        plain = [naming.score(fired, labels, kind, share=0.01) for kind in ("pearson", "cosine", "f1", "iou")]
        turned = [naming.score(labels.astype(float), unit, kind) for kind in ("auprc", "auroc")]
        accuracy = naming.score(fired, labels, "accuracy", share=0.01)
        np.testing.assert_allclose([*plain, *turned, accuracy], expected, rtol=1e-6)


def test_texts_by_three_measures():
    similarities, units = 0.25 * s(12, 4, 0.7, 1.9, 0.4, 0), s(12, 3, 1.1, 0.8, 0.6, 0)
    found = naming.text_scores(units, similarities, top=4)
    np.testing.assert_allclose(found[0], [-1.0636998, -4.2120741, 0.43062648, 0.25455393], rtol=5e-6)
    assert found.argmax(1).tolist() == [2, 1, 0]
    wpmi = naming.text_scores(units, similarities, "wpmi", top=4)
    np.testing.assert_allclose(wpmi[0], [-2.4335239, -3.1360663, -2.1539078, -1.7623656], rtol=5e-6)
    cubed = naming.text_scores(units, similarities, "cos_cubed")
    np.testing.assert_allclose(cubed[0], [-0.32272714, -0.21579857, 0.2470206, 0.13243981], rtol=5e-6)
