"""A status tells what was tried: reached, not reached in these steps, or at rest where nothing fires the unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_plugins.renderers.figures.synthesis import synthesis_figure
from cnnviz_plugins.renderers.options import SynthesisOptions
from cnnviz_plugins.synthesize.ascent import _at_rest
from tests.renderers import factories

ASCENT = {"parametrization": "pixel('zero', 0, 0.5)", "transforms": "none", "optimizer": "adam(0.02)", "key": 0}


def convolved(x, kernel, bias):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias


def hill(params, x):
    """One unit on the grey level: it rises to -0.1 at 0.6, rests until 0.9, and fires only above."""
    with jax.named_scope("conv1"):
        x = convolved(x, *params["conv1"])
    x = jax.nn.relu(x)
    with jax.named_scope("conv2"):
        return convolved(x, *params["conv2"])


def network(second):
    """conv1 gives grey - 0.9 and 0.6 - grey; conv2 weighs what the ReLU leaves of them."""
    first = jnp.asarray([1.0, -1.0], jnp.float32) * jnp.ones((1, 1, 1, 2), jnp.float32)
    weights = jnp.asarray(second, jnp.float32).reshape(1, 1, 2, 1)
    params = {
        "conv1": (first, jnp.asarray([-0.9, 0.6], jnp.float32)),
        "conv2": (weights, jnp.asarray([-0.1], jnp.float32)),
    }
    return cv.adapt(hill, params, input_shape=(8, 8, 1), name="hill")


def ascend(net, **options):
    return cv.synthesize("activation-maximization", net, layer="conv2", **{**ASCENT, "channels": [0], **options})


@pytest.fixture(scope="module")
def hidden():
    """A unit that white fires, and that gradient ascent from mid-grey does not reach: all is flat in between."""
    return network((10.0, -1.0))


def test_where_the_ascent_came_to_rest_below_zero_the_unit_is_dead():
    made = ascend(network((-1.0, -1.0)), steps=40)
    assert made.activation[0] == pytest.approx(-0.1, abs=1e-4)
    assert made.status == ("dead",)


def test_a_unit_that_still_rose_was_not_reached_in_these_steps(hidden):
    made = ascend(hidden, steps=3)
    assert made.status == ("not_reached",)
    assert "not above 0 in 3 steps: conv2 channel 0; more steps may do" in made.warnings


def test_what_fires_on_an_example_image_is_not_dead(hidden):
    grey, white = np.full((1, 8, 8, 1), 0.5, np.float32), np.ones((1, 8, 8, 1), np.float32)
    assert ascend(hidden, steps=40).status == ("dead",)
    assert ascend(hidden, steps=40, exemplars=grey).status == ("dead",)
    made = ascend(hidden, steps=40, exemplars=white)
    assert made.extras["exemplar_maximum"][0] == pytest.approx(0.9, abs=1e-4)
    assert made.status == ("not_reached",)


def test_the_peak_is_the_highest_value_of_the_unit_anywhere_in_the_image(hidden):
    white = np.ones((8, 8, 1), np.float32)
    made = ascend(hidden, steps=2, images=white)
    assert made.status == ("ok",)
    values = cv.capture(hidden, made.raw, ["conv2"])["conv2"]
    np.testing.assert_allclose(made.extras["peak"], values[..., 0].max((1, 2)), rtol=1e-5)


def test_an_ascent_is_at_rest_when_its_last_quarter_spans_little_of_what_it_gained():
    steps = np.arange(40) / 39
    rising, rested = 5 * steps - 9, -9 + 5 * np.minimum(1, 2 * steps)
    swinging, flat = rested + 0.5 * np.sin(np.arange(40)), np.full(40, -9.0)
    assert _at_rest(np.stack([rising, rested, swinging, flat])).tolist() == [False, True, False, False]
    assert not _at_rest(rested[None, ::4]).any(), "ten steps are too few to say so"


def test_an_image_that_is_missing_says_in_how_many_steps_it_was_not_reached():
    made = factories.synthesis(("not_reached",))
    words = " ".join(text.get_text() for axes in synthesis_figure(made, SynthesisOptions()).axes for text in axes.texts)
    assert f"not reached\nin {made.curves.shape[1]} steps" in words
