"""`with_precision("bfloat16")`: products of rounded numbers summed in float32, everything else as it was."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError


def apply(params: Any, x: Any) -> Any:
    x = lax.conv_general_dilated(x, params["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = jax.jit(lambda x: jax.nn.relu(x + params["bias"]) @ params["mix"])(x)
    return x.mean((1, 2)) @ params["dense"]


def network() -> cv.Model:
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = {"kernel": (3, 3, 3, 8), "bias": (8,), "mix": (8, 6), "dense": (6, 5)}
    params = {name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys, shapes.items(), strict=True)}
    return cv.adapt(apply, params, input_shape=(12, 16, 3))


IMAGES = np.random.default_rng(0).uniform(size=(3, 12, 16, 3)).astype(np.float32)


def test_each_product_rounds_its_operands_and_sums_in_float32() -> None:
    weights = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
    model = cv.adapt(lambda params, x: x.reshape(len(x), -1) @ params, weights, input_shape=(2, 2, 3))
    image = np.random.default_rng(2).uniform(size=(1, 2, 2, 3)).astype(np.float32)
    rounded = [a.astype(ml_dtypes.bfloat16).astype(np.float32) for a in (image.reshape(1, 12), weights)]
    np.testing.assert_allclose(model.with_precision("bfloat16")(image), rounded[0] @ rounded[1], rtol=1e-6)


def test_logits_are_near_those_in_float32_and_not_equal() -> None:
    model = network()
    exact, low = np.asarray(model(IMAGES)), np.asarray(model.with_precision("bfloat16")(IMAGES))
    assert low.dtype == np.float32
    assert 1e-5 < np.abs(low - exact).max() / np.abs(exact).max() < 2e-2


def test_an_image_alone_and_in_a_batch_has_the_same_logits() -> None:
    low = network().with_precision("bfloat16")
    np.testing.assert_allclose(low(IMAGES)[1:2], low(IMAGES[1:2]), rtol=1e-5)


def test_layers_keep_their_names_and_shapes() -> None:
    model = network()
    before, after = model.layers, model.with_precision("bfloat16").layers
    assert list(before) == list(after)
    assert [layer.shape for layer in before.values()] == [layer.shape for layer in after.values()]


@pytest.mark.parametrize("technique", ["saliency", "grad-cam", "occlusion", "smoothgrad"])
def test_explanations_note_by_how_much_the_scores_differ(technique: str) -> None:
    model = network()
    low = cv.explain(technique, model.with_precision("bfloat16"), IMAGES, target=2, key=0)
    exact = cv.explain(technique, model, IMAGES, target=2, key=0)
    noted = dict(low.provenance.notes)["bfloat16_score_error"]
    assert noted == pytest.approx(np.abs(low.scores - exact.scores).max(), rel=1e-3)
    assert 0 < noted < 0.02 * np.abs(exact.scores).max()
    assert np.corrcoef(low.values.ravel(), exact.values.ravel())[0, 1] > 0.9
    assert any("bfloat16" in warning for warning in low.warnings)
    assert "bfloat16_score_error" not in dict(exact.provenance.notes)


def test_incremental_occlusion_of_rounded_products_equals_dense() -> None:
    low = network().with_precision("bfloat16")
    maps = [cv.explain("occlusion", low, IMAGES[:1], target=2, window=4, stride=3, engine=e).low_res
            for e in ("dense", "incremental")]  # fmt: skip
    np.testing.assert_allclose(*maps, atol=1e-5)


def test_another_size_and_the_way_back_keep_what_was_asked() -> None:
    model = network()
    low = model.with_precision("bfloat16")
    assert low.at_size(20, 20).structure.exact is not None
    assert low.with_precision("float32").structure is model.structure
    assert low.with_precision("bfloat16") is low


def test_what_cannot_be_rounded_is_said() -> None:
    model = network()
    with pytest.raises(ModelError, match="precision is one of float32, tf32, bfloat16; got 'half'"):
        model.with_precision("half")  # type: ignore[arg-type]
    plain = cv.adapt(lambda params, x: x.sum((1, 2)) * params, jnp.ones(3), input_shape=(4, 4, 3))
    with pytest.raises(ModelError, match="no float32 convolution or matrix product"):
        plain.with_precision("bfloat16")


def test_tf32_is_a_matter_of_the_device_and_says_so_on_a_cpu() -> None:
    model = network()
    low = model.with_precision("tf32")
    assert low.with_precision("bfloat16").structure.precision == "bfloat16"
    assert low.at_size(20, 20).structure.precision == "tf32"
    assert "tf32 changes nothing on a CPU" in low.warnings[-1]
    text = str(jax.make_jaxpr(lambda x: low(x))(IMAGES))
    assert "Precision.HIGH" in text
    assert "Precision.HIGHEST" not in text
    np.testing.assert_array_equal(low(IMAGES), model(IMAGES))
    found = cv.explain("saliency", low, IMAGES, target=2)
    assert dict(found.provenance.notes)["tf32_score_error"] < 1e-6  # fused otherwise, at most
