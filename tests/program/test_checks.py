"""What is found wrong or remarkable about a program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, named_scope

from cnnviz_jax.program import Program, ProgramCheck
from tests.program.plain import conv, ones, random_tree, traced

PARAMS = random_tree({"conv": {"kernel": ones(3, 3, 3, 4)}, "fc": {"kernel": ones(4, 5), "bias": ones(5)}})
X = jax.random.normal(jax.random.key(5), (1, 8, 8, 3))


def logits(p: Any, x: Any) -> Any:
    return conv(x, p["conv"]["kernel"]).mean((1, 2)) @ p["fc"]["kernel"] + p["fc"]["bias"]


def found(fn: Any) -> dict[str, ProgramCheck]:
    return {check.name: check for check in traced(fn, PARAMS, (8, 8, 3)).checks}


def test_a_plain_network_gives_no_findings() -> None:
    assert found(logits) == {}


def test_statistics_over_the_batch_mean_training_mode() -> None:
    def training(p: Any, x: Any) -> Any:
        x = conv(x, p["conv"]["kernel"])
        with named_scope("bn"):
            return (x - x.mean((0, 1, 2))) / jnp.sqrt(x.var((0, 1, 2)) + 1e-5)

    check = found(training)["training-mode"]
    assert check.severity == "error"
    assert check.text.startswith("the model mixes the images of a batch (reduce_sum in bn)")


def test_vmapped_statistics_with_an_axis_name_mean_training_mode() -> None:
    def single(p: Any, image: Any) -> Any:
        x = conv(image[None], p["conv"]["kernel"])[0]
        return x - lax.pmean(x.mean((0, 1)), "batch")

    def training(p: Any, x: Any) -> Any:
        return jax.vmap(lambda image: single(p, image), axis_name="batch")(x)

    assert "training-mode" in found(training)


def test_a_random_primitive_means_dropout() -> None:
    def dropped(p: Any, x: Any) -> Any:
        with named_scope("drop"):
            x = x * jax.random.bernoulli(jax.random.key(0), 0.5, x.shape).astype(x.dtype)
        return logits(p, x)

    check = found(dropped)["dropout"]
    assert check.severity == "error"
    assert "draws random numbers (" in check.text
    assert "in drop" in check.text


def test_random_numbers_that_nothing_uses_are_no_dropout() -> None:
    def split(p: Any, x: Any) -> Any:
        jax.random.split(jax.random.key(0))
        return logits(p, x)

    assert found(split) == {}


def inlined(x: Any) -> Any:
    exponential = jnp.exp(x - x.max(-1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


@pytest.mark.parametrize("softmax", [jax.nn.softmax, jax.nn.log_softmax, inlined, jax.jit(jax.nn.softmax)])
@pytest.mark.parametrize("named", [True, False])
def test_a_softmax_head_names_a_layer_that_holds_the_logits(softmax: Any, named: bool) -> None:
    def network(p: Any, x: Any) -> Any:
        scores = logits(p, x)
        return softmax(scores if named else scores * 2.0 - 1.0)

    program = traced(network, PARAMS, (8, 8, 3))
    (check,) = program.checks
    assert (check.name, check.severity) == ("softmax-head", "warning")
    assert check.detail in program.layers
    assert (check.detail == "fc") is named
    value = program.run(PARAMS, X, read=[check.detail], need_outputs=False)[1][check.detail]
    expected = logits(PARAMS, X)
    np.testing.assert_allclose(value, expected if named else expected * 2 - 1, atol=1e-6)
    assert program.layers[check.detail].canonical_shape == (5,)


def test_attention_inside_is_no_softmax_head() -> None:
    def network(p: Any, x: Any) -> Any:
        weights = jax.nn.softmax(x.mean(-1).reshape(1, -1))
        return (x.reshape(1, -1, 3) * weights[..., None]).sum(1)

    assert found(network) == {}


def test_conditions_are_run_but_not_looked_into() -> None:
    def network(p: Any, x: Any) -> Any:
        x = conv(x, p["conv"]["kernel"])
        x = lax.cond(p["fc"]["bias"][0] > 0, jax.nn.relu, lambda x: x, x)
        return jax.nn.relu(conv(x, ones(1, 1, 4, 4)))

    program = traced(network, PARAMS, (8, 8, 3))
    (check,) = program.checks
    assert (check.name, check.severity, check.detail) == ("opaque", "warning", "cond")
    assert "1 region(s) of the model (cond) are run but not looked into" in check.text
    assert list(program.layers) == ["conv", "conv#1", "relu"]
    assert program.layers["relu"].receptive_field.box(0, 0) == (0, 0, 7, 7)
    outputs, values = program.run(PARAMS, X, read=["conv#1"])
    np.testing.assert_allclose(outputs, network(PARAMS, X), atol=1e-6)
    assert values["conv#1"].shape == (1, 6, 6, 4)


def test_a_loop_of_unknown_length_is_opaque_and_a_fixed_one_is_not() -> None:
    def unknown(p: Any, x: Any) -> Any:
        return lax.while_loop(lambda x: x.sum() < 0, lambda x: x + 1, x)

    def fixed(p: Any, x: Any) -> Any:
        return lax.fori_loop(0, 3, lambda _, x: jax.nn.relu(conv(x, ones(3, 3, 3, 3), 1, "SAME")), x)

    assert found(unknown)["opaque"].detail == "while"
    program = traced(fixed, PARAMS, (8, 8, 3))
    assert program.checks == ()
    assert sum(layer_node.kind == "conv" for layer_node in program.layers.values()) == 3


def test_a_conv_behind_an_opaque_region_tells_the_layout_again() -> None:
    def network(p: Any, x: Any) -> Any:
        x = lax.cond(x.sum() > 0, lambda x: x[:, :6], lambda x: x[:, 2:], x)
        return conv(x, p["conv"]["kernel"])

    program: Program = traced(network, PARAMS, (8, 8, 3))
    assert program.layers["conv"].axes.endswith("HWC")
    assert program.layers["conv"].receptive_field.box(1, 1) == (0, 0, 7, 7)


def test_borders_of_no_length_join_no_images() -> None:
    def fn(_: Any, x: Any) -> Any:
        return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")

    program = traced(fn, (), (6, 5, 3))
    assert program.checks == ()
