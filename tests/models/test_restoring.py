"""A checkpoint goes into a network of any framework by name, or by order where the file has no names."""

import json

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import linen, nnx
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights, restore


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Conv(4, (3, 3), name="conv")(x)
        x = linen.BatchNorm(use_running_average=True, name="norm")(x)
        return linen.Dense(2, name="head")(x.mean((1, 2)))


def linen_variables(seed):
    return LinenNet().init(jax.random.key(seed), jnp.zeros((1, 5, 5, 3)))


@pytest.fixture(scope="module")
def linen_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linen") / "run"
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder, linen_variables(1))
    return folder


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for here, there in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(here, there)
        assert getattr(here, "dtype", None) == getattr(there, "dtype", None)


def test_linen_variables_come_from_orbax_into_an_abstract_tree(linen_checkpoint):
    abstract = jax.eval_shape(lambda: linen_variables(0))
    assert_same(restore(abstract, linen_checkpoint), linen_variables(1))


def test_an_nnx_state_comes_from_orbax(tmp_path):
    one, other = nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Linear(2, 3, rngs=nnx.Rngs(1))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "run", nnx.state(one))
    nnx.update(other, restore(nnx.state(other), tmp_path / "run"))
    np.testing.assert_array_equal(other.kernel[...], one.kernel[...])


def test_all_that_does_not_fit_is_listed_nearest_first(tmp_path):
    save_file(
        {"params.convs.kernel": np.zeros((3, 3, 3, 4), np.float32), "params.head.bias": np.zeros(3, np.float32)},
        tmp_path / "w.safetensors",
    )
    with pytest.raises(WeightsError) as fault:
        restore({"params": linen_variables(0)["params"]}, tmp_path / "w.safetensors")
    assert f"the weights in {str(tmp_path / 'w.safetensors')!r} do not fit dict: 5 missing: 'params.conv.kernel'" in (
        str(fault.value)
    )
    assert "(did you mean it by 'params.convs.kernel'?)" in str(fault.value)
    assert "1 extra: 'params.convs.kernel'; 1 misshaped: 'params.head.bias' is (3,), expected (2,)" in str(fault.value)


def test_arrays_take_the_type_of_the_network(tmp_path):
    save_file({"w": np.ones(2, np.float32)}, tmp_path / "w.safetensors")
    assert restore({"w": jnp.zeros(2, jnp.bfloat16)}, tmp_path / "w.safetensors")["w"].dtype == jnp.bfloat16


def write_eqx(path, *arrays, header=None):
    with path.open("wb") as file:
        if header is not None:
            file.write(json.dumps(header).encode() + b"\n")
        for array in arrays:
            np.save(file, array)
    return path


@pytest.mark.parametrize("header", [None, {"width": 4}, {"size": {"a": 1}}])
def test_an_equinox_file_is_numbered_arrays_behind_an_optional_header(tmp_path, header):
    path = write_eqx(tmp_path / "w.eqx", np.ones((2, 3)), np.array(7), np.ones(2, ml_dtypes.bfloat16), header=header)
    arrays = read_weights(path)
    assert {name: array.shape for name, array in arrays.items()} == {"0": (2, 3), "1": (), "2": (2,)}
    assert arrays["2"].dtype == ml_dtypes.bfloat16


def test_leaves_go_by_order_and_what_is_no_number_stays(tmp_path):
    like = {"activation": jax.nn.relu, "bias": jnp.zeros(2), "rate": 0.5, "weight": jnp.zeros((2, 3))}
    path = write_eqx(tmp_path / "w.eqx", np.ones(2), np.array(0.25), np.full((2, 3), 2.0))
    filled = restore(like, path)
    assert filled["activation"] is jax.nn.relu
    assert filled["rate"] == 0.25
    np.testing.assert_array_equal(filled["bias"], [1, 1])
    assert filled["weight"].dtype == jnp.float32


def test_an_equinox_file_of_another_network_is_told(tmp_path):
    with pytest.raises(WeightsError, match="holds 2 arrays without names, and the network has 1"):
        restore({"w": jnp.zeros(2)}, write_eqx(tmp_path / "w.eqx", np.zeros(2), np.zeros(2)))
    with pytest.raises(WeightsError, match=r"1 misshaped: 'w' is \(3,\), expected \(2,\)"):
        restore({"w": jnp.zeros(2)}, write_eqx(tmp_path / "w.eqx", np.zeros(3)))


@pytest.mark.parametrize("cut", [3, 100, 140])
def test_an_equinox_file_that_was_cut_short_is_told(tmp_path, cut):
    path = write_eqx(tmp_path / "w.eqx", np.zeros(2), np.zeros(2))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(WeightsError, match=r"is not a whole Equinox file: array 1 cannot be read") as fault:
        read_weights(path)
    assert "\n" not in str(fault.value)


def test_a_pickled_object_in_an_equinox_file_is_refused(tmp_path):
    with (tmp_path / "w.eqx").open("wb") as file:
        np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(WeightsError, match=r"array 0 cannot be read .*object, no array of numbers"):
        read_weights(tmp_path / "w.eqx")


def test_what_equinox_saves_comes_back_into_its_module(tmp_path):
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")

    class Net(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm
        activation: object = jax.nn.relu

        def __init__(self, key):
            self.conv = eqx.nn.Conv2d(3, 4, 3, key=key)
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="ema")

    trained = eqx.nn.make_with_state(Net)(jax.random.key(1))
    eqx.tree_serialise_leaves(tmp_path / "w.eqx", trained)
    like = eqx.filter_eval_shape(lambda: eqx.nn.make_with_state(Net)(jax.random.key(0)))
    filled = restore(like, tmp_path / "w.eqx")
    for here, there in zip(jax.tree.leaves(filled), jax.tree.leaves(trained), strict=True):
        if eqx.is_array(there):
            np.testing.assert_array_equal(here, there)
        else:
            assert here is there or here == there
