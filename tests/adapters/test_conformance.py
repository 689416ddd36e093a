"""One contract for every adapter: the same network, written in any framework, is the same model."""

import re
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.program import Program
from tests.adapters import networks
from tests.adapters.networks import EVERY, FURTHER, NAMES, images, model_of, native

OTHERS = [framework for framework in EVERY if framework != "linen"]
each_framework = pytest.mark.parametrize("framework", EVERY)
each_network = pytest.mark.parametrize("name", NAMES)
LINES = sum(networks.INPUT_SHAPE[:2])
"""Rows and columns of an image; all captures here are of as many images, so that one compilation serves them."""


def values_of(model: cv.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of the first images at every layer."""
    padded = np.concatenate([x, np.zeros((LINES - len(x), *networks.INPUT_SHAPE), np.float32)])
    return {name: np.asarray(v)[: len(x)] for name, v in cv.capture(model, padded, list(model.layers)).items()}


def linen_outputs(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what Linen's own capture says each module returned, by dotted path."""
    module, variables = networks.linen(name)
    _, state = module.apply(variables, x, train=False, capture_intermediates=True, mutable=["intermediates"])
    flat = jax.tree_util.tree_flatten_with_path(state["intermediates"])[0]
    return {
        ".".join(key.key for key in keys if hasattr(key, "key") and key.key != "__call__"): value
        for keys, value in flat
        if keys[-1].idx == 0
    }


def nnx_outputs(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what NNX's own capture says each module returned, by dotted path."""
    module = nnx.view(networks.nnx_module(name), deterministic=True, use_running_average=True)
    _, state = nnx.capture(module, nnx.Intermediate, method_outputs=nnx.Intermediate)(x)
    flat = nnx.to_flat_state(state)
    return {".".join(map(str, path[:-1])): variable.get_value()[0] for path, variable in flat}  # of the first call


@each_network
@pytest.mark.parametrize("framework", OTHERS)
def test_the_layer_table_is_the_same_in_every_framework(framework: str, name: str) -> None:
    def table(model: cv.Model) -> list[tuple[object, ...]]:
        return [(layer.kind, layer.shape, layer.channels, layer.receptive_field) for layer in model.layers.values()]

    model, reference = model_of(framework, name), model_of("linen", name)
    assert table(model) == table(reference)
    own = {"equinox": ["pool", "pool#1"], "keras": ["relu1", "pool1", "relu2", "pool2"]}.get(framework, [])
    differing = [ours for ours, theirs in zip(model.layers, reference.layers, strict=True) if ours != theirs]
    assert differing == (own if name == "vgg" else [])  # pools and activations that are modules with names there


@each_network
@each_framework
def test_layers_are_called_as_the_user_called_them(framework: str, name: str) -> None:
    expected = {
        "vgg": ["conv1", "bn1", "conv2", "bn2", "dense"],
        "resnet": [
            "stem",
            "layer1.conv1",
            "layer1.relu",
            "layer1.bn2",
            "layer1.relu#1",
            "layer1",
            "layer2.shortcut",
            "fc",
        ],
    }[name]
    layers = model_of(framework, name).layers
    assert [layer for layer in layers if layer in expected] == expected
    assert layers[expected[0]].kind == "conv"
    assert layers[expected[0].replace(".", "/")] is layers[expected[0]]
    assert layers[expected[-1]].shape == (networks.CLASSES,)


@each_network
@each_framework
def test_scores_are_the_networks_own(framework: str, name: str) -> None:
    x = images(3)
    module, variables = networks.linen(name)
    np.testing.assert_allclose(model_of(framework, name)(x), module.apply(variables, x, train=False), atol=1e-6)


@each_network
@pytest.mark.parametrize("framework", OTHERS)
def test_captured_values_are_the_same_in_every_framework(framework: str, name: str) -> None:
    expected = values_of(model_of("linen", name), images(2))
    found = values_of(model_of(framework, name), images(2))
    for (layer, value), ours in zip(expected.items(), found.values(), strict=True):
        np.testing.assert_allclose(ours, value, atol=1e-5, err_msg=layer)


@each_network
@pytest.mark.parametrize("framework", ["linen", "nnx", *FURTHER])
def test_captured_values_are_the_frameworks_own(framework: str, name: str) -> None:
    own_outputs = {"linen": linen_outputs, "nnx": nnx_outputs}.get(framework)
    outputs = (own_outputs or networks.further(framework).outputs)(name, images(2))
    own = {path: value for path, value in outputs.items() if path and path != "drop"}
    assert len(own) >= 5
    found = values_of(model_of(framework, name), images(2))
    for path, value in own.items():
        np.testing.assert_allclose(found[path], np.asarray(value), atol=1e-5, err_msg=path)


@each_network
@each_framework
def test_kernels_are_the_parameters_bit_for_bit(framework: str, name: str) -> None:
    model, flat = model_of(framework, name), networks.weights(name)
    kernels = {path: layer.kernel for path, layer in model.layers.items() if f"{path}.kernel" in flat}
    assert sorted(kernels) == sorted(path.removesuffix(".kernel") for path in flat if path.endswith(".kernel"))
    for path, kernel in kernels.items():
        np.testing.assert_array_equal(kernel, flat[f"{path}.kernel"], err_msg=path)
        assert model.layers[path].params == (networks.parameter(framework, f"{path}.kernel"),)


@each_network
@each_framework
def test_parameters_have_one_readable_path_each(framework: str, name: str) -> None:
    pure = model_of(framework, name).structure.pure
    assert len(pure.param_paths) == len(jax.tree.leaves(pure.params)) == len(set(pure.param_paths))
    leaves = dict(zip(pure.param_paths, jax.tree.leaves(pure.params), strict=True))
    flat = {networks.parameter(framework, path): array for path, array in networks.weights(name).items()}
    assert set(flat) <= set(leaves)
    # Beside them there are only counters, and states of random numbers.
    others = r"rngs|seed_generator|num_batches_tracked|ema_first_time_index|counter|hidden"
    assert all(path in flat or re.search(others, path) for path in leaves)
    mean = networks.parameter(framework, "layer1.bn1.mean" if name == "resnet" else "bn1.mean")
    np.testing.assert_array_equal(np.ravel(leaves[mean]), flat[mean])


@each_network
@each_framework
def test_names_and_kinds_do_not_depend_on_the_batch(framework: str, name: str) -> None:
    structure = model_of(framework, name).structure
    tables = []
    for count in (1, 4):
        shape = jax.ShapeDtypeStruct((count, *networks.INPUT_SHAPE), jnp.float32)
        pure = structure.pure
        program = Program.trace(
            structure.apply, pure.params, shape, param_paths=pure.param_paths,
            scope_root=pure.scope_root, scope_hints=pure.scope_hints,
        )  # fmt: skip
        tables.append([(layer, layer_node.kind) for layer, layer_node in program.layers.items()])
    assert tables[0] == tables[1] == [(layer.name, layer.kind) for layer in model_of(framework, name).layers.values()]


@each_network
@each_framework
def test_dropout_and_batch_statistics_are_off(framework: str, name: str) -> None:
    model, x = model_of(framework, name), images(4)
    alone = np.concatenate([model(x[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(model(x), alone, atol=1e-6)
    assert not model.warnings


@each_network
@each_framework
def test_one_compiled_model_serves_other_parameters(framework: str, name: str) -> None:
    model = model_of(framework, name)
    halved = model.with_params(
        jax.tree.map(lambda leaf: leaf * 0.5 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, model.params)
    )
    dense = networks._DENSE[name][0]
    np.testing.assert_array_equal(halved.layers[dense].kernel, 0.5 * model.layers[dense].kernel)
    assert np.abs(np.asarray(halved(images(1)) - model(images(1)))).max() > 1e-3


@each_network
@each_framework
def test_the_user_object_is_left_as_it_was(framework: str, name: str) -> None:
    objects = native(framework, name)

    def state() -> list[str]:
        parts = [repr(part) for part in objects if framework in ("linen", "nnx", "equinox") or not callable(part)]
        if framework == "torch":
            modules = objects[0].modules()
            parts += [f"{m.training} {sorted(vars(m))}" for m in modules] + [repr(objects[0].state_dict())]
        if framework == "keras":
            parts += [f"{v.path} {np.asarray(v)}" for v in objects[0].variables]
        return parts

    before = state()
    axes = "NCHW" if framework.endswith("nchw") else None
    cv.adapt(*objects, input_shape=networks.INPUT_SHAPE, axes=axes)
    assert state() == before


@each_network
@each_framework
def test_receptive_fields_are_exactly_what_each_line_of_units_answers_to(framework: str, name: str) -> None:
    model = model_of(framework, name)
    positive = jax.tree.map(
        lambda leaf: jnp.abs(leaf) + 0.1 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, model.params
    )
    height, width, _ = networks.INPUT_SHAPE
    lines = np.zeros((LINES, *networks.INPUT_SHAPE), np.float32)
    for i in range(height):
        lines[i, i] = 1.0
    for i in range(width):
        lines[height + i, :, i] = 1.0
    # Parameters are positive, and so is what a line adds: no maximum and no ReLU can hide it.
    model = model.with_params(positive)
    dark = values_of(model, np.zeros((1, *networks.INPUT_SHAPE), np.float32))
    found = values_of(model, lines)
    checked = 0
    for layer in model.layers.values():
        if not layer.is_map:
            continue
        changed = np.abs(found[layer.name] - dark[layer.name]) > 1e-6 * np.abs(dark[layer.name])
        for axis, part in ((0, changed[:height]), (1, changed[height:])):
            sees = part.any(tuple(k for k in (1, 2, 3) if k != axis + 1)).T  # unit, line of the image
            reach = (layer.receptive_field.rows, layer.receptive_field.columns)[axis]
            ends = [tuple(np.flatnonzero(row)[[0, -1]]) for row in sees]
            assert ends == list(zip(reach.first, reach.last, strict=True)), (layer.name, axis)
            checked += len(ends)
    assert checked > 100


def guided(x: Any) -> Any:
    @jax.custom_vjp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defvjp(lambda x: (jnp.maximum(x, 0), x > 0), lambda on, g: (jnp.where(on & (g > 0), g, jnp.zeros_like(g)),))
    return relu(x)


@each_network
@each_framework
def test_guided_backpropagation_is_the_frameworks_own_with_its_relu_patched(framework, name, monkeypatch) -> None:
    model, image = model_of(framework, name), jnp.asarray(images(1)[0])
    target = cv.targets.ClassScore(jnp.asarray(2))
    found = jax.grad(lambda image: model.score(image, target, rules={"relu": "guided"})[0])(image)
    plain = jax.grad(lambda image: model.score(image, target)[0])(image)
    if framework == "torch":
        expected = networks.further(framework).guided_gradient(name, images(1), 2)[0]
    else:
        for place in ("jax.nn.relu", "flax.linen.relu", "flax.nnx.relu"):
            monkeypatch.setattr(place, guided)
        apply = model.structure.apply
        expected = jax.grad(lambda x: apply(model.params, x)[0][0, 2])(image[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - plain).max() > 1e-4


@each_framework
def test_an_identity_at_every_layer_compiles_to_the_same_operations(framework: str) -> None:
    model, image = model_of(framework, "resnet"), jnp.asarray(images(1)[0])

    def operations(fn: Any) -> Counter[str]:
        text = jax.jit(fn).lower(model.params, image).compile().as_text()
        return Counter(re.findall(r"= \S+ (\w[\w-]*)\(", text))

    layers = [name for name in model.layers if name != "input"]
    direct = operations(lambda params, image: model.with_params(params).run(image)[0])
    intercepted = operations(
        lambda params, image: model.with_params(params).run(image, replace={name: lambda v: v for name in layers})[0]
    )
    assert direct == intercepted
    assert direct
