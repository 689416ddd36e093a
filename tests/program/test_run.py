"""Reading, adding, replacing and handling values; what is evaluated for it; and how that composes."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, named_scope

from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, ModelError, RuleError, UsageError
from cnnviz_jax.program import Program
from tests.program.plain import conv, ones, pool, random_tree, traced

SHAPES = {
    "stem": {"kernel": ones(3, 3, 3, 4), "bias": ones(4)},
    "left": {"kernel": ones(3, 3, 4, 4), "bias": ones(4)},
    "blocks": {"kernel": ones(3, 3, 3, 4, 4)},
    "fc": {"kernel": ones(4, 5), "bias": ones(5)},
}
PARAMS = random_tree(SHAPES)
X = jax.random.normal(jax.random.key(5), (1, 12, 10, 3))


def net(p: Any, x: Any) -> Any:
    """A little of everything: jit, remat, custom rules, a scan, a residual, a softmax-free head."""
    with named_scope("stem"):
        x = conv(x, p["stem"]["kernel"], 1, "SAME") + p["stem"]["bias"]
    x = pool(jax.nn.relu(x), 2, 2)
    with named_scope("left"):
        y = jax.checkpoint(lambda x: conv(x, p["left"]["kernel"], 1, "SAME") + p["left"]["bias"])(x)
    x = jax.jit(lambda x, y: jax.nn.relu(x + y))(x, y)
    with named_scope("blocks"):
        x = lax.scan(lambda x, k: (jax.nn.relu(conv(x, k, 1, "SAME")), None), x, p["blocks"]["kernel"])[0]
    return {"scores": x.mean((1, 2)) @ p["fc"]["kernel"] + p["fc"]["bias"]}


@pytest.fixture(scope="module")
def program() -> Program:
    return traced(net, PARAMS, (12, 10, 3))


def compiled_operations(fn: Callable[..., Any]) -> Counter[str]:
    text = jax.jit(fn).lower(PARAMS, X).compile().as_text()
    return Counter(re.findall(r"= \S+ ([a-z][a-z\-]*)\(", text))


def test_the_outputs_are_the_functions_own(program: Program) -> None:
    outputs, values = program.run(PARAMS, X)
    assert values == {}
    np.testing.assert_array_equal(outputs["scores"], net(PARAMS, X)["scores"])


def test_reading_nothing_and_changing_nothing_compile_to_the_same_operations(program: Program) -> None:
    direct = compiled_operations(net)
    assert sum(direct.values()) > 10
    assert compiled_operations(lambda p, x: program.run(p, x)[0]) == direct


def test_an_identity_at_every_layer_compiles_to_the_same_operations() -> None:
    def chain(p: Any, x: Any) -> Any:
        x = jax.jit(lambda x: jax.nn.relu(conv(x, p["stem"]["kernel"], 1, "SAME") + p["stem"]["bias"]))(x)
        x = pool(x, 2, 2)
        y = jax.checkpoint(lambda x: conv(x, p["left"]["kernel"], 1, "SAME") + p["left"]["bias"])(x)
        return jax.nn.relu(x + y).mean((1, 2)) @ p["fc"]["kernel"]

    program = traced(chain, PARAMS, (12, 10, 3))
    same = {name: lambda value: value for name in program.layers}
    assert len(same) >= 7
    assert compiled_operations(lambda p, x: program.run(p, x, replace=same)[0]) == compiled_operations(chain)


def test_every_layer_can_be_read_at_once_also_inside_scan_jit_and_remat(program: Program) -> None:
    names = list(program.layers)
    assert {"stem", "left", "add", "blocks[0].relu", "blocks[2].conv", "fc"} <= set(names)
    outputs, values = program.run(PARAMS, X, read=names)
    np.testing.assert_allclose(outputs["scores"], net(PARAMS, X)["scores"], atol=1e-6)
    for name in names:
        assert values[name].shape == program.layers[name].shape
    kernel = PARAMS["blocks"]["kernel"]
    x = values["relu#1"]
    for k in range(3):
        conv_value = conv(x, kernel[k], 1, "SAME")
        np.testing.assert_allclose(values[f"blocks[{k}].conv"], conv_value, atol=1e-6)
        x = jax.nn.relu(conv_value)
        np.testing.assert_allclose(values[f"blocks[{k}].relu"], x, atol=1e-6)


def test_values_are_changed_where_all_readers_see_it(program: Program) -> None:
    silent = {"blocks[0].relu": jnp.zeros_like}
    outputs, values = program.run(PARAMS, X, replace=silent, read=["blocks[0].relu", "blocks[2].relu"])
    assert not values["blocks[0].relu"].any()
    assert not values["blocks[2].relu"].any()
    np.testing.assert_allclose(outputs["scores"][0], PARAMS["fc"]["bias"], atol=1e-6)


def test_adding_is_what_finite_differences_see(program: Program) -> None:
    zero = {name: jnp.zeros(program.layers[name].shape) for name in ("stem", "blocks[1].conv")}

    def score(deltas: Any) -> Any:
        return program.run(PARAMS, X, add=deltas)[0]["scores"][0, 2]

    slopes = jax.grad(score)(zero)
    for name, place in (("stem", (0, 3, 4, 1)), ("blocks[1].conv", (0, 2, 2, 3))):
        values = [score({**zero, name: zero[name].at[place].set(step)}) for step in (1e-2, -1e-2)]
        np.testing.assert_allclose(slopes[name][place], (values[0] - values[1]) / 2e-2, atol=2e-3)


def test_replacing_by_a_value_cuts_off_everything_below(program: Program) -> None:
    layer = program.layers["blocks[1].relu"]

    def above(value: Any) -> Any:
        return program.run(PARAMS, X, replace={"blocks[1].relu": value})[0]["scores"]

    text = str(jax.make_jaxpr(above)(jnp.ones(layer.shape)))
    assert text.count("conv_general_dilated") == 1
    value = program.run(PARAMS, X, read=["blocks[1].relu"])[1]["blocks[1].relu"]
    np.testing.assert_allclose(above(value), net(PARAMS, X)["scores"], atol=1e-6)


def test_nothing_above_the_deepest_needed_value_is_evaluated(program: Program) -> None:
    def below(x: Any) -> Any:
        return program.run(PARAMS, x, read=["stem"], need_outputs=False)

    outputs, values = below(X)
    assert outputs is None
    assert list(values) == ["stem"]
    text = str(jax.make_jaxpr(below)(X))
    assert text.count("conv_general_dilated") == 1
    assert "scan" not in text


def test_a_scan_that_nothing_touches_stays_a_scan(program: Program) -> None:
    def read(name: str) -> str:
        return str(jax.make_jaxpr(lambda x: program.run(PARAMS, x, read=[name]))(X))

    assert "scan[" in read("stem")
    assert "scan[" not in read("blocks[1].conv")


def test_it_composes_with_jit_vmap_grad_jvp_and_checkpoint(program: Program) -> None:
    images = jax.random.normal(jax.random.key(9), (3, 12, 10, 3))

    def tapped(x: Any) -> Any:
        outputs, values = program.run(PARAMS, x, read=["left"], add={"left": jnp.ones(program.layers["left"].shape)})
        return outputs["scores"].sum() + values["left"].sum()

    one_by_one = jnp.stack([jax.grad(tapped)(x[None]) for x in images])
    together = jax.jit(jax.vmap(jax.grad(lambda x: tapped(x[None]))))(images)
    np.testing.assert_allclose(together, one_by_one[:, 0], atol=1e-5)
    np.testing.assert_allclose(jax.grad(jax.checkpoint(tapped))(X), jax.grad(tapped)(X), atol=1e-5)
    direction = jnp.ones_like(X)
    _, slope = jax.jvp(tapped, (X,), (direction,))
    np.testing.assert_allclose(slope, jnp.vdot(jax.grad(tapped)(X), direction), rtol=1e-3)
    by_channel = jax.vmap(
        lambda k: program.run(PARAMS, X, replace={"stem": lambda v: v.at[..., k].set(0.0)})[0]["scores"]
    )
    assert by_channel(jnp.arange(4)).shape == (4, 1, 5)


def test_an_intercepted_function_can_be_traced_and_intercepted_again(program: Program) -> None:
    def changed(p: Any, x: Any) -> Any:
        return program.run(p, x, replace={"left": lambda value: 2 * value})[0]

    again = traced(changed, PARAMS, (12, 10, 3))
    assert {"stem", "left", "fc", "add"} <= set(again.layers)
    value = again.run(PARAMS, X, read=["stem"], rules={"relu": "guided"})[1]["stem"]
    np.testing.assert_allclose(value, program.run(PARAMS, X, read=["stem"])[1]["stem"], atol=1e-6)
    np.testing.assert_allclose(again.run(PARAMS, X)[0]["scores"], changed(PARAMS, X)["scores"], atol=1e-6)


def test_another_checkpoint_runs_on_the_same_program(program: Program) -> None:
    other = random_tree(SHAPES, seed=3)
    np.testing.assert_allclose(program.run(other, X)[0]["scores"], net(other, X)["scores"], atol=1e-6)


def test_half_precision_stays_half() -> None:
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    program = Program.trace(net, half, jax.ShapeDtypeStruct((1, 12, 10, 3), jnp.bfloat16))
    outputs, values = program.run(half, X.astype(jnp.bfloat16), read=["blocks[0].conv"], rules={"relu": "deconv"})
    assert outputs["scores"].dtype == values["blocks[0].conv"].dtype == jnp.bfloat16


def test_handlers_compute_layers_and_are_given_what_the_program_does(program: Program) -> None:
    seen: dict[str, list[Any]] = {}

    def make(layer_node: Any) -> Any:
        def handler(layer_node: Any, inputs: list[Any], default: Any) -> Any:
            seen[layer_node.name] = inputs
            return 3 * default(*inputs)

        return handler

    handlers = program.override("conv", make)
    assert list(handlers) == ["stem", "left", "blocks[0].conv", "blocks[1].conv", "blocks[2].conv"]
    values = program.run(PARAMS, X, handlers={"stem": handlers["stem"]}, read=["stem"])[1]
    expected = 3 * (conv(X, PARAMS["stem"]["kernel"], 1, "SAME") + PARAMS["stem"]["bias"])
    np.testing.assert_allclose(values["stem"], expected, atol=1e-5)
    np.testing.assert_array_equal(seen["stem"][0], X)
    program.run(PARAMS, X, handlers=program.override("add", make))
    assert len(seen["add"]) == 2
    with pytest.raises(RuleError, match=r"no layer of kind 'gelu'; it has add, conv, dense"):
        program.override("gelu", make)
    with pytest.raises(LayerKindError, match=r"'blocks\[0\]' is a module of several operations"):
        program.run(PARAMS, X, handlers={"blocks[0]": make(None)})


def test_mistakes_are_named(program: Program) -> None:
    with pytest.raises(UsageError, match=r"traced for images of shape \(1, 12, 10, 3\), got \(2, 12, 10, 3\)"):
        program.run(PARAMS, jnp.zeros((2, 12, 10, 3)))
    with pytest.raises(ModelError, match="do not have the tree that was traced"):
        program.run({"stem": 1}, X)
    with pytest.raises(UsageError, match=r"layer 'stem' has shape \(1, 12, 10, 4\), its replacement \(4,\)"):
        program.run(PARAMS, X, replace={"stem": jnp.zeros(4)})
    with pytest.raises(LayerNotFoundError, match="no layer 'sten'"):
        program.run(PARAMS, X, add={"sten": 0.0})


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_canonical_values_are_rows_columns_channels_whatever_the_layout(layout: str) -> None:
    def apply(p: Any, x: Any) -> Any:
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        x = conv(x, p["kernel"], 1, "SAME", layout=layout)
        return x.mean((2, 3) if layout == "NCHW" else (1, 2))

    program = traced(apply, {"kernel": ones(3, 3, 3, 4)}, (12, 10, 3))
    layer_node = program.layers["conv"]
    assert (layer_node.axes, layer_node.canonical_shape, layer_node.is_map) == (layout, (12, 10, 4), True)
    value = program.run({"kernel": PARAMS["stem"]["kernel"]}, X, read=["conv"])[1]["conv"]
    canonical = layer_node.to_canonical(value)
    np.testing.assert_allclose(canonical, conv(X, PARAMS["stem"]["kernel"], 1, "SAME")[0], atol=1e-5)
    np.testing.assert_array_equal(layer_node.from_canonical(canonical), value)
    flat = program.layers["global_pool"]
    assert (flat.axes, flat.canonical_shape, flat.is_map) == ("NC", (4,), False)
    assert flat.from_canonical(jnp.arange(4.0)).shape == (1, 4)


def test_a_value_that_leaves_a_call_and_is_read_inside_it_too_is_changed_in_both_places() -> None:
    @jax.jit
    def inner(x: Any) -> Any:
        y = jax.nn.relu(x)
        return y, y * 2.0

    def apply(p: Any, x: Any) -> Any:
        return inner(conv(x, p))

    program = traced(apply, ones(1, 1, 3, 2), (4, 4, 3))
    (kept, doubled), _ = program.run(ones(1, 1, 3, 2), jnp.ones((1, 4, 4, 3)), replace={"relu": lambda y: y + 1.0})
    np.testing.assert_array_equal(kept, jnp.full((1, 4, 4, 2), 4.0))
    np.testing.assert_array_equal(doubled, 2 * kept)


def test_two_names_of_one_value_act_one_after_the_other() -> None:
    def apply(p: Any, x: Any) -> Any:
        with named_scope("outer"), named_scope("first"):
            return jax.nn.relu(conv(x, p))

    program = traced(apply, ones(1, 1, 3, 2), (4, 4, 3))
    assert {"outer", "outer.first", "outer.first.relu"} <= set(program.layers)
    x = jnp.ones((1, 4, 4, 3))
    shape = program.layers["outer"].shape
    outputs, _ = program.run(ones(1, 1, 3, 2), x, add={"outer": jnp.ones(shape), "outer.first.relu": jnp.ones(shape)})
    np.testing.assert_array_equal(outputs, jnp.full(shape, 5.0))
