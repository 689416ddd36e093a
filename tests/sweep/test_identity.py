"""What a run is known by, and how shards cut it up: both must stay as they are, or old runs cannot be resumed."""

import hashlib
import itertools

import numpy as np
import pytest

from cnnviz_jax.model.digests import named_digest, weights_digest
from cnnviz_jax.sweep.identity import part_of, part_of_run
from tests.sweep import fixtures


def test_the_digest_of_weights_is_over_paths_dtypes_shapes_and_bytes():
    net, expected = fixtures.net(), hashlib.sha256()
    for name in sorted(fixtures.parameters()):
        leaf = fixtures.parameters()[name]
        expected.update(f"{name}\0float32\0{leaf.shape}\0".encode() + leaf.tobytes())
    assert weights_digest(net) == expected.hexdigest()
    assert weights_digest(fixtures.net(1)) != weights_digest(net)


def test_arrays_of_the_same_bytes_have_other_digests():
    found = {
        named_digest([("a", np.zeros(shape, kind))])
        for shape, kind in (((2, 3), np.float32), ((3, 2), np.float32), ((6,), np.float32), ((6,), np.int32))
    }
    assert len(found | {named_digest([("b", np.zeros(6, np.int32))])}) == 5


def test_shards_are_whole_device_batches_and_leave_nothing_out():
    assert part_of(61, 4, (1, 3)) == (20, 40)
    assert part_of_run({"identity": {"images": 61, "device_batch": 4}, "shard": [2, 3]}) == (40, 61)


@pytest.mark.parametrize(("images", "device_batch", "count"), [(61, 4, 3), (61, 4, 20), (7, 8, 2), (64, 1, 5)])
def test_parts_of_shards_follow_one_another(images, device_batch, count):
    parts = [part_of(images, device_batch, (i, count)) for i in range(count)]
    assert parts[0][0] == 0
    assert parts[-1][1] == images
    assert all(before[1] == after[0] for before, after in itertools.pairwise(parts))
    assert all(first % device_batch == 0 or first == images for first, _ in parts)
