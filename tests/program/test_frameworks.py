"""The reader against the frameworks' own captures: Flax Linen's intermediates and Flax NNX's `nnx.capture`."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, traverse_util
from jax import named_scope

from cnnviz_jax.program import Program

X = jax.random.normal(jax.random.key(0), (1, 16, 14, 3))


class Step(nn.Module):
    @nn.compact
    def __call__(self, x: Any, _: Any) -> Any:
        return nn.relu(nn.Conv(4, (3, 3), name="conv")(x)), None


class Block(nn.Module):
    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Any) -> Any:
        y = nn.Conv(self.features, (3, 3), strides=self.stride, use_bias=False)(x)
        y = nn.relu(nn.BatchNorm(use_running_average=True)(y))
        y = nn.GroupNorm(2)(nn.Conv(self.features, (3, 3), feature_group_count=2)(y))
        if self.stride != 1:
            x = nn.Conv(self.features, (1, 1), strides=self.stride, name="proj")(x)
        return nn.relu(x + y)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.max_pool(nn.relu(nn.Conv(4, (3, 3), name="stem")(x)), (2, 2), (2, 2))
        x = Block(4, name="layer1")(x)
        x = nn.remat(Block)(8, 2, name="layer2")(x)
        x = nn.LayerNorm(name="ln")(nn.Conv(4, (1, 1), name="squeeze")(x))
        steps = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)(name="blocks")
        x, _ = steps(x, None)
        return nn.Dense(5, name="fc")(x.mean((1, 2)))


def linen() -> tuple[Program, Any, Net]:
    net = Net()
    variables = net.init(jax.random.key(1), X)
    paths = jax.tree_util.tree_flatten_with_path(variables)[0]
    names = [".".join(key.key for key in path[1:]) for path, _ in paths]
    return Program.trace(net.apply, variables, X, param_paths=names, scope_root="Net"), variables, net


def test_linen_layers_are_its_modules_and_what_stands_between() -> None:
    program, _, _ = linen()
    kinds = {name: layer_node.kind for name, layer_node in program.layers.items()}
    for name, kind in {
        "stem": "conv", "relu": "relu", "max_pool": "max_pool", "layer1.Conv_0": "conv", "layer1.BatchNorm_0": "norm",
        "layer1.Conv_1": "conv", "layer1.GroupNorm_0": "norm", "layer1.add": "add", "layer1.relu#1": "relu",
        "layer1": "module", "layer2.proj": "conv", "ln": "norm", "blocks[0].conv": "conv", "blocks[1].relu": "relu",
        "global_pool": "global_pool", "fc": "dense",
    }.items():  # fmt: skip
        assert kinds[name] == kind, name
    assert sum(kind == "global_pool" for kind in kinds.values()) == 1
    assert sum(kind == "relu" for kind in kinds.values()) == 7


def test_values_equal_linens_own_intermediates() -> None:
    program, variables, net = linen()
    _, state = net.apply(variables, X, capture_intermediates=True, mutable=["intermediates"])
    captured = {
        ".".join(path[:-1]): values[0]
        for path, values in traverse_util.flatten_dict(state["intermediates"]).items()
        if len(path) > 1 and path[0] != "blocks"
    }
    assert len(captured) >= 12
    values = program.run(variables, X, read=list(captured))[1]
    for name, value in captured.items():
        np.testing.assert_allclose(values[name], value, atol=1e-5, err_msg=name)


def test_kernels_are_linens_parameters() -> None:
    program, variables, _ = linen()
    params = variables["params"]
    for name, kernel in {
        "stem": params["stem"]["kernel"],
        "layer1.Conv_1": params["layer1"]["Conv_1"]["kernel"],
        "layer2.proj": params["layer2"]["proj"]["kernel"],
        "blocks[1].conv": params["blocks"]["conv"]["kernel"][1],
        "fc": params["fc"]["kernel"],
    }.items():
        np.testing.assert_array_equal(program.kernel(name, variables), kernel, err_msg=name)


class Residual(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(4, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.conv2 = nnx.Conv(4, 4, (3, 3), rngs=rngs)

    def __call__(self, x: Any) -> Any:
        y = nnx.relu(self.norm(self.conv1(x)))
        return nnx.relu(x + self.conv2(y))


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.blocks = nnx.List([Residual(rngs), Residual(rngs)])
        self.fc = nnx.Linear(4, 5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.max_pool(nnx.relu(self.stem(x)), (2, 2), (2, 2))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((1, 2)))


def scoped(net: NnxNet, x: Any) -> Any:
    """What an adapter does: one scope per call of a module, containers as dots inside it."""
    with named_scope("stem"):
        x = net.stem(x)
    x = nnx.max_pool(nnx.relu(x), (2, 2), (2, 2))
    for k, block in enumerate(net.blocks):
        with named_scope(f"blocks.{k}"):
            with named_scope("conv1"):
                y = block.conv1(x)
            with named_scope("norm"):
                y = block.norm(y)
            y = nnx.relu(y)
            with named_scope("conv2"):
                y = block.conv2(y)
            x = nnx.relu(x + y)
    x = x.mean((1, 2))
    with named_scope("fc"):
        return net.fc(x)


def test_values_equal_nnxs_own_capture() -> None:
    net = NnxNet(nnx.Rngs(0))
    graph, state = nnx.split(net)
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    paths = [
        ".".join(str(getattr(key, "key", getattr(key, "idx", ""))) for key in path).strip(".") for path, _ in leaves
    ]
    program = Program.trace(lambda s, x: scoped(nnx.merge(graph, s), x), state, X, param_paths=paths)
    _, captured = nnx.capture(net, nnx.Intermediate, method_outputs=nnx.Intermediate)(X)
    outputs = {
        ".".join(str(part) for part in path if part != "__call__"): value
        for path, value in nnx.to_flat_state(captured)
        if len(path) > 1
    }
    assert {"stem", "blocks.0.conv1", "blocks.1.norm", "blocks.1", "fc"} <= set(outputs)
    values = program.run(state, X, read=list(outputs))[1]
    for name, value in outputs.items():
        np.testing.assert_allclose(values[name], jax.tree.leaves(value)[0], atol=1e-5, err_msg=name)


def test_parameter_paths_alone_name_the_layers_of_an_unscoped_nnx_net() -> None:
    net = NnxNet(nnx.Rngs(0))
    graph, state = nnx.split(net)
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    paths = [
        ".".join(str(getattr(key, "key", getattr(key, "idx", ""))) for key in path).strip(".") for path, _ in leaves
    ]
    program = Program.trace(lambda s, x: nnx.merge(graph, s)(x), state, X, param_paths=paths)
    assert [name for name, layer_node in program.layers.items() if layer_node.is_module] == [
        "stem", "blocks.0.conv1", "blocks.0.norm", "blocks.0.conv2",
        "blocks.1.conv1", "blocks.1.norm", "blocks.1.conv2", "fc",
    ]  # fmt: skip
    np.testing.assert_array_equal(program.kernel("blocks.1.conv2", state), net.blocks[1].conv2.kernel[...])
    assert jnp.shape(program.run(state, X)[0]) == (1, 5)
