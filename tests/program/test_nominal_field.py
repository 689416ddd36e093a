"""Fields that a mean over the image widens keep their nominal size, and say by what they are widened."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli.commands.layers import _row

SHAPE = (16, 16, 3)


class Gate(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x * nn.sigmoid(nn.Dense(4, name="squeeze")(x.mean((1, 2))))[:, None, None]


class Net(nn.Module):
    widen: str = ""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3), strides=2, name="conv1")(x)
        if self.widen == "group":
            x = nn.GroupNorm(2, name="norm")(x)
        if self.widen == "gate":
            x = Gate(name="gate")(x)
        if self.widen == "attention":
            y = x.reshape(len(x), -1, 4)
            x = x + (nn.softmax(y @ y.swapaxes(1, 2)) @ y).reshape(x.shape)
        x = nn.Conv(4, (3, 3), name="conv2")(nn.relu(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        return nn.Dense(3, name="head")(x.mean((1, 2)))


def adapted(widen):
    net = Net(widen)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, *SHAPE)))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, np.float32), shapes)
    return cv.adapt(net, variables, input_shape=SHAPE)


@pytest.mark.parametrize(("widen", "by"), [("group", "norm"), ("gate", "gate"), ("attention", "add")])
def test_the_nominal_field_is_that_of_the_network_without_what_widens_it(widen, by):
    plain, wide = adapted(""), adapted(widen)
    for name in ("conv2", "max_pool"):
        own, bare = wide.layers[name].receptive_field, plain.layers[name].receptive_field
        assert own.is_global
        assert own.is_widened
        assert own.nominal_size == bare.size == bare.nominal_size
        assert own.nominal_stride == bare.stride
        assert own.widened_by == by
        assert not bare.is_widened
        assert bare.widened_by == ""
    assert not wide.layers["conv1"].receptive_field.is_widened
    for name in ("global_pool", "head"):  # these see the image whole in every sense
        name = name if name in wide.layers else "global_pool#1"
        field = wide.layers[name].receptive_field
        assert (field.nominal_size, field.nominal_stride, field.is_widened) == (None, None, False)
    assert str(wide.layers["conv2"].receptive_field) == f"whole image (widened by {by}); nominally 7 px, stride 2"


def test_lists_and_figures_say_it(tmp_path):
    model = adapted("group")
    row = _row(model.layers["conv2"])
    assert (row["nominal_field"], row["nominal_stride"], row["widened_by"]) == ([7, 7], [2, 2], "norm")
    assert _row(adapted("").layers["conv2"])["widened_by"] is None
    fields = cv.inspect("receptive-field", model)
    texts = [text.get_text() for axes in cv.figure(fields).axes for text in axes.texts]
    texts += [text.get_text() for text in cv.figure(fields).texts]
    assert "whole (7)" in texts
    assert any("by norm units see the whole input" in text.replace("\n", " ") for text in texts)
    cv.save(fields, tmp_path / "fields.npz")
    assert cv.load(tmp_path / "fields.npz") == fields
