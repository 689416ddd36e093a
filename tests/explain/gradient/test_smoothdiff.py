"""SmoothDiff: hand-made numbers, equality with SmoothGrad where theory says so, every kind of step, its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax import lax

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.targets import resolve
from cnnviz_plugins.explain.gradient.mean_jacobians import gradient_through, observed, steps_of
from tests.explain.small_network import some_images


def stepped(shape, shift):
    """Weights that step through eleven values: ((7 k + 3 + shift) mod 11 - 5) / 4."""
    return jnp.asarray((((7 * np.arange(np.prod(shape)) + 3 + shift) % 11 - 5) / 4).reshape(shape), jnp.float32)


PLACES = ("NCHW", "OIHW", "NCHW")


def pooled(params, x):
    """Convolution, ReLU, max pool, convolution, ReLU, mean, dense."""
    x = lax.conv_general_dilated(x, params["conv1"], (1, 1), "SAME", dimension_numbers=PLACES)
    x = jax.nn.relu(x + jnp.array([0.25, -0.5, 0.5])[:, None, None])
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = lax.conv_general_dilated(x, params["conv2"], (1, 1), "VALID", dimension_numbers=PLACES)
    x = jax.nn.relu(x + jnp.array([-0.5, 0.25])[:, None, None]).mean((2, 3))
    return x @ params["dense"].T + jnp.array([0.5, -0.25, 0.0])


def mean_over(model, images, target):
    steps = steps_of(model, target)
    seen = jax.jit(jax.vmap(lambda image: observed(model, image, target, steps)))(jnp.stack(images))
    return steps, jax.tree.map(lambda leaf: leaf.mean(0), seen)


def test_four_copies_by_hand():
    """Worked by hand in float64; the numbers stand in the acceptance tests as D1 and D3."""
    params = {
        "conv1": stepped((3, 2, 3, 3), 0),
        "conv2": stepped((2, 3, 2, 2), 4),
        "dense": jnp.array([[1, -1], [0.5, 2], [-1, 1.5]]),
    }
    model = cv.adapt((pooled, params), input_shape=(6, 6, 2), axes="NCHW")
    k = np.arange(72)
    channels_last = lambda flat: jnp.asarray(flat.reshape(2, 6, 6).transpose(1, 2, 0), jnp.float32)  # noqa: E731
    image = channels_last(0.5 + 0.5 * np.sin(k))
    copies = [image + channels_last(0.3 * np.sin(k + 1 + 17 * j)) for j in range(4)]
    target = jax.tree.map(lambda leaf: leaf[0], resolve(0, model, image[None]))
    steps, (_, slopes, score_slopes) = mean_over(model, copies, target)
    gradient = jax.jit(lambda x: gradient_through(model, x, target, steps, slopes, score_slopes))(image)
    np.testing.assert_allclose(gradient.sum(), -0.2988281, atol=1e-6)
    np.testing.assert_allclose(np.abs(gradient).sum(), 18.5107422, rtol=1e-6)
    np.testing.assert_allclose(gradient.sum((0, 1)), [1.1152344, -1.4140625], atol=1e-6)
    row = [0.1484375, 0.4570312, -0.5888672, -0.0546875, 0.0, 0.0]
    np.testing.assert_allclose(gradient[0, :, 0], row, atol=1e-6)
    relu1, _, relu2 = (slope[0][0] for slope in slopes)
    np.testing.assert_allclose(relu1.mean((1, 2)), [0.6736111, 0.4583333, 0.4861111], atol=1e-6)
    np.testing.assert_allclose(relu2, [[[1, 0], [1, 0.75]], [[1, 0], [1, 0]]])


class Gated(linen.Module):
    """Squeeze and excitation, layer norm, GELU, a global maximum."""

    @linen.compact
    def __call__(self, x):
        x = linen.gelu(linen.LayerNorm()(linen.Conv(4, (3, 3))(x)))
        gate = linen.sigmoid(linen.Dense(4)(linen.silu(linen.Dense(2)(x.mean((1, 2))))))
        return linen.Dense(3)((x * gate[:, None, None]).max((1, 2)))


class Attentive(linen.Module):
    """One head of attention over pixels, then a log-softmax that is scored."""

    @linen.compact
    def __call__(self, x):
        x = linen.Conv(4, (4, 4), strides=(4, 4))(x).reshape(len(x), -1, 4)
        q, k, v = (linen.Dense(4, name=name)(x) for name in "qkv")
        x = x + linen.softmax(q @ k.swapaxes(1, 2)) @ v
        return jnp.log(1 + linen.log_softmax(linen.Dense(3)(x.mean(1))) ** 2)


def bent(params, x):
    """Primitives that no layer claims: a minimum pool, a selection, a quotient, a power, an overlapping pool."""
    x = lax.conv_general_dilated(x, params, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    low = lax.reduce_window(x, jnp.inf, lax.min, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    high = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    x = jnp.where(low > 0.1, low**3, jnp.abs(high)) / (1 + jnp.exp(high))
    return x.sum((1, 2))


class Plain(nnx.Module):
    """Batch norm, ReLU6, a residual sum, a max pool."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs, use_running_average=True)
        self.more = nnx.Conv(4, 4, (3, 3), feature_group_count=2, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu6(self.norm(self.conv(x))), (2, 2), (2, 2))
        return self.head(nnx.relu(x + self.more(x)).mean((1, 2)))


def network(name):
    if name in ("gated", "attentive"):
        module = {"gated": Gated, "attentive": Attentive}[name]()
        return cv.adapt(module, module.init(jax.random.key(1), jnp.zeros((1, 8, 8, 3))), input_shape=(8, 8, 3))
    if name == "bent":
        return cv.adapt((bent, stepped((3, 3, 3, 3), 1)), input_shape=(8, 8, 3))
    return cv.adapt(Plain(), input_shape=(8, 8, 3))


@pytest.mark.parametrize("name", ["gated", "attentive", "bent", "plain"])
def test_one_copy_gives_what_smoothgrad_gives_for_it(name):
    model, images = network(name), some_images(2, 8, 8, 3)
    options = {"samples": 1, "noise": "absolute(0.1)", "key": 4}
    found = cv.explain("smoothdiff", model, images, [0, 2], **options).values
    expected = cv.explain("smoothgrad", model, images, [0, 2], **options).values
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_of_a_network_with_one_gate_it_is_smoothgrad_for_any_number_of_copies():
    """One Jacobian that varies, the rest constant: the mean of the product is the product of the means."""

    def one_gate(params, x):
        return jax.nn.relu(x.reshape(len(x), -1) @ params) @ stepped((5, 2), 3)

    model, images = cv.adapt((one_gate, stepped((48, 5), 2)), input_shape=(4, 4, 3)), some_images(2, 4, 4, 3)
    options = {"samples": 9, "noise": "absolute(0.4)", "key": 1}
    found = cv.explain("smoothdiff", model, images, 1, **options)
    expected = cv.explain("smoothgrad", model, images, 1, **options)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-5)
    assert (found.extras["switching"] > 0).all()
    assert dict(found.provenance.notes)["gates"] == ("relu",)


def test_a_product_takes_the_mean_of_each_factor_and_says_so():
    """f(x) = a(x) b(x) with a, b linear: E[a] b' + E[b] a', exact, as the copies' mean is the image itself."""

    def product(params, x):
        flat = x.reshape(len(x), -1)
        return (flat @ params[0]) * (flat @ params[1])

    params = [stepped((12, 2), 0), stepped((12, 2), 5)]
    model, image = cv.adapt((product, params), input_shape=(2, 2, 3)), some_images(1, 2, 2, 3)
    found = cv.explain("smoothdiff", model, image, 1, samples=400, noise="absolute(0.05)", key=0)
    flat, (a, b) = image.reshape(-1), (np.asarray(part)[:, 1] for part in params)
    expected = (flat @ a) * b + (flat @ b) * a
    np.testing.assert_allclose(found.values.reshape(-1), expected, atol=0.02 * np.abs(expected).max())
    (name,) = dict(found.provenance.notes)["mean_field"]
    assert name.startswith("mul")


def test_a_probability_is_scored_with_the_mean_of_its_own_slope():
    model, images = network("plain"), some_images(1, 8, 8, 3)
    target = cv.targets.class_score(1, of="probability")
    options = {"samples": 1, "noise": "absolute(0.2)", "key": 2}
    found = cv.explain("smoothdiff", model, images, target, **options).values
    expected = cv.explain("smoothgrad", model, images, target, **options).values
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_target_may_be_a_layer_and_gates_above_it_have_no_share():
    model, images = network("plain"), some_images(1, 8, 8, 3)
    target = cv.targets.channel("conv", 0)
    found = cv.explain("smoothdiff", model, images, target, samples=3, key=0)
    assert np.isnan(found.extras["switching"]).all()
    np.testing.assert_allclose(found.values, cv.explain("saliency", model, images, target).values, atol=1e-5)


def test_the_chunk_changes_nothing_and_a_second_call_compiles_nothing():
    model, images = network("plain"), some_images(2, 8, 8, 3)
    options = {"samples": 6, "key": 0}
    whole = cv.explain("smoothdiff", model, images, 1, **options)
    count = compilations()
    again = cv.explain("smoothdiff", model, images, 2, **options)
    assert compilations() == count
    assert again.values.shape == whole.values.shape
    parts = cv.explain("smoothdiff", model, images, 1, chunk=1, **options)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)


def test_what_has_no_mean_jacobian_is_refused_by_name():
    model = cv.adapt((lambda params, x: jnp.sort(x.reshape(len(x), -1) * params)[:, -3:], jnp.ones(12)),
                     input_shape=(2, 2, 3))  # fmt: skip
    with pytest.raises(cv.errors.RuleError, match=r"no mean Jacobian for sort.*smoothgrad needs none"):
        cv.explain("smoothdiff", model, some_images(1, 2, 2, 3), 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"samples": 0}, "samples is at least 1"), ({"noise": "loud"}, "noise")],
)
def test_says_what_is_wrong_with_an_option(options, told):
    with pytest.raises(cv.errors.UsageError, match=told):
        cv.explain("smoothdiff", network("plain"), some_images(1, 8, 8, 3), 0, **options)
