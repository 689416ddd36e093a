"""Recipes hold the published numbers, and every update rule is its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.errors import UsageError
from cnnviz_plugins.synthesize.parts import part, parts
from cnnviz_plugins.synthesize.recipes import RECIPES, Standardized, changed
from cnnviz_plugins.synthesize.transforms import TRANSFORMS, Crop, Jitter, Noise, Pad, Rotate, Scale
from cnnviz_plugins.synthesize.updates import UPDATES, Gradient, Progress, Rms, UnitNorm

GRADIENT = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)


def update(rule, gradient=GRADIENT):
    made = rule.transformation()
    params = jnp.zeros(gradient.shape)
    with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers and multiplies them
        return np.asarray(made.update(jnp.asarray(gradient), made.init(params), params)[0])


def test_chollet2016_is_the_keras_blog_script():
    # keras-team, examples/conv_filter_visualization.py, 2016
    recipe = RECIPES["chollet2016"]
    assert (recipe.size, recipe.steps, recipe.tap, recipe.keep) == ((128, 128), 20, "after", "last")
    start = recipe.parametrization
    assert (start.noise, start.amount, start.centre, start.span) == ("uniform", 20.0, 128.0, 255.0)
    assert recipe.display == Standardized(0.1, 0, 255.0, 1e-5)
    own = GRADIENT / 255  # the script's gradient is per grey level
    np.testing.assert_allclose(255 * update(recipe.update), own / (np.sqrt(np.mean(own**2)) + 1e-5), rtol=1e-5)


def test_keras2020_is_the_keras_example():
    # keras.io/examples/vision/visualizing_what_convnets_learn, 2020: images in -1..1
    recipe = RECIPES["keras2020"]
    assert (recipe.size, recipe.steps, recipe.border) == ((180, 180), 30, 2)
    start = recipe.parametrization
    assert (start.amount, start.centre, start.low, start.span) == (0.25, 0.0, -1.0, 2.0)
    np.testing.assert_allclose(2 * update(recipe.update), 10 * GRADIENT / np.linalg.norm(GRADIENT), rtol=1e-5)
    image = np.random.default_rng(1).uniform(size=(180, 180, 3)).astype(np.float32)
    script = 2 * image - 1
    script = script - script.mean()
    script = script / (script.std() + 1e-5) * 0.15
    script = np.clip(script[25:-25, 25:-25] + 0.5, 0, 1)
    np.testing.assert_allclose(recipe.display.shown(jnp.asarray(image)), script, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "steps", "rate", "regularizers"),
    [
        # Yosinski et al. 2015, table 1, and doc/running-optimize-image.md of the toolbox, in the same order
        ("yosinski1", 500, Progress(2.0, 1e8, 255.0), "blur-every(0.5, 4), clip-norm(50), clip"),
        ("yosinski2", 750, Progress(2.0, 1e8, 255.0), "decay(0.3), clip-norm(20), clip"),
        ("yosinski3", 1000, Progress(2.0, 1e8, 255.0), "decay(0.0001), blur-every(1.0, 4), clip"),
        ("yosinski4", 1000, Progress(2.0, 1e8, 255.0), "blur-every(0.5, 4), clip-contribution(90), clip"),
    ],
)
def test_yosinski_is_table_1_of_the_paper(name, steps, rate, regularizers):
    recipe = RECIPES[name]
    assert (recipe.steps, recipe.update, recipe.keep) == (steps, rate, "best")
    assert recipe.regularizers == changed(recipe, regularizers=regularizers).regularizers
    start = recipe.parametrization
    assert (start.noise, start.amount, start.centre, start.span) == ("normal", 10.0, None, 255.0)


def test_yosinskis_images_are_stretched_around_their_mean_as_the_toolbox_shows_them():
    image = jnp.asarray([[[0.4, 0.5, 0.6], [0.6, 0.5, 0.6]]])
    shown = RECIPES["yosinski1"].display.shown(image)
    np.testing.assert_allclose(shown, [[[0, 0.5, 0.5], [1, 0.5, 0.5]]], atol=1e-6)
    np.testing.assert_array_equal(RECIPES["yosinski1"].display.shown(jnp.full((2, 2, 3), 0.3)), 0.5)


def test_progress_gains_what_it_says_of_a_linear_objective():
    # lr = min(max_lr, desired_prog / norm(grad)**2), in grey levels
    gained = (update(Progress(2.0, 1e8, 255.0)) * GRADIENT).sum()
    np.testing.assert_allclose(gained, 2.0, rtol=1e-5)
    own = GRADIENT / 255
    np.testing.assert_allclose(255 * update(Progress(2.0, 1e-3, 255.0)), 1e-3 * own, rtol=1e-5)
    assert np.isfinite(update(Progress(), np.zeros_like(GRADIENT))).all()


def test_lucid_is_the_library():
    # Lucid: optvis/render.py (Adam 0.05, thresholds 512), param/images.py, transform.py standard_transforms
    recipe = RECIPES["lucid"]
    assert (recipe.size, recipe.steps, recipe.tap) == ((128, 128), 512, "before")
    assert (recipe.parametrization.sd, recipe.parametrization.decay, recipe.update.rate) == (0.01, 1.0, 0.05)
    assert recipe.transforms == (Pad(12, 0.5), Jitter(8), Scale(0.9, 1.1), Rotate(-10.0, 10.0), Jitter(4))


def test_maco_is_the_paper():
    # Fel et al. 2023, arXiv 2306.06805, and Xplique, features_visualizations/maco.py
    recipe = RECIPES["maco"]
    assert (recipe.steps, recipe.update.rate, recipe.views, recipe.transparency) == (256, 1.0, 32, True)
    assert recipe.parametrization.power == 1.2
    assert recipe.transforms == (Crop(0.5, 0.05, 0.15, 0.05, 0.05), Noise(0.08, 2.0))


def test_gradients_climb():
    np.testing.assert_allclose(update(Gradient(0.5)), 0.5 * GRADIENT, rtol=1e-6)
    for name, kind in UPDATES.items():
        assert (update(kind()) * GRADIENT).sum() > 0, name
        assert np.isfinite(update(kind(), np.zeros_like(GRADIENT))).all(), name
    assert (update(Rms()).shape, update(UnitNorm()).shape) == (GRADIENT.shape, GRADIENT.shape)


def test_parts_are_read():
    made = parts("pad(12, value=0.5), jitter(8) , rotate", "transform", TRANSFORMS)
    assert made == (Pad(12, 0.5), Jitter(8), Rotate())
    assert parts("none", "transform", TRANSFORMS) == ()
    assert part("cnnviz_plugins.synthesize.transforms:Jitter(3)", "transform", TRANSFORMS) == Jitter(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jiter(8)", "no transform 'jiter'. Did you mean 'jitter'"),
        ("jitter(8", "a bracket without its partner"),
        ("jitter(a=8)", r"'jitter\(a=8\)' cannot be read: .*; it is jitter\(px=8\)"),
        ("scale(0, 1)", "scale goes from a positive factor up"),
        ("json:JSONDecoder", "is no frozen dataclass"),
        ("no_module:Thing", "cannot be imported"),
        ("jitter(print(1))", "cannot be read"),
    ],
)
def test_says_what_is_wrong_with_a_part(text, message):
    with pytest.raises(UsageError, match=message):
        parts(text, "transform", TRANSFORMS)


def test_constraints_need_pixels():
    with pytest.raises(UsageError, match=r"Decay change pixels after each step and need parametrization pixel"):
        changed(RECIPES["lucid"], regularizers="decay(0.1)")
