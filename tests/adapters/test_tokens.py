"""Models without spatial maps: token grids are maps where they are told or unambiguous; else the reason is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, ModelError

SHAPE = (12, 8, 3)
GRID = (3, 2)
WIDTH = 4


def numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) * 0.5, jnp.float32)


def some_images(count=2):
    return np.random.default_rng(1).random((count, *SHAPE), np.float32)


def transformer(params, x, *, extra=1, pooled=False):
    """Patches of 4 x 4, `extra` tokens before them, two blocks of attention, a head on the first or on the mean."""
    kernel = params["patches"]["kernel"]
    x = jax.lax.conv_general_dilated(x, kernel, (4, 4), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = x.reshape(x.shape[0], -1, WIDTH)
    if extra:
        x = jnp.concatenate([jnp.broadcast_to(params["extra"][:extra], (x.shape[0], extra, WIDTH)), x], 1)
    for name in ("block0", "block1"):
        with jax.named_scope(name):
            block = params[name]
            with jax.named_scope("norm"):
                centred = x - x.mean(-1, keepdims=True)
                y = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5) * block["norm"]["scale"]
            scores = jnp.einsum("nqc,nkc->nqk", y @ block["query"]["kernel"], y @ block["key"]["kernel"])
            x = x + jnp.einsum("nqk,nkc->nqc", jax.nn.softmax(scores), y @ block["value"]["kernel"])
            x = x + jax.nn.relu(x @ block["mlp"]["kernel"])
    x = x.mean(1) if pooled else x[:, 0]
    return x @ params["head"]["kernel"]


def parameters():
    def block(seed):
        words = ("query", "key", "value", "mlp")
        return {
            "norm": {"scale": jnp.ones(WIDTH)},
            **{word: {"kernel": numbers(WIDTH, WIDTH, seed=seed + i)} for i, word in enumerate(words)},
        }

    return {
        "patches": {"kernel": numbers(4, 4, 3, WIDTH)}, "extra": numbers(8, WIDTH, seed=3),
        "block0": block(10), "block1": block(20), "head": {"kernel": numbers(WIDTH, 5, seed=5)},
    }  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return cv.adapt(transformer, parameters(), input_shape=SHAPE)


def test_patches_behind_a_class_token_are_a_map(model):
    for name in ("patches", "block0.norm", "block0.add", "block1.mlp", "block1"):
        assert model.layers[name].shape == (*GRID, WIDTH), name
        assert model.layers[name].is_map
    assert model.layers["block0.softmax"].shape == (7, 7)
    assert model.layers["head"].shape == (5,)


def test_values_are_those_of_the_tokens_laid_out(model):
    values = cv.capture(model, some_images(), ["block1"])["block1"]

    def tokens(params, x):  # the same network up to its head, all tokens
        return transformer({**params, "head": {"kernel": jnp.eye(WIDTH)}}, x, pooled=True)

    whole = 7 * tokens(parameters(), jnp.asarray(some_images()))
    first = transformer({**parameters(), "head": {"kernel": jnp.eye(WIDTH)}}, jnp.asarray(some_images()))
    np.testing.assert_allclose(values.sum((1, 2)), whole - first, atol=1e-4)


def test_changes_reach_the_grid_and_leave_the_class_token(model):
    image = jnp.asarray(some_images()[0])
    own = model.run(image)[0]
    for name in ("block0.add", "block1.norm"):
        same = model.run(image, replace={name: lambda value: value})[0]
        read = model.run(image, read=(name,))[1][name]
        fixed = model.run(image, replace={name: read})[0]
        np.testing.assert_allclose(same, own, atol=1e-6)
        np.testing.assert_allclose(fixed, own, atol=1e-6)
        zero = model.run(image, replace={name: jnp.zeros_like(read)})[0]
        assert np.abs(zero - own).max() > 1e-3


def test_gradients_at_tokens_are_what_finite_differences_see(model):
    image, name = jnp.asarray(some_images()[0]), "block0.add"
    target = cv.targets.ClassScore(jnp.asarray(1))

    def score(delta):
        return model.score(image, target, add={name: delta})[0]

    at = jnp.zeros((*GRID, WIDTH))
    direction = numbers(*GRID, WIDTH, seed=8)
    slope = (score(at + 1e-2 * direction) - score(at - 1e-2 * direction)) / 2e-2
    np.testing.assert_allclose((jax.grad(score)(at) * direction).sum(), slope, rtol=1e-2)


def test_the_layer_looked_at_is_one_from_which_tokens_still_reach_the_scores(model):
    assert model.map_layer().name == "block1.norm"
    heat = cv.explain("grad-cam", model, some_images(), target=1)
    assert heat.low_res.shape == (2, *GRID)
    assert np.abs(np.asarray(heat.low_res)).max() > 0
    assert heat.values.shape == (2, *SHAPE[:2])


def test_a_sequence_of_patches_alone_is_a_map_to_its_end():
    model = cv.adapt(lambda p, x: transformer(p, x, extra=0, pooled=True), parameters(), input_shape=SHAPE)
    assert model.map_layer().name == "block1"
    assert model.map_layer().shape == (*GRID, WIDTH)


def test_patches_and_their_fields_are_exact_before_attention():
    model = cv.adapt(lambda p, x: transformer(p, x, extra=0, pooled=True), parameters(), input_shape=SHAPE)
    field = model.layers["block0.norm"].receptive_field
    assert list(zip(field.rows.first, field.rows.last, strict=True)) == [(0, 3), (4, 7), (8, 11)]
    assert list(zip(field.columns.first, field.columns.last, strict=True)) == [(0, 3), (4, 7)]
    assert model.layers["block1"].receptive_field.is_global


def with_tokens_from_elsewhere(params, x):
    """The grid is lost on the way: patches are cut out by hand, and the tokens written into an array."""
    patches = x.reshape(x.shape[0], 3, 4, 2, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], 6, 48)
    tokens = patches[:, jnp.array([0, 1, 2, 3, 4, 5])] @ params["embed"]["kernel"]
    x = jnp.zeros((x.shape[0], 7, WIDTH)).at[:, 1:].set(tokens) + params["places"]
    with jax.named_scope("block"):
        x = jnp.tanh(x)
        x = x + jax.nn.softmax(jnp.einsum("nqc,nkc->nqk", x, x)) @ x
    return x[:, 0] @ params["head"]["kernel"]


LOST = {
    "embed": {"kernel": numbers(48, WIDTH)}, "places": numbers(7, WIDTH, seed=2),
    "head": {"kernel": numbers(WIDTH, 5, seed=5)},
}  # fmt: skip


def test_a_grid_that_cannot_be_found_can_be_said():
    silent = cv.adapt(with_tokens_from_elsewhere, LOST, input_shape=SHAPE)
    assert silent.layers["block.tanh"].shape == (7, WIDTH)
    assert not silent.layers["block.tanh"].is_map
    with pytest.raises(
        LayerKindError, match=r"'block\.tanh' of \w+ is no map: .* say adapt\(\.\.\., tokens=\(before, rows"
    ):
        cv.explain("grad-cam", silent, some_images(1), layer="block.tanh")
    told = cv.adapt(with_tokens_from_elsewhere, LOST, input_shape=SHAPE, tokens=(1, *GRID))
    assert told.layers["block.tanh"].shape == (*GRID, WIDTH)
    assert cv.explain("grad-cam", told, some_images(1), layer="block.tanh").low_res.shape == (1, *GRID)


@pytest.mark.parametrize("extra", [1, 5])
def test_any_number_of_tokens_may_stand_before_the_grid(extra):
    model = cv.adapt(lambda p, x: transformer(p, x, extra=extra), parameters(), input_shape=SHAPE)
    assert model.layers["block1"].shape == (*GRID, WIDTH)
    grid = model.program.layers["block1"].grid
    assert (grid.before, grid.rows, grid.columns) == (extra, *GRID)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ((1, 4, 4), r"tokens=\(1, 4, 4\) means 17 tokens, and no layer of transformer has so many"),
        ((3, 2), r"tokens is \(tokens before the grid, rows, columns\), such as \(1, 14, 14\); got \(3, 2\)"),
        ((-1, 4, 2), "tokens is"),
    ],
)
def test_a_wrong_grid_is_said(tokens, text):
    with pytest.raises(ModelError, match=text):
        cv.adapt(transformer, parameters(), input_shape=SHAPE, tokens=tokens)


def test_a_model_without_maps_is_explained_by_what_needs_none_and_the_others_say_why():
    params = {"fc1": {"kernel": numbers(12 * 8 * 3, 6)}, "fc2": {"kernel": numbers(6, 5)}}
    model = cv.adapt(
        lambda p, x: jax.nn.relu(x.reshape(x.shape[0], -1) @ p["fc1"]["kernel"]) @ p["fc2"]["kernel"],
        params,
        input_shape=SHAPE,
    )
    for technique, options in (("saliency", {}), ("occlusion", {"window": 4})):
        assert np.abs(cv.explain(technique, model, some_images(1), **options).values).max() > 0
    with pytest.raises(LayerKindError, match=r"has no layer with a map .* saliency and occlusion, and where tokens"):
        cv.explain("grad-cam", model, some_images(1))
