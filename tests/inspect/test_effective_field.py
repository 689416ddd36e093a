"""The effective receptive field: the closed form of uniform kernels, and what random networks must obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model


def stacked(count, size):
    """`count` uniform 3 x 3 convolutions without anything between them."""

    def forward(params, x):
        for i in range(count):
            with jax.named_scope(f"conv{i}"):
                x = jax.lax.conv_general_dilated(
                    x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
        return x

    return cv.adapt(forward, {"kernel": jnp.ones((3, 3, 1, 1)) / 9}, input_shape=(size, size, 1), name="stacked")


@pytest.mark.parametrize(("count", "field", "sigma"), [(10, 21, 2.5820), (40, 81, 5.1640)])
def test_uniform_kernels_follow_the_closed_form(count, field, sigma):
    """Luo et al. 2016: the variance along an axis is n (k^2 - 1) / 12."""
    found = cv.inspect("effective-receptive-field", stacked(count, 91), layer=f"conv{count - 1}", samples=1)
    assert found.box[2] - found.box[0] + 1 == field
    np.testing.assert_allclose(found.sigma, sigma, rtol=0.02)
    np.testing.assert_allclose(found.centre, found.unit, atol=1e-3)


def test_nothing_outside_the_box_moves_the_unit():
    found = cv.inspect("effective-receptive-field", model(24, 20), layer="conv2", samples=4)
    top, left, bottom, right = found.box
    inside = found.sensitivity[top : bottom + 1, left : right + 1]
    assert inside.any()
    np.testing.assert_allclose(inside.sum(), found.sensitivity.sum(), rtol=1e-6)
    assert 0 < found.share <= 1


def test_the_seed_decides_the_numbers_and_one_program_serves_all_samples():
    first = cv.inspect("effective-receptive-field", model(), layer="conv2", samples=3)
    before = compilations()
    again = cv.inspect("effective-receptive-field", model(), layer="conv2", samples=3)
    other = cv.inspect("effective-receptive-field", model(), layer="conv2", samples=3, seed=1)
    assert compilations() == before
    np.testing.assert_array_equal(first.sensitivity, again.sensitivity)
    assert not np.array_equal(first.sensitivity, other.sensitivity)


def test_a_unit_that_nothing_moves_is_said_and_gives_no_nan():
    network = model()
    still = network.with_params(jax.tree.map(jnp.zeros_like, network.params))
    found = cv.inspect("effective-receptive-field", still, layer="conv2", samples=1)
    assert found.sigma == (0.0, 0.0)
    assert found.share == 0
    assert np.isfinite(found.centre).all()
    assert "nothing moves unit" in found.warnings[-1]


def test_no_samples_are_refused():
    with pytest.raises(UsageError, match="samples is at least 1, got 0"):
        cv.inspect("effective-receptive-field", model(), samples=0)


def test_a_figure_is_written(tmp_path):
    found = cv.inspect("effective-receptive-field", model(), layer="conv2", samples=1)
    assert cv.render(found, tmp_path / "field.png", dpi=40).stat().st_size > 1000
    assert cv.render(found, tmp_path / "field.npz").exists()
