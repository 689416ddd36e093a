"""What holds for every explain technique of the registry, whoever brings it: third parties' and later ones too.

Each technique is built for awkward networks and given awkward images. It either returns finite maps of the right
shape or refuses in a sentence of ours; what it returns depends neither on the chunk nor on the number of devices.
"""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from cnnviz_jax import compiling as compiling
from cnnviz_jax import targets
from cnnviz_jax.engine import Fold, WholeImage, image_ids, keys_for, root_key
from cnnviz_jax.engine.device_batch import explain_device_batch, inner_chunk_for
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.references import load
from tests.explain.fixtures import (
    NETWORKS,
    TECHNIQUES,
    assert_alike,
    awkward,
    cheap,
    check_contract,
    explained,
    network,
)

pytestmark = pytest.mark.filterwarnings("default", "ignore::cnnviz_jax.errors.CnnvizWarning")


def usual(name: str):
    """The result on the first network; skips where the technique refuses it."""
    first = explained(name, NETWORKS[0])
    if first is None:
        pytest.skip(f"{name} refuses this network")
    return first


def is_of_images_together(name: str) -> bool:
    """Whether what an image's result is depends, as it says, on the images explained with it."""
    spec, config = technique_and_config(name, "explain", cheap(name))
    return getattr(load(spec.build)(config, network(NETWORKS[0])), "mixes_images", False)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_awkward_images_and_networks_never_give_a_nan(name: str) -> None:
    for kind in NETWORKS:
        result = explained(name, kind)
        if result is not None:
            check_contract(result, name, network(kind))


@pytest.mark.parametrize("name", TECHNIQUES)
def test_neither_chunk_nor_order_of_images_changes_the_result(name: str) -> None:
    first = usual(name)
    for chunk in (1, 7):
        assert_alike(explained(name, NETWORKS[0], chunk).values, first.values)
    if not is_of_images_together(name):
        assert_alike(explained(name, NETWORKS[0], turned=True).values[::-1], first.values)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_eight_devices_give_what_one_gives(name: str) -> None:
    """As a sweep runs it: each device explains one image, to the same bits whichever device it is.

    `cv.explain`, on one device, runs another program: it differs by rounding, which on flat images can change the
    order in which guided-ig moves equal pixels; so it is compared on the image that is like any other.
    """
    first = usual(name)
    net = network(NETWORKS[0])
    spec, config = technique_and_config(name, "explain", cheap(name))
    if is_of_images_together(name):
        pytest.skip(f"{name} is no technique for a sweep: it looks at several images together")
    built = load(spec.build)(config, net)
    fold = built if isinstance(built, Fold) else WholeImage(identity=(name, config), function=built)
    images = np.concatenate([awkward(net.input_shape)] * 2)
    keys = keys_for(root_key(2), image_ids(images))
    inner_chunk = inner_chunk_for(fold.evaluations, 1)

    def local(model, images, target, keys):
        return explain_device_batch(fold, model, images, target, keys, inner_chunk=inner_chunk)[0].values

    mesh = jax.make_mesh((8,), ("device",), axis_types=(jax.sharding.AxisType.Auto,))
    whole, split = PartitionSpec(), PartitionSpec("device")
    mapped = jax.shard_map(local, mesh=mesh, in_specs=(whole, split, split, split), out_specs=split, check_vma=False)
    args = (net, images, targets.resolve(1, net, images), keys)
    program = jax.jit(mapped).lower(*args).compile(compiler_options=compiling.compiler_options())
    values = program(*args)
    assert len(values.devices()) == 8
    values = np.asarray(values)
    np.testing.assert_array_equal(values[4:], values[:4])
    moved = np.asarray(program(net, np.roll(images, 3, 0), args[2], keys[np.roll(np.arange(8), 3)]))
    np.testing.assert_array_equal(np.roll(moved, -3, 0), values)
    assert_alike(values[3], first.values[3])


def test_the_gradient_family_is_here() -> None:
    family = {
        "saliency", "smoothgrad", "smoothgrad-squared", "vargrad", "guided-backprop", "deconvnet", "input-x-gradient",
        "integrated-gradients", "gradient-shap", "deeplift", "guided-ig", "blur-ig", "xrai",
    }  # fmt: skip
    assert family <= set(TECHNIQUES)
