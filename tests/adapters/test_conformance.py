"""One contract for every adapter: the same network, written in any framework, is the same model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from tests.adapters import networks
from tests.adapters.networks import FRAMEWORKS, NAMES, adapted, images, native

OTHERS = [framework for framework in FRAMEWORKS if framework != "linen"]
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
each_network = pytest.mark.parametrize("name", NAMES)

_models: dict[tuple[str, str], cv.Model] = {}


def model_of(framework: str, name: str) -> cv.Model:
    if (framework, name) not in _models:
        _models[framework, name] = adapted(framework, name)
    return _models[framework, name]


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
        return [
            (layer.name, layer.kind, layer.shape, layer.channels, layer.receptive_field)
            for layer in model.layers.values()
        ]

    assert table(model_of(framework, name)) == table(model_of("linen", name))


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
    reference, model = model_of("linen", name), model_of(framework, name)
    expected = cv.capture(reference, images(2), list(reference.layers))
    found = cv.capture(model, images(2), list(model.layers))
    assert list(found) == list(expected)
    for layer, value in expected.items():
        np.testing.assert_allclose(found[layer], value, atol=1e-6, err_msg=layer)


@each_network
@pytest.mark.parametrize(("framework", "outputs"), [("linen", linen_outputs), ("nnx", nnx_outputs)])
def test_captured_values_are_the_frameworks_own(framework, outputs, name: str) -> None:
    model = model_of(framework, name)
    own = {path: value for path, value in outputs(name, images(2)).items() if path and path != "drop"}
    assert len(own) >= 5
    found = cv.capture(model, images(2), list(own))
    for path, value in own.items():
        np.testing.assert_allclose(found[path], value, atol=1e-6, err_msg=path)


@each_network
@each_framework
def test_kernels_are_the_parameters_bit_for_bit(framework: str, name: str) -> None:
    model, flat = model_of(framework, name), networks.weights(name)
    kernels = {path: layer.kernel for path, layer in model.layers.items() if f"{path}.kernel" in flat}
    assert sorted(kernels) == sorted(path.removesuffix(".kernel") for path in flat if path.endswith(".kernel"))
    for path, kernel in kernels.items():
        np.testing.assert_array_equal(kernel, flat[f"{path}.kernel"], err_msg=path)
        assert model.layers[path].params == (f"{path}.kernel",)


@each_network
@each_framework
def test_parameters_have_one_readable_path_each(framework: str, name: str) -> None:
    pure = model_of(framework, name).structure.pure
    assert len(pure.param_paths) == len(jax.tree.leaves(pure.params)) == len(set(pure.param_paths))
    leaves = dict(zip(pure.param_paths, jax.tree.leaves(pure.params), strict=True))
    flat = networks.weights(name)
    assert set(flat) <= set(leaves)
    assert all(path in flat or ".rngs." in path for path in leaves)
    np.testing.assert_array_equal(
        leaves["layer1.bn1.mean" if name == "resnet" else "bn1.mean"],
        flat["layer1.bn1.mean" if name == "resnet" else "bn1.mean"],
    )


@each_network
@each_framework
def test_names_and_kinds_do_not_depend_on_the_batch(framework: str, name: str) -> None:
    from cnnviz_jax.program import Program

    structure = model_of(framework, name).structure
    tables = []
    for count in (1, 4):
        shape = jax.ShapeDtypeStruct((count, *networks.INPUT_SHAPE), jnp.float32)
        program = Program.trace(structure.apply, structure.pure.params, shape, param_paths=structure.pure.param_paths)
        tables.append([(layer, site.kind) for layer, site in program.layers.items()])
    assert tables[0] == tables[1]


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
    before = [repr(part) for part in objects if not callable(part) or framework in ("linen", "nnx")]
    axes = "NCHW" if framework.endswith("nchw") else None
    cv.adapt(*objects, input_shape=networks.INPUT_SHAPE, axes=axes)(images(1))
    assert [repr(part) for part in objects if not callable(part) or framework in ("linen", "nnx")] == before
