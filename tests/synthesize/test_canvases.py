"""Canvases: a neuron's own field, and layers below a head that fixes the model's size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError
from cnnviz_jax.model.resizing import below, resized_model
from cnnviz_plugins.synthesize.placement import place, placement_of
from tests.adapters import networks
from tests.explain.small_network import forward, model, parameters


@pytest.mark.parametrize("framework", networks.FRAMEWORKS)
def test_the_layers_below_a_dense_head_run_on_any_canvas(framework):
    native, params = networks.native("callable", "vgg")
    # The same network with a head for the larger map: what the truncated one must compute below the head.
    wide = {**params, "dense": {**params["dense"], "kernel": jnp.zeros((6 * 5 * 8, 5))}}
    whole = cv.adapt(native, wide, input_shape=(24, 20, 3))
    fixed = networks.adapted(framework, "vgg")
    with pytest.raises(ModelError):
        fixed.at_size(24, 20)
    last = [name for name, layer in fixed.layers.items() if layer.is_map][-1]
    part = resized_model(fixed, 24, 20, [last], need_outputs=False)
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(24, 20, 3)), jnp.float32)
    found = part.run(image, read=(last,), need_outputs=False)[1][last]
    expected = whole.run(image, read=("max_pool#1",), need_outputs=False)[1]["max_pool#1"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [(n, s.kind) for n, s in part.program.layers.items()] == [
        (n, fixed.program.layers[n].kind) for n in part.program.layers
    ]


@pytest.mark.parametrize("framework", networks.FRAMEWORKS)
def test_a_part_that_could_be_run_whole_is_the_same_as_in_the_whole(framework):
    own = networks.adapted(framework, "resnet")
    last = [name for name, layer in own.layers.items() if layer.is_map][-1]
    part, whole = below(own, 25, 21, [last]), own.at_size(25, 21)
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(25, 21, 3)), jnp.float32)
    found, expected = (m.run(image, read=(last,), need_outputs=False)[1][last] for m in (part, whole))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert set(part.layers) <= set(whole.layers)


@pytest.mark.parametrize(
    ("size", "layer", "text"),
    [
        ((24, 20), "dense", "only on the size that the model was read at: a reshape is tied to it"),
    ],
)
def test_what_is_tied_to_the_size_is_said(size, layer, text):
    with pytest.raises(ModelError, match=text):
        below(networks.adapted("callable", "vgg"), *size, [layer])


def test_a_strided_window_whose_padding_may_change_is_refused():
    own = networks.adapted("callable", "resnet")
    with pytest.raises(ModelError, match=r"stride 2 and padding on 15 units, .* 1 modulo 2 there will do"):
        below(own, 24, 21, ["layer2.concat" if "layer2.concat" in own.layers else list(own.layers)[-3]])


def test_a_mean_over_the_map_is_tied_to_its_size():
    with pytest.raises(ModelError, match="reduce_sum over positions is tied to it"):
        below(model(), 24, 20, ["head"])


def neurons(net, rows, columns, margin=0):
    target = cv.targets.Neuron(
        layer="conv2", channel=jnp.zeros(len(rows), jnp.int32), row=jnp.asarray(rows), col=jnp.asarray(columns)
    )
    placement = placement_of(net, target, size=None, usual=(128, 128), margin=margin)
    return target, placement


@pytest.mark.parametrize(
    ("rows", "columns", "margin"),
    [([9], [8], 0), ([9], [8], 3), ([0], [0], 0), ([19], [15], 0), ([4, 12, 19], [0, 7, 15], 1)],
)
def test_a_neuron_has_the_same_value_on_its_own_canvas(rows, columns, margin):
    net = cv.adapt(forward, parameters(), input_shape=(40, 32, 3))
    target, placement = neurons(net, rows, columns, margin)
    sized, moved = place(net, target, placement)
    image = np.random.default_rng(0).uniform(size=(40, 32, 3)).astype(np.float32)
    for i, (top, left) in enumerate(placement.offsets):
        cut = image[top : top + placement.size[0], left : left + placement.size[1]]
        expected = net.run(jnp.asarray(image), read=("conv2",), need_outputs=False)[1]["conv2"][rows[i], columns[i], 0]
        found = sized.run(jnp.asarray(cut), read=("conv2",), need_outputs=False)[1]["conv2"]
        np.testing.assert_allclose(found[int(moved.row[i]), int(moved.col[i]), 0], expected, atol=1e-5)


def test_a_neurons_canvas_is_its_field_and_margin_in_phase_with_the_strides():
    net = cv.adapt(forward, parameters(), input_shape=(40, 32, 3))
    field = net.layers["conv2"].receptive_field
    assert (int(field.size[0]), int(field.stride[0])) == (8, 2)
    _, placement = neurons(net, [9], [8])
    assert all(8 <= side <= 8 + 2 for side in placement.size), placement
    _, wide = neurons(net, [9], [8], margin=3)
    assert all(14 <= side <= 14 + 2 for side in wide.size), wide


def test_a_neuron_behind_a_global_layer_keeps_the_whole_image():
    target = cv.targets.Neuron(layer="head", channel=jnp.zeros(1, jnp.int32)).batched(1)
    assert placement_of(model(), target, size=None, usual=(128, 128), margin=0).size == (12, 10)


def test_a_canvas_on_which_a_later_map_shrinks_to_nothing_serves_the_layers_below():
    def deep(params, x):
        for name in ("conv1", "conv2"):
            x = jax.lax.conv_general_dilated(
                x, params[name]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 4, 4, 1), (1, 4, 4, 1), "VALID")
        return x.mean((1, 2))

    net = cv.adapt(deep, parameters(), input_shape=(32, 32, 3))
    assert resized_model(net, 8, 8, ["relu"], need_outputs=False).layers["relu"].shape == (8, 8, 6)
    with pytest.raises(ModelError, match="no unit left: a side of 8 pixels is too small"):
        resized_model(net, 8, 8, [], need_outputs=True)
