"""Awkward models: each works, or one sentence says what does not; nothing is silently wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerNotFoundError, ModelError
from cnnviz_jax.program import Program
from tests.adapters.awkward import MODELS, SHAPE, conv, numbers


def some_images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).random((count, *SHAPE), np.float32)


@pytest.mark.parametrize("title", MODELS)
def test_an_awkward_model_is_read_and_run_as_it_is(title: str) -> None:
    case = MODELS[title]
    model = cv.adapt(case.fn, case.params, input_shape=SHAPE, **case.options)
    assert any(case.warning in text for text in model.warnings) if case.warning else not model.warnings
    assert set(case.layers) <= set(model.layers), list(model.layers)
    expected = model.structure.pure.logits(case.fn(case.params, jnp.asarray(some_images())))
    tolerance = 2e-2 if "bfloat16" in title else 1e-5
    np.testing.assert_allclose(model(some_images()), np.asarray(expected, np.float32), atol=tolerance)
    layers = tuple(model.layers)

    @jax.jit
    def intercepted(image):
        return model.run(image, read=layers, replace={name: lambda value: value for name in layers})

    outputs, values = intercepted(jnp.asarray(some_images()[0]))
    np.testing.assert_allclose(outputs, np.asarray(expected, np.float32)[0], atol=tolerance)
    for name, value in values.items():
        assert value.shape == model.layers[name].shape
        assert np.isfinite(np.asarray(value, np.float32)).all()


@pytest.mark.parametrize("title", MODELS)
def test_names_and_kinds_do_not_depend_on_the_batch(title: str) -> None:
    case = MODELS[title]
    tables = []
    for count in (1, 4):
        program = Program.trace(case.fn, case.params, jax.ShapeDtypeStruct((count, *SHAPE), jnp.float32))
        tables.append([(name, layer_node.kind) for name, layer_node in program.layers.items()])
    assert tables[0] == tables[1]


def test_there_are_twenty_two_and_more() -> None:
    assert len(MODELS) >= 22


def test_a_relu_inside_a_region_that_is_not_looked_into_is_not_passed_over_in_silence() -> None:
    def fn(p, x):
        return jax.lax.cond(p["on"], jax.nn.relu, lambda x: x, conv(x, p["a"]["kernel"])).mean((1, 2))

    model = cv.adapt(fn, {"a": {"kernel": numbers(3, 3, 3, 4)}, "on": jnp.asarray(True)}, input_shape=SHAPE)
    assert "no ReLU inside follows a backward rule" in " ".join(model.warnings)
    with pytest.raises(cv.errors.RuleError, match="guided-backprop rewrites ReLUs, and fn has none"):
        cv.explain("guided-backprop", model, some_images(1))
    with pytest.raises(LayerNotFoundError, match=r"no layer 'cond\.relu'"):
        model.layers["cond.relu"]


def test_several_inputs_are_said_in_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"cannot be called as \(params, x\): missing a required argument: 'mask'"):
        cv.adapt(lambda params, x, mask: x * mask, {}, input_shape=SHAPE)


def test_several_scores_are_said_in_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"a tuple of 0 \(1, 3\), 1 .*, and which of them are the scores is not clear"):
        cv.adapt(lambda params, x: (x.mean((1, 2)), x, x), {}, input_shape=SHAPE)


def test_control_flow_on_numbers_is_said_in_a_sentence() -> None:
    with pytest.raises(ModelError, match="needs the numbers inside an array"):
        cv.adapt(lambda params, x: x if x.sum() > 0 else -x, {}, input_shape=SHAPE)


@pytest.mark.parametrize("title", ["a call to the host", "a loop of unknown length"])
def test_what_has_no_gradient_is_told_in_a_sentence_and_evaluations_need_none(title: str) -> None:
    model = cv.adapt(MODELS[title].fn, MODELS[title].params, input_shape=SHAPE)
    with pytest.raises(ModelError, match=r"a part of the model has no gradient: .* as occlusion and rise, need none"):
        cv.explain("saliency", model, some_images(1), 0)
    assert np.isfinite(cv.explain("occlusion", model, some_images(1), 0, window=4).values).all()
