"""Which layers a layer is computed from."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.site.network import chosen_layers, input_of, layer_rows, slices_of, sources_of
from tests.explain.small_network import model as small


def conv(x, kernel, name):
    with jax.named_scope(name):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def branched(params, x):
    first = jax.nn.relu(conv(x, params["a"], "a"))
    left, right = conv(first, params["b"], "b"), conv(first, params["c"], "c")
    joined = jnp.concatenate([left, right], -1)
    with jax.named_scope("block"):  # a module whose value its last operation has, too
        joined = conv(joined, params["d"], "d")
    return jax.nn.relu(joined).mean((1, 2))


def model():
    rng = np.random.default_rng(0)
    shapes = {"a": (3, 3, 3, 4), "b": (1, 1, 4, 2), "c": (1, 1, 4, 3), "d": (1, 1, 5, 6)}
    params = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    return cv.adapt(branched, params, input_shape=(6, 6, 3))


def test_a_chain_links_each_layer_to_the_one_before():
    links = small().program.links
    names = list(links)
    assert links[names[0]] == ("input",)
    assert all(links[name] == (before,) for before, name in itertools.pairwise(names))


def test_branches_and_joins_are_told_and_a_second_name_leads_to_the_first():
    links, layers = model().program.links, model().layers
    (join,) = (name for name, layer in layers.items() if layer.kind == "concat")
    assert set(links[join]) == {"b", "c"}
    relus = [name for name, layer in layers.items() if layer.kind == "relu"]
    assert links["b"] == links["c"] == (relus[0],)
    values = [node.value for node in model().program.layers.values()]
    for name, node in model().program.layers.items():
        if values.count(node.value) > 1 and values.index(node.value) != list(layers).index(name):
            assert links[name] == (list(layers)[values.index(node.value)],)


def test_usual_layers_lie_behind_the_activation_where_nothing_branches():
    chosen = chosen_layers(model(), None)
    kinds = [model().layers[name].kind for name in chosen]
    assert kinds.count("relu") == 2
    assert {"b", "c"} <= set(chosen)  # a join of channels ends the way


def test_kernels_and_inputs_are_found_through_what_keeps_channels_apart():
    names = list(small().layers)
    shown = chosen_layers(small(), None)
    kernels, added = sources_of(small(), shown[1], shown)
    assert (kernels, added) == (["conv2"], [])
    assert input_of(small(), "conv2", shown) == shown[0]  # through the pool
    assert input_of(small(), "head", shown) == shown[1]  # through the mean over positions
    assert input_of(small(), "conv1", shown) is None
    assert input_of(model(), "d" if "d" in model().layers else "block.d", chosen_layers(model(), None)) is None
    assert names[0] == "conv1"


def test_rows_count_parameters_and_operations():
    rows = {row["name"]: row for row in layer_rows(small())}
    assert rows["conv1"]["parameters"] == 3 * 3 * 3 * 6
    # A product and a sum for each weight at each of the 12 x 10 places, and the bias.
    assert rows["conv1"]["flops"] == 2 * 3 * 3 * 3 * 6 * 120 + 6 * 120
    assert rows["conv1"]["inputs"] == ("input",)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_dense_kernel_behind_a_flattened_map_is_told_by_the_maps_channels(layout):
    rng = np.random.default_rng(0)
    params = {"a": jnp.asarray(rng.normal(size=(3, 3, 3, 4)), jnp.float32)}
    params["head"] = jnp.asarray(rng.normal(size=(3 * 2 * 4, 5)), jnp.float32)

    def forward(params, x):
        x = jax.nn.relu(conv(x, params["a"], "a"))
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        with jax.named_scope("head"):
            return x.reshape(len(x), -1) @ params["head"]

    adapted = cv.adapt(forward, params, input_shape=(3, 2, 3))
    shown = chosen_layers(adapted, None)
    found = slices_of(adapted, shown[-1])
    rows = np.asarray(params["head"]).reshape((3, 2, 4, 5) if layout == "NHWC" else (4, 3, 2, 5))
    np.testing.assert_array_equal(found, rows if layout == "NHWC" else rows.transpose(1, 2, 0, 3))
    assert input_of(adapted, shown[-1], shown) == shown[0]
