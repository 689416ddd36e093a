"""What layers are called, of what kind they are, and in what order they stand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, named_scope

from cnnviz_jax.errors import LayerNotFoundError, ModelError
from cnnviz_jax.program import Program
from tests.program.plain import conv, ones, pool, traced


def table(program: Program) -> list[tuple[str, str]]:
    return [(name, layer_node.kind) for name, layer_node in program.layers.items()]


def batch_norm(p: Any, x: Any) -> Any:
    return (x - p["mean"]) * lax.rsqrt(p["var"] + 1e-5) * p["scale"] + p["bias"]


def norm_params(channels: int) -> Any:
    return {name: ones(channels) for name in ("mean", "var", "scale", "bias")}


def residual(p: Any, x: Any) -> Any:
    y = jax.nn.relu(batch_norm(p["bn1"], conv(x, p["conv1"]["kernel"], 1, "SAME")))
    y = batch_norm(p["bn2"], conv(y, p["conv2"]["kernel"], 1, "SAME"))
    return jax.nn.relu(y + x)


BLOCK = {
    "conv1": {"kernel": ones(3, 3, 4, 4)},
    "bn1": norm_params(4),
    "conv2": {"kernel": ones(3, 3, 4, 4)},
    "bn2": norm_params(4),
}
NET = {
    "stem": {"kernel": ones(3, 3, 3, 4), "bias": ones(4)},
    "layer1": BLOCK,
    "fc": {"kernel": ones(4, 5), "bias": ones(5)},
}


def net(p: Any, x: Any) -> Any:
    x = (x - jnp.array([0.4, 0.5, 0.6])) / jnp.array([0.2, 0.2, 0.3])
    x = jax.nn.relu(conv(x, p["stem"]["kernel"], 2, "SAME") + p["stem"]["bias"])
    x = pool(x, 2, 2)
    x = residual(p["layer1"], x)
    x = jnp.concatenate([x, x], -1)[..., :4]
    return x.mean((1, 2)) @ p["fc"]["kernel"] + p["fc"]["bias"]


def test_without_scopes_layers_are_called_after_their_parameters() -> None:
    program = traced(net, NET, (16, 16, 3))
    assert table(program) == [
        ("stem", "conv"),
        ("relu", "relu"),
        ("max_pool", "max_pool"),
        ("layer1.conv1", "conv"),
        ("layer1.bn1", "norm"),
        ("relu#1", "relu"),
        ("layer1.conv2", "conv"),
        ("layer1.bn2", "norm"),
        ("add", "add"),
        ("relu#2", "relu"),
        ("concat", "concat"),
        ("global_pool", "global_pool"),
        ("fc", "dense"),
    ]
    assert program.layers["stem"].shape == (1, 8, 8, 4)
    assert program.layers["stem"].is_module
    assert program.layers["relu"].calls == 3


def test_scopes_come_first_and_parameters_go_on_where_they_stop() -> None:
    def scoped(p: Any, x: Any) -> Any:
        with named_scope("Net"):
            with named_scope("stem"):
                x = conv(x, p["stem"]["kernel"]) + p["stem"]["bias"]
            with named_scope("layer1"):
                x = residual(p["layer1"], x)
            with named_scope("head/out"), named_scope("eqx.nn.Linear"):
                x = x.mean((1, 2)) @ p["fc"]["kernel"]
        return x

    program = traced(scoped, NET, (16, 16, 3), scope_root="Net", scope_hints=[r"eqx\.nn\..*"])
    assert table(program) == [
        ("stem", "conv"),
        ("layer1.conv1", "conv"),
        ("layer1.bn1", "norm"),
        ("layer1.relu", "relu"),
        ("layer1.conv2", "conv"),
        ("layer1.bn2", "norm"),
        ("layer1.add", "add"),
        ("layer1.relu#1", "relu"),
        ("layer1", "module"),
        ("head.out.global_pool", "global_pool"),
        ("head.out.dense", "dense"),
        ("head.out", "module"),
        ("head", "module"),
    ]
    values = program.run(NET, jnp.ones((1, 16, 16, 3)), read=["layer1", "layer1.relu#1"], need_outputs=False)[1]
    np.testing.assert_array_equal(values["layer1"], values["layer1.relu#1"])


def test_containers_are_dots_and_calls_are_slashes_in_injected_scopes() -> None:
    def injected(p: Any, x: Any) -> Any:
        with named_scope("layer2"), named_scope("proj"):
            for k in range(2):
                with named_scope(f"layers.{k}"):
                    x = conv(x, p[k])
        return x

    assert table(traced(injected, [ones(1, 1, 3, 3)] * 2, (8, 8, 3))) == [
        ("layer2.proj.layers.0", "conv"),
        ("layer2.proj.layers.1", "conv"),
        ("layer2.proj", "module"),
        ("layer2", "module"),
    ]


def test_transforms_on_the_name_stack_are_not_names() -> None:
    def single(kernel: Any, image: Any) -> Any:
        with named_scope("conv1"):
            return conv(image[None], kernel)[0]

    def batched(kernel: Any, x: Any) -> Any:
        with named_scope("body"):
            return jax.vmap(lambda image: single(kernel, image))(x)

    program = traced(batched, ones(3, 3, 3, 2), (8, 8, 3))
    assert table(program) == [("body.conv1", "conv"), ("body", "module")]
    assert program.layers["body.conv1"].canonical_shape == (6, 6, 2)


@pytest.mark.parametrize("size", [16, 24])
@pytest.mark.parametrize("batch", [1, 4])
def test_names_and_kinds_depend_neither_on_the_batch_nor_on_the_image_size(batch: int, size: int) -> None:
    example = jax.ShapeDtypeStruct((batch, size, size + 2, 3), jnp.float32)
    assert table(Program.trace(net, NET, example)) == table(traced(net, NET, (16, 16, 3)))


def test_a_module_used_twice_gives_two_rows() -> None:
    params = {"shared": {"kernel": ones(3, 3, 2, 2), "bias": ones(2)}}

    def apply(p: Any, x: Any) -> Any:
        for _ in range(2):
            with named_scope("shared"):
                x = conv(x, p["shared"]["kernel"]) + p["shared"]["bias"]
        return x

    program = traced(apply, params, (8, 8, 2))
    assert table(program) == [("shared", "conv"), ("shared#1", "conv")]
    assert [layer_node.calls for layer_node in program.layers.values()] == [2, 2]
    assert [layer_node.shape for layer_node in program.layers.values()] == [(1, 6, 6, 2), (1, 4, 4, 2)]
    x = jnp.ones((1, 8, 8, 2))
    values = program.run(params, x, read=["shared", "shared#1"])[1]
    np.testing.assert_allclose(values["shared"], conv(x, ones(3, 3, 2, 2)) + 1)
    np.testing.assert_allclose(values["shared#1"], conv(values["shared"], ones(3, 3, 2, 2)) + 1)


def test_a_block_called_twice_is_two_calls_of_all_its_layers() -> None:
    def apply(p: Any, x: Any) -> Any:
        for _ in range(2):
            with named_scope("block"):
                with named_scope("conv"):
                    x = conv(x, p["kernel"], 1, "SAME")
                x = jax.nn.relu(x)
        return x

    assert table(traced(apply, {"kernel": ones(3, 3, 2, 2)}, (8, 8, 2))) == [
        ("block.conv", "conv"),
        ("block.relu", "relu"),
        ("block", "module"),
        ("block.conv#1", "conv"),
        ("block.relu#1", "relu"),
        ("block#1", "module"),
    ]


@pytest.mark.parametrize("scoped", [True, False])
def test_a_scan_is_unrolled_into_numbered_blocks(scoped: bool) -> None:
    params = {"blocks": {"conv": {"kernel": ones(3, 3, 3, 2, 2)}, "scale": {"scale": ones(3, 2), "bias": ones(3, 2)}}}

    def body(x: Any, p: Any) -> Any:
        y = conv(x, p["conv"]["kernel"], 1, "SAME")
        return jax.nn.relu(y * p["scale"]["scale"] + p["scale"]["bias"]), y.mean()

    def scoped_body(x: Any, p: Any) -> Any:
        with named_scope("conv"):
            x = conv(x, p["conv"]["kernel"], 1, "SAME")
        return jax.nn.relu(x), x.mean()

    def apply(p: Any, x: Any) -> Any:
        if scoped:
            with named_scope("blocks"):
                return lax.scan(scoped_body, x, p["blocks"])
        return lax.scan(body, x, p["blocks"])

    names = list(traced(apply, params, (8, 8, 2)).layers)
    if scoped:
        assert names[:3] == ["blocks[0].conv", "blocks[0].relu", "blocks[0]"]
    else:
        assert names[:3] == ["blocks[0].conv", "blocks[0].scale", "blocks[0].relu"]
    assert "blocks[2].conv" in names


def test_flat_parameter_names_give_their_first_word() -> None:
    params = {"conv1_w": ones(3, 3, 3, 2), "conv1_b": ones(2), "out_w": ones(2, 4), "out_b": ones(4)}

    def apply(p: Any, x: Any) -> Any:
        x = jnp.maximum(conv(x, p["conv1_w"]) + p["conv1_b"], 0)
        return x.mean((1, 2)) @ p["out_w"] + p["out_b"]

    assert table(traced(apply, params, (8, 8, 3))) == [
        ("conv1", "conv"),
        ("relu", "relu"),
        ("global_pool", "global_pool"),
        ("out", "dense"),
    ]


def test_parameters_that_are_closed_over_have_kinds_for_names_and_kernels_still() -> None:
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 3, 2))
    program = traced(lambda _, x: jax.nn.relu(conv(x, kernel)), (), (8, 8, 3))
    assert table(program) == [("conv", "conv"), ("relu", "relu")]
    np.testing.assert_array_equal(program.kernel("conv", ()), kernel)


def test_norms_inside_modules_are_one_row() -> None:
    def apply(p: Any, x: Any) -> Any:
        with named_scope("ln"):
            mean = x.mean(-1, keepdims=True)
            variance = jnp.maximum((x * x).mean(-1, keepdims=True) - mean * mean, 0)
            x = (x - mean) * lax.rsqrt(variance + 1e-6) * p["scale"] + p["bias"]
        with named_scope("instance"):
            mean = x.mean((1, 2), keepdims=True)
            return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean((1, 2), keepdims=True) + 1e-5)

    assert table(traced(apply, {"scale": ones(3), "bias": ones(3)}, (8, 8, 3))) == [
        ("ln", "norm"),
        ("instance", "norm"),
    ]


def test_pools_by_their_kind() -> None:
    def apply(_: Any, x: Any) -> Any:
        average = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
        counts = lax.reduce_window(jnp.ones_like(x), 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
        x = pool(average / counts, 3, 1)
        return x.max((1, 2)), x.reshape(1, -1)

    assert table(traced(apply, (), (9, 9, 2))) == [
        ("avg_pool", "avg_pool"),
        ("max_pool", "max_pool"),
        ("global_pool", "global_pool"),
        ("flatten", "flatten"),
    ]


def test_an_unknown_layer_offers_near_matches_and_slashes_are_dots() -> None:
    program = traced(net, NET, (16, 16, 3))
    assert program.layer_node("layer1/conv1") is program.layers["layer1.conv1"]
    with pytest.raises(LayerNotFoundError, match=r"no layer 'layer1.conv3' in this program. Did you mean 'layer1.conv"):
        program.run(NET, jnp.ones((1, 16, 16, 3)), read=["layer1.conv3"])


def test_a_function_that_cannot_be_traced_is_refused_in_a_sentence() -> None:
    def looks(_: Any, x: Any) -> Any:
        return x if x.sum() > 0 else -x

    def numpy(_: Any, x: Any) -> Any:
        return np.maximum(np.asarray(x), 0)

    for fn in (looks, numpy):
        with pytest.raises(ModelError, match="the model cannot be traced: its Python code needs the numbers"):
            traced(fn, (), (8, 8, 3))
    with pytest.raises(ModelError, match=r"the model fails on images of shape \(1, 8, 8, 3\): TypeError: .*shape"):
        traced(lambda p, x: x @ p, ones(4, 4), (8, 8, 3))
    with pytest.raises(ModelError, match="1 parameter paths for 2 parameters"):
        traced(net, [ones(1), ones(1)], (8, 8, 3), param_paths=["a"])


def test_a_program_over_tracers_runs_inside_the_call_that_traced_it() -> None:
    @jax.jit
    def outer(kernel: Any, x: Any) -> Any:
        program = traced(lambda _, x: conv(x, kernel), (), (8, 8, 3))
        return program.run((), x)[0]

    kernel, x = ones(3, 3, 3, 2), jnp.ones((1, 8, 8, 3))
    np.testing.assert_allclose(outer(kernel, x), conv(x, kernel))
