"""A chunk of a few kilobytes that would unpack to gigabytes is refused before it is unpacked."""

import shutil
import struct

import numpy as np
import pytest

from cnnviz_jax.reading.zstd import check_frames
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.store import ArraySpec, ExampleStore, chunk_file
from cnnviz_jax.sweep.verify import verify
from tests.hostile.damage import sealed, zstd_bomb
from tests.hostile.run_folders import base
from tests.sweep import small


@pytest.fixture(scope="module")
def finished():
    return base().finished


@pytest.mark.parametrize("kind", ["float16", "uint8", "int32"])
@pytest.mark.parametrize("shape", [(), (64, 64)])
def test_what_the_store_writes_passes_whatever_is_in_it(tmp_path, kind, shape):
    rng = np.random.default_rng(0)
    specs = {"status": ArraySpec((), "uint8"), "mine": ArraySpec(shape, kind)}
    store = ExampleStore.create(tmp_path / "e.zarr", specs, 128, 4)
    for start in range(0, 128, 4):
        noise = rng.integers(0, 100, (4, *shape)) * (start % 8 > 0) * (start < 64)
        store.put(start, {"mine": noise.astype(kind), "status": np.ones(4, np.uint8)})
    store.flush()
    assert store.read("mine", slice(0, 128)).shape == (128, *shape)
    assert store.read("mine", np.array([127, 3])).shape == (2, *shape)
    assert store.digests(0, 128).all()


BOMBS = {
    "more than it promises": (lambda size: sealed(zstd_bomb(size, blocks=1_000)), "would unpack to more than"),
    "another length": (lambda size: sealed(zstd_bomb(size + 1, blocks=1)), "its array needs 4,096"),
    "a large window": (lambda size: sealed(zstd_bomb(size, blocks=1, window=0xF8)), "would unpack to more than"),
    "two frames": (lambda size: sealed(zstd_bomb(size, blocks=1) * 2), "says that it has 8,192 bytes"),
    "more behind it": (lambda size: sealed(zstd_bomb(size, blocks=1) + b"more"), "not compressed by zstd"),
    "no frame": (lambda size: b"\x1f\x8b" * 10, "not compressed by zstd"),
    "nothing": (lambda size: b"", "not compressed by zstd"),
    "a block that is not there": (lambda size: zstd_bomb(size, blocks=2)[:-4], "cut short"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_chunk_of_another_form_is_refused_by_its_headers(tmp_path, bomb):
    make, sentence = BOMBS[bomb]
    path = tmp_path / "0"
    path.write_bytes(make(4096))
    with pytest.raises(ValueError, match=sentence):
        check_frames(path, 4096, trailer_bytes=4)
    assert path.stat().st_size < 10_000


@pytest.mark.parametrize("name", ["heat/saliency", "pred"])
def test_verify_names_a_bomb_in_a_run_folder(tmp_path, finished, name):
    run = shutil.copytree(finished, tmp_path / "run")
    store = ExampleStore.open(RunFolder(run).examples)
    spec = store.specs[name]
    path = chunk_file(run / "examples.zarr" / name, 0, spec)
    path.write_bytes(sealed(zstd_bomb(spec.chunk_rows(4) * spec.row_bytes, blocks=4_000)))
    faults = verify(RunFolder(run)).faults
    assert any("would unpack to more than" in fault for fault in faults), faults


def test_a_bomb_in_place_of_the_digests_is_named(tmp_path, finished):
    run = shutil.copytree(finished, tmp_path / "run")
    spec = ArraySpec((len(small.ARRAYS),), "uint64")
    path = chunk_file(run / "digests.zarr" / "digests", 0, spec)
    path.write_bytes(sealed(zstd_bomb(spec.chunk_rows(1) * spec.row_bytes, blocks=4_000)))
    assert any("would unpack to more than" in fault for fault in verify(RunFolder(run)).faults)


def test_the_checksum_of_these_bombs_is_the_one_that_readers_want():
    assert struct.unpack("<I", sealed(b"123456789")[-4:]) == (0xE3069283,)  # the check value of CRC-32C
