"""Backward rules at every spelling of ReLU, and at nothing else."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnviz_jax.errors import RuleError
from cnnviz_jax.program import Program, deconv_relu, guided_relu
from tests.program.plain import conv, ones, random_tree, traced

A = jnp.arange(16.0).reshape(1, 4, 4, 1)
ROW = jnp.array([1.0, 1, 1, 1, 1, -1, -1, -1])


def one_conv(layout: str) -> Callable[[Any, Any], Any]:
    """Captum's BasicModel_ConvNet_One_Conv (BSD-3), flattened in NCHW order as there."""

    def apply(params: Any, x: Any) -> Any:
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        channel = layout.index("C")
        bias = params["bias"].reshape([-1 if k == channel else 1 for k in range(4)])
        x = jax.nn.relu(conv(x, params["kernel"], layout=layout) + bias)
        if layout == "NHWC":
            x = jnp.transpose(x, (0, 3, 1, 2))
        return jax.nn.relu(x.reshape(x.shape[0], -1) @ params["fc"])

    return apply


ONE_CONV = {"kernel": ones(3, 3, 1, 2), "bias": jnp.array([-50.0, -75.0]), "fc": jnp.stack([ROW] * 4, 1)}
EXPECTED = {
    None: [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]],
    "guided": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    "deconv": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("rule", EXPECTED)
def test_one_conv_has_captums_numbers(rule: str | None, layout: str) -> None:
    program = traced(one_conv(layout), ONE_CONV, (4, 4, 1))
    rules = None if rule is None else {"relu": rule}

    def score(x: Any) -> Any:
        return program.run(ONE_CONV, x, rules=rules)[0][0, 0]

    assert score(A) == 54
    np.testing.assert_array_equal(jax.grad(score)(A)[0, :, :, 0], EXPECTED[rule])


def test_the_relu_after_the_scores_is_reached_too() -> None:
    program = traced(one_conv("NHWC"), ONE_CONV, (4, 4, 1))
    assert program.rewritten({"relu": "guided"}) == ("relu", "relu#1")
    assert list(program.layers)[-1] == "relu#1"


@jax.custom_vjp
def handmade(x: Any) -> Any:
    return jnp.maximum(x, 0)


handmade.defvjp(lambda x: (handmade(x), x > 0), lambda mask, g: (g * mask,))

SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "jax.nn.relu": jax.nn.relu,
    "maximum": lambda x: jnp.maximum(x, 0),
    "maximum, zero first": lambda x: jnp.maximum(0.0, x),
    "maximum with an array": lambda x: jnp.maximum(x, jnp.zeros_like(x)),
    "where": lambda x: jnp.where(x > 0, x, 0),
    "where, turned round": lambda x: jnp.where(x <= 0, 0.0, x),
    "where, sides changed": lambda x: jnp.where(lax.lt(0.0, x), x, jnp.zeros_like(x)),
    "clip": lambda x: jnp.clip(x, 0, None),
    "clamp": lambda x: lax.clamp(0.0, x, jnp.inf),
    "mask": lambda x: x * (x > 0).astype(x.dtype),
    "jit": jax.jit(lambda x: jnp.maximum(x, 0)),
    "custom_vjp": handmade,
    "remat": jax.checkpoint(jax.nn.relu),
    "moved axes": lambda x: jnp.moveaxis(jax.nn.relu(jnp.moveaxis(x, -1, 1)), 1, -1),
    "called relu": jax.jit(jax.nn.relu),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_relu_follows_the_rule(spelling: str) -> None:
    params = random_tree({"a": {"kernel": ones(3, 3, 1, 3)}, "b": {"kernel": ones(3, 3, 3, 2)}})

    def network(relu: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda p, x: conv(relu(conv(x, p["a"]["kernel"])), p["b"]["kernel"]).sum((1, 2))

    program = traced(network(SPELLINGS[spelling]), params, (7, 6, 1))
    assert program.rewritten({"relu": "guided"}) == ("relu",)
    assert program.unruled_activations() == ()
    x = jax.random.normal(jax.random.key(1), (1, 7, 6, 1))
    for rule, patched in (("guided", guided_relu), ("deconv", deconv_relu)):
        found = jax.grad(lambda x, rule=rule: program.run(params, x, rules={"relu": rule})[0][0, 1])(x)
        expected = jax.grad(lambda x, patched=patched: network(patched)(params, x)[0, 1])(x)
        np.testing.assert_allclose(found, expected, atol=1e-6)


OTHERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "relu6": ("relu6", jax.nn.relu6),
    "minimum of relu": ("relu6", lambda x: jnp.minimum(jax.nn.relu(x), 6.0)),
    "clip at six": ("relu6", lambda x: jnp.clip(x, 0, 6)),
    "clamp at six": ("relu6", lambda x: lax.clamp(0.0, x, 6.0)),
    "clip at one": ("clip", lambda x: jnp.clip(x, 0, 1)),
    "leaky": ("leaky_relu", jax.nn.leaky_relu),
    "leaky, bare": ("leaky_relu", lambda x: jnp.maximum(x, 0.1 * x)),
    "silu": ("silu", jax.nn.silu),
    "silu, bare": ("silu", lambda x: x * lax.logistic(x)),
    "gelu": ("gelu", jax.nn.gelu),
    "gelu, exact": ("gelu", lambda x: jax.nn.gelu(x, approximate=False)),
    "hard swish": ("hard_swish", jax.nn.hard_swish),
    "hard swish, bare": ("hard_swish", lambda x: x * jnp.minimum(jnp.maximum(x + 3.0, 0.0), 6.0) / 6.0),
    "elu": ("elu", jax.nn.elu),
    "softplus": ("softplus", jax.nn.softplus),
    "tanh": ("tanh", jnp.tanh),
    "sigmoid": ("sigmoid", jax.nn.sigmoid),
    "mish": ("mish", lambda x: x * jnp.tanh(jax.nn.softplus(x))),
}


@pytest.mark.parametrize("spelling", OTHERS)
def test_other_activations_are_named_as_what_they_are_and_pass_through(spelling: str) -> None:
    kind, function = OTHERS[spelling]
    program = traced(lambda p, x: jax.nn.relu(function(conv(x, p))), ones(3, 3, 1, 2), (6, 6, 1))
    assert program.rewritten({"relu": "guided"}) == ("relu",)
    assert program.unruled_activations() == (kind,)
    assert program.layers[kind].kind == kind
    x = jax.random.normal(jax.random.key(0), (1, 6, 6, 1))
    values = program.run(ones(3, 3, 1, 2), x, read=["conv", kind], need_outputs=False)[1]
    np.testing.assert_allclose(values[kind], function(values["conv"]), atol=1e-6)


def test_a_variance_kept_from_falling_below_zero_is_no_relu() -> None:
    def layer_norm(p: Any, x: Any) -> Any:
        x = conv(x, p)
        mean, square = x.mean(-1, keepdims=True), (x * x).mean(-1, keepdims=True)
        variance = jnp.maximum(square - mean * mean, 0.0)
        return (x - mean) * lax.rsqrt(variance + 1e-6)

    program = traced(layer_norm, ones(3, 3, 1, 4), (6, 6, 1))
    assert program.rewritten({"relu": "guided"}) == ()
    with pytest.raises(RuleError, match=r"the rule for 'relu' reaches nothing: the model has no such activation$"):
        program.run(ones(3, 3, 1, 4), jnp.ones((1, 6, 6, 1)), rules={"relu": "guided"})


def test_a_rule_that_reaches_nothing_says_what_there_is() -> None:
    program = traced(lambda p, x: jax.nn.silu(conv(x, p)), ones(3, 3, 1, 2), (6, 6, 1))
    with pytest.raises(RuleError, match=r"reaches nothing: the model has no such activation, only silu"):
        program.run(ones(3, 3, 1, 2), jnp.ones((1, 6, 6, 1)), rules={"relu": "guided"})


def test_an_unknown_rule_offers_the_known_ones_and_a_function_may_stand_for_one() -> None:
    program = traced(lambda p, x: jax.nn.relu(conv(x, p)), ones(3, 3, 1, 2), (6, 6, 1))
    x = jax.random.normal(jax.random.key(0), (1, 6, 6, 1))
    with pytest.raises(
        RuleError, match=r"no backward rule 'guide'; there are 'guided', 'deconv'. Did you mean 'guided'"
    ):
        program.run(ones(3, 3, 1, 2), x, rules={"relu": "guide"})
    outputs = program.run(ones(3, 3, 1, 2), x, rules={"relu": jnp.abs})[0]
    np.testing.assert_allclose(outputs, jnp.abs(conv(x, ones(3, 3, 1, 2))), atol=1e-6)


def test_a_functional_a_reused_and_a_jitted_relu_follow_the_rule_together() -> None:
    reused = jax.jit(jax.nn.relu)
    params = random_tree({name: {"kernel": ones(3, 3, 2, 2)} for name in "abcd"})

    def network(relus: list[Callable[[Any], Any]]) -> Callable[[Any, Any], Any]:
        def apply(p: Any, x: Any) -> Any:
            for name, relu in zip("abcd", relus, strict=True):
                x = relu(conv(x, p[name]["kernel"], 1, "SAME"))
            return x.mean((1, 2))

        return apply

    program = traced(network([jax.nn.relu, reused, reused, lambda x: jnp.maximum(x, 0)]), params, (6, 6, 2))
    assert len(program.rewritten({"relu": "deconv"})) == 4
    x = jax.random.normal(jax.random.key(3), (1, 6, 6, 2))
    for rule, patched in (("guided", guided_relu), ("deconv", deconv_relu)):
        found = jax.grad(lambda x, rule=rule: program.run(params, x, rules={"relu": rule})[0][0, 0])(x)
        expected = jax.grad(lambda x, patched=patched: network([patched] * 4)(params, x)[0, 0])(x)
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_rules_hold_inside_an_unrolled_scan() -> None:
    params = random_tree(ones(3, 3, 3, 2, 2))

    def network(relu: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def apply(p: Any, x: Any) -> Any:
            return lax.scan(lambda x, kernel: (relu(conv(x, kernel, 1, "SAME")), None), x, p)[0].sum((1, 2))

        return apply

    program: Program = traced(network(jax.nn.relu), params, (5, 5, 2))
    x = jax.random.normal(jax.random.key(3), (1, 5, 5, 2))
    found = jax.grad(lambda x: program.run(params, x, rules={"relu": "guided"})[0][0, 0])(x)
    expected = jax.grad(lambda x: network(guided_relu)(params, x)[0, 0])(x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(program.rewritten({"relu": "guided"})) == 3
