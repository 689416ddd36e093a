"""Path similarity: 1 for images that go a unit's own way, 0 for those of others."""

import numpy as np
import pytest

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity import path_similarity
from tests.similarity.formulas import s

_PLACE = np.arange(10)
_BASE = np.sin(1.1 * _PLACE)
SYNTHETIC = (_BASE + 1.2 * np.sin(0.5 * _PLACE + 1))[None]
NATURAL = _BASE + 0.5 * s(3, 10, 1.6, 2.1, 0.35, 0)
OTHERS = s(4, 10, 1.7, 0.8, 0.9, 0)


def test_published_numbers():
    found = path_similarity(SYNTHETIC, NATURAL, OTHERS)
    told = [found.similarity, found.same, found.other, found.normalised]
    np.testing.assert_allclose(told, [0.6040404, 0.7050505, 0.095959596, 0.83416252], rtol=1e-6)


def test_maps_are_read_flat_and_only_ranks_count():
    maps = [np.exp(each).reshape(len(each), 5, 2, 1) for each in (SYNTHETIC, NATURAL, OTHERS)]
    assert path_similarity(*maps) == path_similarity(SYNTHETIC, NATURAL, OTHERS)


def test_a_layer_that_does_not_tell_apart_has_no_number_but_a_reason():
    found = path_similarity(SYNTHETIC, OTHERS, OTHERS)
    assert np.isnan(found.normalised)
    assert found.reason.startswith("images of the unit are no more alike here")


def test_too_few_images_and_other_sizes_are_refused():
    with pytest.raises(UsageError, match=r"two natural ones .* are needed at least, got 1, 1, 4"):
        path_similarity(SYNTHETIC, NATURAL[:1], OTHERS)
    with pytest.raises(UsageError, match="of different sizes"):
        path_similarity(SYNTHETIC[:, :5], NATURAL, OTHERS)
