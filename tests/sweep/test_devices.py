"""The number of devices and shards, which must not matter to a bit, and the compiled program that sees to it."""

import re
import shutil

import jax
import numpy as np
import pytest

from cnnviz_jax.sweep.errors import FingerprintError, SweepUsageError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.merge import merge, out_folder, shard_folders
from cnnviz_jax.sweep.resolved import resolve_sweep
from cnnviz_jax.sweep.run_options import RunOptions
from tests.sweep import fixtures, harness

COLLECTIVES = re.compile(r"\b(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\b")


@pytest.mark.parametrize("devices", [2, 3, 8])
def test_devices_change_no_bit(tmp_path, reference, devices):
    harness.assert_equal(harness.sweep(tmp_path / "run", devices=devices).root, reference)


def test_devices_change_no_bit_of_another_net(tmp_path):
    one = harness.content(harness.sweep(tmp_path / "one", fixtures.other_net(), devices=1).root)
    harness.assert_equal(harness.sweep(tmp_path / "eight", fixtures.other_net(), devices=8).root, one)


def test_a_stopped_run_goes_on_with_another_number_of_devices(tmp_path, reference, monkeypatch):
    from cnnviz_jax.sweep.errors import Interrupted
    from cnnviz_jax.sweep.loop import Loop

    for devices in (3, 1, 8):
        with monkeypatch.context() as patched:
            patched.setattr(Loop, "_agree", lambda self, number, asked: (True, True))
            with pytest.raises(Interrupted, match="stopped by a signal at image"):
                harness.sweep(tmp_path / "run", devices=devices)
    harness.assert_equal(harness.sweep(tmp_path / "run", devices=2).root, reference)
    assert harness.flushes(tmp_path / "run") > 3


def test_ties_of_a_dead_unit_go_to_the_first_images_on_eight_devices(tmp_path):
    from cnnviz_jax.sweep.result import read_survey

    folder = harness.sweep(tmp_path / "run", fixtures.exact_net(), devices=8, source="tests.sweep.fixtures:coarse")
    np.testing.assert_array_equal(read_survey(folder, "top-k")["conv2"]["id"][3], [0, 1, 2])


def resolved(folder, devices, **changes):
    return resolve_sweep(
        harness.spec(**changes), fixtures.net(), RunFolder(folder), RunOptions(), jax.devices()[:devices]
    )


METHODS = {
    "explain": [
        {"technique": "saliency"},
        {"technique": "smoothgrad", "samples": 4},
        {"technique": "occlusion", "window": 4, "stride": 4},
        {"technique": "grad-cam", "layer": "conv2"},
    ],
    "survey": [
        {"technique": "top-k"},
        {"technique": "histogram"},
        {"technique": "moments"},
        {"technique": "fire-counts"},
        {"technique": "confusion"},
    ],
}


def temporary_bytes(step):
    return step.run.run.memory_analysis().temp_size_in_bytes


def test_no_device_ever_waits_for_another_or_does_its_work(tmp_path):
    """Nothing but the compiled program tells a silent replication from data parallelism: results are right in both."""
    one, eight = (resolved(tmp_path / "run", devices, **METHODS).step for devices in (1, 8))
    assert COLLECTIVES.findall(eight.run.run.as_text()) == []
    assert temporary_bytes(eight) <= 1.1 * temporary_bytes(one)


def test_the_count_of_collectives_can_fail():
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:2]), ("data",))
    spec = jax.sharding.PartitionSpec("data")
    summed = jax.shard_map(
        lambda x: jax.lax.psum(x, "data"), mesh=mesh, in_specs=spec, out_specs=jax.sharding.PartitionSpec()
    )
    text = jax.jit(summed).lower(jax.ShapeDtypeStruct((4,), np.float32)).compile().as_text()
    assert COLLECTIVES.findall(text)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The usual sweep in three shards, run in no particular order."""
    root = tmp_path_factory.mktemp("shards")
    for index in (1, 0, 2):
        harness.sweep(root, options=RunOptions(shard=(index, 3), checkpoint_every="2steps"))
    return root


def test_shards_merge_into_what_one_run_gives(tmp_path, shards, reference):
    folder = shutil.copytree(shards, tmp_path / "run")
    merge(shard_folders([folder]), out_folder([folder], None), fixtures.net())
    harness.assert_equal(folder, reference)
    turned = [folder / "shards" / f"{index}-of-3" for index in (2, 0, 1)]
    merge(shard_folders(turned), out_folder(turned, str(tmp_path / "other")), fixtures.net())
    harness.assert_equal(tmp_path / "other", reference)


def test_shards_that_are_missing_doubled_or_unfinished_are_named(tmp_path, shards):
    folder = shutil.copytree(shards, tmp_path / "run")
    parts = [folder / "shards" / f"{index}-of-3" for index in range(3)]
    with pytest.raises(SweepUsageError, match=r"shards of 3 are missing: 1; run --shard 1/3"):
        merge(shard_folders([parts[0], parts[2]]), RunFolder(tmp_path / "out"), fixtures.net())
    with pytest.raises(SweepUsageError, match="shard 2/3 is given twice"):
        merge(shard_folders([*parts, parts[2]]), RunFolder(tmp_path / "out"), fixtures.net())
    with pytest.raises(SweepUsageError, match="say where the merged run goes"):
        out_folder(parts, None)
    (parts[1] / "DONE.json").unlink()
    with pytest.raises(SweepUsageError, match=r"shard 1/3 in .* is not finished"):
        merge(shard_folders(parts), RunFolder(tmp_path / "out"), fixtures.net())
    with pytest.raises(SweepUsageError, match="no run in"):
        shard_folders([tmp_path / "nowhere"])


def test_shards_of_two_sweeps_do_not_mix(tmp_path, shards):
    folder = shutil.copytree(shards, tmp_path / "run")
    shutil.rmtree(folder / "shards" / "1-of-3")
    harness.sweep(folder, seed=3, options=RunOptions(shard=(1, 3)))
    with pytest.raises(FingerprintError, match="are not shards of one sweep"):
        merge(shard_folders([folder]), RunFolder(tmp_path / "out"), fixtures.net())


def test_more_shards_than_tiles_leave_some_empty(tmp_path):
    whole = harness.content(harness.sweep(tmp_path / "whole", limit=6).root)
    for index in range(3):
        harness.sweep(tmp_path / "run", limit=6, options=RunOptions(shard=(index, 3)))
    merge(shard_folders([tmp_path / "run"]), RunFolder(tmp_path / "run"), fixtures.net())
    harness.assert_equal(tmp_path / "run", whole)
