"""Numbers of other implementations, run once on inputs that anyone can write down."""

import numpy as np
import pytest

from cnnviz_jax import similarity
from tests.similarity.formulas import X, Y, s


def test_cka_in_all_its_forms():
    found = [similarity.cka(X, Y, form) for form in ("biased", "debiased")]
    found += [similarity.cka(X, Y, "minibatch", minibatch=size) for size in (4, 6)]
    np.testing.assert_allclose(found, [0.35857753, 0.21908176, 0.49707552, 0.50478149], rtol=1e-6)
    np.testing.assert_allclose(similarity.hsic1(X, Y), 0.34916798, rtol=1e-6)


def test_svcca_keeps_what_holds_99_percent():
    found = similarity.svcca(X, Y)
    assert found.kept == (4, 3)
    np.testing.assert_allclose(found.correlations, [1, 0.99937586, 0.3347437], rtol=1e-6)
    np.testing.assert_allclose(found.mean, 0.77803985, rtol=1e-6)


def test_rsa_by_three_correlations():
    found = [similarity.rsa(X, Y, kind) for kind in ("spearman", "pearson", "kendall_b")]
    np.testing.assert_allclose(found, [0.46055735, 0.54508716, 0.29417249], rtol=1e-6)


def test_procrustes_in_three_spellings():
    found = [similarity.procrustes(X, Y, kind) for kind in ("squared", "angular", "disparity")]
    np.testing.assert_allclose(found, [0.90034559, 0.98863897, 0.69769004], rtol=1e-6)


def test_units_are_matched_one_to_one_and_by_their_best():
    found = similarity.match_units(X, Y)
    np.testing.assert_allclose(found.correlation[0], [-0.30513673, -0.5284116, 0.066260255], rtol=1e-6)
    assert found.pairs.tolist() == [[1, 0], [2, 2], [3, 1]]
    np.testing.assert_allclose(found.mean, 0.37401082, rtol=1e-6)
    assert found.best_of_x.tolist() == [2, 1, 2, 1]
    assert found.best_of_y.tolist() == [1, 1, 2]
    unsigned = similarity.match_units(X, Y, absolute=True)
    assert unsigned.pairs.tolist() == [[0, 1], [1, 0], [2, 2]]
    np.testing.assert_allclose(unsigned.mean, 0.57948238, rtol=1e-6)


def test_predictions_that_differ():
    old = 2 * s(8, 3, 0.8, 1.9, 0.5, 0)
    new = old + 1.5 * s(8, 3, 2.1, 0.7, 0.3, 0.2)
    labels = np.arange(8) % 3
    js = similarity.divergence(old, new)
    expected = [0.0082185478, 0.030819113, 0.12513126, 0.031551332, 0.14626696, 0.0087742032, 0.071366647, 0.053300092]
    np.testing.assert_allclose(js, expected, rtol=1e-6)
    assert similarity.most_changed(js).tolist() == [4, 2, 6, 7, 3, 1, 5, 0]
    np.testing.assert_allclose(similarity.divergence(old, new, "total_variation").max(), 0.51526734, rtol=1e-6)
    np.testing.assert_allclose(similarity.divergence(old, new, "kl").mean(), 0.27295883, rtol=1e-6)
    assert similarity.churn(old, new) == 0.375
    found = similarity.flips(old, new, labels)
    assert found.accuracy == (0.25, 0.25)
    assert found.negative == 0.125
    np.testing.assert_allclose(found.relative_negative, 0.66666667, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda w: similarity.quantised(w), [0.0031570169, 50.014462, 0.99999524]),
        (lambda w: similarity.quantised(w, 7), [0.043925683, 27.14563, 0.9991056]),
        (lambda w: similarity.pruned(w, 0.5), [0.45171794, 6.9026532, 0.89216081]),
    ],
    ids=["int8", "int4", "pruned"],
)
def test_a_changed_network(changed, expected):
    w = np.sin(np.arange(1, 13))
    found = similarity.change(w, changed(w))
    np.testing.assert_allclose([found.relative_error, found.sqnr_db, found.cosine], expected, rtol=1e-6)


def test_concepts_predicted_by_a_lasso():
    concepts = np.maximum(Y, 0)
    found = similarity.predicted_concepts(X, concepts, folds=4)
    np.testing.assert_allclose(found, [0.059477176, 0.073658347, -0.42366375], rtol=1e-5)
    ceiling = similarity.predicted_concepts(Y, concepts, folds=4)
    np.testing.assert_allclose(ceiling, [0.80719792, 0.88329631, 0.61746251], rtol=1e-5)


def test_drift_over_checkpoints():
    checkpoints = [np.cos(0.4 * t) * X + np.sin(0.4 * t) * s(12, 4, 1.4, 0.6, 0.5, 0.3) for t in range(4)]
    found = similarity.drift(checkpoints, form="biased")
    np.testing.assert_allclose(found.to_last, [0.48471485, 0.74322846, 0.92726849, 1], rtol=1e-6)
    np.testing.assert_allclose(found.to_next, [0.88911098, 0.91572216, 0.92726849], rtol=1e-6)
    np.testing.assert_allclose(found.same_unit, [0.92524927, 0.92432059, 0.92448266], rtol=1e-6)
