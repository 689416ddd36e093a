"""Expanded weights: the kernels between two layers, through pools, norms and activations, as one kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from tests.similarity.formulas import s

FIRST = s(9, 6, 0.5, 1.1, 0.3, 0).reshape(3, 3, 2, 3).astype(np.float32)
SECOND = s(9, 3, 0.7, 0.9, 0.2, 0).reshape(3, 3, 3, 1).astype(np.float32)


def conv(x, kernel, name, padding="VALID"):
    with jax.named_scope(name):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def two(params, x):
    x = jax.nn.relu(conv(x, params["first"], "first") + params["bias"])
    return conv(pool(x), params["second"], "second") - 0.1


def model(size):
    params = {"first": FIRST, "second": SECOND, "bias": np.float32(0.3)}
    return cv.adapt(two, params, input_shape=(size, size, 2), name="two")


@pytest.mark.parametrize("size", [8, 11])
def test_published_numbers_at_any_size_of_the_input(size):
    (found,) = cv.expanded_weights(model(size), "second", "input")
    assert found.shape == (8, 8, 2)
    told = [found.sum(), (found**2).sum(), *found[0, 0], *found[3, 4], np.abs(found).max()]
    wanted = [-0.46912351, 22.918443, 0.37136475, -0.35812607, 0.12291706, -0.33599317, 1.1427167]
    np.testing.assert_allclose(told, wanted, rtol=2e-5)
    assert np.unravel_index(np.abs(found).argmax(), found.shape) == (6, 6, 1)


def test_a_pool_spreads_a_kernel_over_its_windows():
    (found,) = cv.expanded_weights(model(8), "second", "first")
    np.testing.assert_allclose(found, np.repeat(np.repeat(SECOND[..., 0], 2, 0), 2, 1) / 4, rtol=1e-6)


def padded(params, x):
    x = jax.nn.relu(conv(x, params["a"], "a", "SAME"))
    return jax.nn.relu(conv(conv(x, params["b"], "b", "SAME"), params["c"], "c", "SAME") + x)


@pytest.fixture(scope="module")
def residual():
    random = np.random.default_rng(0)
    params = {name: random.normal(size=(3, 3, 2, 2)).astype(np.float32) for name in "abc"}
    return cv.adapt(padded, params, input_shape=(6, 6, 2), name="residual")


def test_a_linear_programs_expanded_weights_are_its_derivative(residual):
    found = cv.expanded_weights(residual, "c", "a", [1])[0]  # the padded maps of 6 x 6 have units away from borders
    assert found.shape == (5, 5, 2)
    derivative = jax.jacobian(
        lambda value: conv(conv(value[None], residual.params["b"], "b"), residual.params["c"], "c")[0, 0, 0, 1]
    )(jnp.zeros((5, 5, 2)))
    np.testing.assert_allclose(found, derivative, rtol=1e-5, atol=1e-5)


def test_what_is_added_as_it_is_counts(residual):
    own, last = (name for name in residual.layers if residual.layers[name].kind == "relu")
    found = cv.expanded_weights(residual, last, own)
    assert found.shape == (2, 5, 5, 2)
    plain = cv.expanded_weights(residual, "c", own)
    difference = np.zeros((2, 5, 5, 2))
    difference[[0, 1], 2, 2, [0, 1]] = 1
    np.testing.assert_allclose(found - plain, difference, atol=1e-5)


def test_a_unit_that_rarely_fires_passes_less():
    relu = next(name for name, layer in model(8).layers.items() if layer.kind == "relu")
    rates = np.array([0.5, 0, 1], np.float32)
    found = cv.expanded_weights(model(8), "second", "first", rates={relu: rates})
    np.testing.assert_allclose(found, cv.expanded_weights(model(8), "second", "first") * rates, rtol=1e-6)


def headed(params, x):
    x = jax.nn.relu(conv(x, params["a"], "a"))
    with jax.named_scope("head"):
        return x.mean((1, 2)) @ params["head"]


def test_a_dense_layer_reads_the_whole_map():
    params = {"a": FIRST, "head": s(3, 4, 0.3, 0.7, 0.9, 0).astype(np.float32)}
    made = cv.adapt(headed, params, input_shape=(6, 5, 2), name="headed")
    found = cv.expanded_weights(made, "head", "a", [2])
    np.testing.assert_allclose(found, np.broadcast_to(params["head"][:, 2] / 12, (1, 4, 3, 3)), rtol=1e-5)


def gated(params, x):
    x = conv(x, params["a"], "a", "SAME")
    return conv(x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True)), params["b"], "b", "SAME")


def test_what_is_not_linear_and_what_does_not_exist_is_refused(residual):
    made = cv.adapt(gated, residual.params, input_shape=(9, 9, 2), name="gated")
    with pytest.raises(LayerKindError, match=r"units of 'b' see the whole image|is not linear"):
        cv.expanded_weights(made, "b", "a")
    with pytest.raises(UsageError, match="layer 'c' has units 0 to 1, got 2"):
        cv.expanded_weights(residual, "c", "a", [2])
    with pytest.raises(UsageError, match="nothing leads between 'c' and 'b'"):
        cv.expanded_weights(residual, "b", "c")
