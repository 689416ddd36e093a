"""Maps without their high frequencies."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain import small_network as small


def test_known_row_and_sum():
    """xplique's formula on |sin k|, 8 x 8, sigma 2: 13 frequencies are left."""
    low = cv.forgrad(np.abs(np.sin(np.arange(64))).reshape(8, 8), sigma=2)
    row = [0.5207469, 0.6123502, 0.6547637, 0.628531, 0.6324918, 0.6589369, 0.6089022, 0.5170865]
    np.testing.assert_allclose(low[0], row, atol=2e-7)
    np.testing.assert_allclose(low.sum(), 40.2360352, rtol=1e-7)


@pytest.mark.parametrize("size", [(7, 10), (8, 5), (1, 6)])
def test_a_slow_sum_of_waves_of_any_size(size):
    values = np.random.default_rng(3).normal(size=size)
    height, width = size
    waves = np.zeros(size, complex)
    for v in range(-(height // 2), (height + 1) // 2):
        for u in range(-(width // 2), (width + 1) // 2):
            if np.hypot(v, u) <= 2:
                wave = np.exp(2j * np.pi * (v * np.arange(height)[:, None] / height + u * np.arange(width) / width))
                waves += (np.abs(values) * wave.conj()).mean() * wave
    np.testing.assert_allclose(cv.forgrad(values, sigma=2), np.abs(waves.real), atol=1e-12)


def test_all_frequencies_leave_a_map_and_none_its_mean():
    values = np.random.default_rng(3).normal(size=(2, 7, 6, 3))
    plain = np.abs(values.mean(-1))
    np.testing.assert_allclose(cv.forgrad(values, sigma=99), plain, atol=1e-12)
    np.testing.assert_allclose(
        cv.forgrad(values, sigma=0), np.broadcast_to(plain.mean((1, 2))[:, None, None], (2, 7, 6))
    )


def test_a_result_keeps_all_but_its_maps_and_says_so():
    result = cv.explain("saliency", small.model(), small.some_images(2), 1)
    low = cv.forgrad(result, sigma=3)
    np.testing.assert_allclose(low.values, cv.forgrad(np.asarray(result.values), 3), rtol=1e-6)
    assert low.view == "heatmap"
    assert dict(low.provenance.notes)["forgrad"] == 3.0
    np.testing.assert_array_equal(low.scores, result.scores)
    with pytest.raises(UsageError, match="does not say how it was called"):
        cv.rerun(low.provenance, small.model(), small.some_images(2))
    assert cv.measure("sparseness", small.model(), None, low).values.shape == (2,)


def test_says_what_is_wrong():
    with pytest.raises(
        UsageError, match=r"maps are \(h, w\), \(n, h, w\) or \(n, h, w, c\), got an array of shape \(4,\)"
    ):
        cv.forgrad(np.zeros(4))
    with pytest.raises(UsageError, match="sigma is a number of cycles from 0 on, got -1"):
        cv.forgrad(np.zeros((4, 4)), sigma=-1)
