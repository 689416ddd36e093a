"""The map of a layer's units: two components, by Lanczos' method where units are many."""

import numpy as np

from cnnviz_jax.site import layer_pages
from cnnviz_jax.site.layer_pages import unit_map


def correlations(units):
    random = np.random.default_rng(0)
    answers = random.normal(size=(200, 3)) * (5, 3, 1) @ random.normal(size=(3, units))
    return np.corrcoef(answers + random.normal(size=(200, units)), rowvar=False)


def test_the_map_of_many_units_is_that_of_the_whole_decomposition(monkeypatch):
    alike = correlations(320)
    by_two = unit_map(alike)
    monkeypatch.setattr(layer_pages, "_SMALL", 320)
    np.testing.assert_allclose(by_two, unit_map(alike), atol=1e-8)
    assert (by_two[np.abs(by_two).argmax(0), [0, 1]] > 0).all()


def test_units_that_have_nothing_in_common_lie_somewhere_and_always_there():
    np.testing.assert_array_equal(unit_map(np.eye(320)), unit_map(np.eye(320)))
