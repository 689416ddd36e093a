"""Weights go into a network by name, and everything that does not fit is told at once."""

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import nnx

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.naming import flax_slots, load_arrays, torch_slots


class Small(nnx.Module):
    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.features = nnx.List(
            [nnx.Conv(2, 4, (3, 5), rngs=rngs), nnx.BatchNorm(4, use_running_average=True, rngs=rngs)]
        )
        self.depthwise = nnx.Conv(4, 4, (3, 3), feature_group_count=4, use_bias=False, rngs=rngs)
        self.fc = nnx.Linear(4, 7, rngs=rngs)


def torch_arrays():
    rng = np.random.default_rng(0)
    shapes = {
        "features.0.weight": (4, 2, 3, 5),
        "features.0.bias": (4,),
        "features.1.weight": (4,),
        "features.1.bias": (4,),
        "features.1.running_mean": (4,),
        "features.1.running_var": (4,),
        "depthwise.weight": (4, 1, 3, 3),
        "fc.weight": (7, 4),
        "fc.bias": (7,),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_torch_names_and_shapes_follow_from_the_network():
    expected = {name: array.shape for name, array in torch_arrays().items()}
    assert {name: slot.shape for name, slot in torch_slots(Small()).items()} == expected


def test_kernels_turn_from_oihw_to_hwio_and_statistics_find_their_place():
    network, arrays = Small(), torch_arrays()
    load_arrays(network, arrays, source="file")
    assert network.features[0].kernel.shape == (3, 5, 2, 4)
    assert network.features[0].kernel[1, 2, 0, 3] == arrays["features.0.weight"][3, 0, 1, 2]
    assert network.depthwise.kernel[1, 2, 0, 3] == arrays["depthwise.weight"][3, 0, 1, 2]
    np.testing.assert_array_equal(network.fc.kernel[...], arrays["fc.weight"].T)
    np.testing.assert_array_equal(network.features[1].scale[...], arrays["features.1.weight"])
    np.testing.assert_array_equal(network.features[1].mean[...], arrays["features.1.running_mean"])
    np.testing.assert_array_equal(network.features[1].var[...], arrays["features.1.running_var"])


def test_a_file_in_flax_names_is_taken_as_it_is():
    network = Small()
    arrays = {name: np.full(slot.shape, 0.5, np.float32) for name, slot in flax_slots(network).items()}
    load_arrays(network, arrays, source="file")
    assert "features.0.kernel" in arrays
    np.testing.assert_array_equal(network.features[0].kernel[...], np.full((3, 5, 2, 4), 0.5))


def test_half_precision_weights_become_float32_and_batch_counters_are_passed_over():
    network = Small()
    arrays = {name: array.astype(np.float16) for name, array in torch_arrays().items()}
    load_arrays(network, arrays | {"features.1.num_batches_tracked": np.array(7)}, source="file")
    assert network.fc.kernel.dtype == jnp.float32


def test_all_faults_come_in_one_message_nearest_first():
    arrays = torch_arrays()
    arrays["feature.0.weight"] = arrays.pop("features.0.weight")
    arrays["head.gain"] = np.zeros(3)
    del arrays["depthwise.weight"]
    arrays["fc.bias"] = np.zeros(8, np.float32)
    arrays["features.1.bias"] = np.zeros(4, np.int64)
    with pytest.raises(WeightsError) as fault:
        load_arrays(Small(), arrays, source="w.pth")
    assert str(fault.value) == (
        "the weights in 'w.pth' do not fit Small: "
        "2 missing: 'features.0.weight' (did you mean it by 'feature.0.weight'?), 'depthwise.weight'; "
        "2 extra: 'feature.0.weight', 'head.gain'; "
        "1 misshaped: 'fc.bias' is (8,), expected (7,); "
        "1 not real numbers: 'features.1.bias' is int64, expected float32"
    )


def test_a_refused_file_leaves_the_network_as_it_was():
    network, arrays = Small(), torch_arrays()
    before = np.asarray(network.features[0].kernel[...])
    arrays["fc.bias"][2] = np.nan
    with pytest.raises(WeightsError, match=r"'fc.bias' in 'w.pth' holds values that are not finite"):
        load_arrays(network, arrays, source="w.pth")
    np.testing.assert_array_equal(network.features[0].kernel[...], before)


def test_a_whole_nnx_state_saved_by_orbax_loads_though_it_has_dropout_keys(tmp_path):
    class Dropping(nnx.Module):
        def __init__(self, seed: int) -> None:
            self.fc = nnx.Linear(2, 3, rngs=nnx.Rngs(seed))
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(seed))

    class Plain(nnx.Module):
        def __init__(self, seed: int) -> None:
            self.fc = nnx.Linear(2, 3, rngs=nnx.Rngs(seed))

    trained, network = Dropping(1), Plain(2)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "run", nnx.state(trained))
    load_arrays(network, read_weights(tmp_path / "run"), source="run")
    np.testing.assert_array_equal(network.fc.kernel[...], trained.fc.kernel[...])
