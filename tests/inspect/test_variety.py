"""The variety report: exactly the planted twins and zeros are named, the rest is called distinct."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_plugins.inspect.variety import effective_rank, variety
from tests.explain.small_network import model
from tests.survey import planted_network


def test_ten_planted_twins_and_five_dead_filters_are_exactly_those_named():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 5, 3, 64)).astype(np.float32)
    for unit in range(10):
        kernel[..., 30 + unit] = (-2.0 if unit % 2 else 0.5) * kernel[
            ..., unit
        ]  # size and sign do not tell twins apart
    dead = (50, 51, 52, 60, 63)
    kernel[..., list(dead)] = 0
    found = variety("conv", kernel, 0.95)
    assert found.twins == tuple((unit, unit + 30) for unit in range(10))
    assert found.dead == dead
    assert found.distinct == 49
    assert found.verdict.startswith("49 of 64 filters distinct; twins 0 = 30, 1 = 31")
    assert "and 4 groups more; zero: 50, 51, 52, 60, 63;" in found.verdict


def test_a_planted_network_is_read_from_its_own_weights():
    found = cv.inspect("filter-variety", planted_network.model(), layer="conv")
    (one,) = found.layers
    assert one.twins == planted_network.TWINS
    assert set(one.dead) == {*planted_network.DEAD, 25}


def test_the_cosine_is_that_of_a_slow_loop():
    kernel = np.random.default_rng(1).normal(size=(2, 2, 1, 3)).astype(np.float32)
    found = variety("conv", kernel, 0.95).cosine
    for i in range(3):
        for j in range(3):
            a, b = kernel[..., i].ravel(), kernel[..., j].ravel()
            np.testing.assert_allclose(found[i, j], abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b), rtol=1e-5)


def test_effective_rank_counts_equal_directions_and_ignores_repeats():
    np.testing.assert_allclose(effective_rank(np.eye(7)), 7)
    np.testing.assert_allclose(effective_rank(np.repeat(np.eye(3), 4, axis=0)), 3)
    np.testing.assert_allclose(effective_rank(np.ones((5, 2))), 1)
    assert effective_rank(np.zeros((4, 4))) == 0


def test_every_layer_with_a_kernel_has_a_row():
    found = cv.inspect("filter-variety", model())
    assert [one.layer for one in found.layers] == ["conv1", "conv2", "head"]


def test_refusals():
    pool = next(name for name, layer in model().layers.items() if layer.kind == "max_pool")
    with pytest.raises(LayerKindError, match=f"layer '{pool}' of small is a max_pool and has no kernel"):
        cv.inspect("filter-variety", model(), layer=pool)
    with pytest.raises(UsageError, match="twins_at lies above 0 and up to 1, got 0"):
        cv.inspect("filter-variety", model(), twins_at=0.0)


def test_the_figure_is_written_and_stands_on_the_report_page(tmp_path):
    found = cv.inspect("filter-variety", model())
    assert cv.render(found, tmp_path / "variety.png", dpi=40).stat().st_size > 1000
    report = cv.Report(
        title="weights",
        model={},
        layers=(),
        names=(),
        images=np.zeros((0, 12, 10, 3), np.float32),
        predictions=(),
        attributions={},
        inspections={"filter-variety": found},
        syntheses={},
        summaries={},
        refused={},
        elapsed_s={},
        versions=(),
    )
    page = cv.render(report, tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<a href="#figures">' in page
    assert 'alt="filter-variety"' in page
