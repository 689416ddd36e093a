"""Arrays of files that a stranger may have written: sizes first, known codecs only, one sentence for what is wrong."""

import dataclasses
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.archive.encoding import STRUCTURE
from cnnviz_jax.archive.files import write_entries
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.errors import ResultFileError, UsageError
from cnnviz_jax.reading import bounds
from cnnviz_jax.reading.numpy_files import NpzFile, read_npy
from cnnviz_jax.reading.zarr_folders import ZarrFolder
from tests.hostile.damage import zstd_bomb
from tests.hostile.results import Touch
from tests.results import every_result

SHAPE = (8, 8, 3)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_numpy_writes_is_read_bit_by_bit(tmp_path, compressed):
    arrays = {
        "a": np.arange(12.0).reshape(3, 4), "b": np.asfortranarray(np.arange(6).reshape(2, 3)), "c": np.array("texts"),
        "d": np.zeros((0, 3), np.uint8), "e": np.array(True), "f/g": np.array([1 + 2j]), "h": np.array(["ä", "b"]),
    }  # fmt: skip
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)
    with NpzFile(tmp_path / "a.npz") as found:
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)
    for in_memory in (True, False):
        np.save(tmp_path / "a.npy", arrays["b"])
        np.testing.assert_array_equal(read_npy(tmp_path / "a.npy", in_memory=in_memory), arrays["b"])


def npy(shape, descr="<f4", body=b""):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    return head.getvalue() + body


@pytest.mark.parametrize(
    ("data", "sentence"),
    {
        npy((1 << 40,)): "its end is missing",
        npy((4,), body=bytes(15)): "its end is missing",
        npy((1,), "|O", pickle.dumps([])): "no array of numbers or texts",
        npy((-4,)): "an array of shape",
        b"\x93NUMPY\x03\x00": "which only names of fields need",
        b"": "EOF",
    }.items(),
)
def test_an_npy_that_promises_what_it_has_not_is_refused(tmp_path, data, sentence):
    (tmp_path / "a.npy").write_bytes(data)
    for in_memory in (True, False):
        with pytest.raises(ValueError, match=sentence):
            read_npy(tmp_path / "a.npy", in_memory=in_memory)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", data)
    with NpzFile(tmp_path / "a.npz") as found, pytest.raises(ValueError, match=sentence):
        _ = found["a"]


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy((20 << 20,), body=bytes(80 << 20)))
    with pytest.raises(
        ValueError, match="promise 83,886,208 bytes of numbers; where that is meant, save it uncompress"
    ):
        NpzFile(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", npy((4,), body=bytes(16)))
    with pytest.raises(ValueError, match="neither stored nor deflated"):
        NpzFile(tmp_path / "b.npz")


@pytest.mark.parametrize("suffix", [".npz", ".zarr"])
def test_a_result_of_many_zeros_that_is_stored_can_be_loaded(tmp_path, suffix, monkeypatch):
    """Zeros pack a thousandfold; with the usual bound that takes some hundred megabytes to see."""
    monkeypatch.setattr(bounds, "SLACK_BYTES", 1 << 10)
    result = every_result.made("Attribution")
    zeros = np.zeros((result.values.shape[0], 200, 200), np.float32)
    stored = dataclasses.replace(result, extras={**result.extras, "zeros": zeros})
    kept = cv.load(cv.save(stored, tmp_path / f"kept{suffix}"))
    np.testing.assert_array_equal(kept.extras["zeros"], zeros)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    (tmp_path / "b.zarr").mkdir()
    os.mkfifo(tmp_path / "b.zarr" / "zarr.json")
    with pytest.raises(ResultFileError, match="it is no file"):
        cv.load(tmp_path / "a.npz")
    with pytest.raises(UsageError, match=r"a\.npz cannot be read as .npz: it is no file"):
        open_source(str(tmp_path / "a.npz"), SHAPE)
    with pytest.raises(ValueError, match="is neither file nor folder"):
        ZarrFolder(tmp_path / "b.zarr")


@pytest.fixture
def images(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "images.zarr", mode="w", zarr_format=2)
    group.create_array("images", data=np.full((4, *SHAPE), 0.5, np.float32), chunks=(2, *SHAPE))
    return tmp_path / "images.zarr"


@pytest.mark.parametrize("codecs", ["filters", "compressor"])
def test_a_zarr_is_not_unpacked_by_what_it_names_itself(images, tmp_path, codecs, monkeypatch):
    """Where numcodecs refuses pickles by itself, as it has since 0.16.4, it is told not to."""
    import numcodecs.pickles

    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    about = {"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "|O", "order": "C", "fill_value": 0}
    chain = {"compressor": None, "filters": [{"id": "vlen-utf8"}]}
    more = (
        {"compressor": {"id": "pickle"}}
        if codecs == "compressor"
        else {"filters": [*chain["filters"], {"id": "pickle"}]}
    )
    (images / "extra").mkdir()
    (images / "extra" / ".zarray").write_text(json.dumps(about | chain | more))
    (images / "extra" / "0").write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(UsageError, match="is packed by Pickle; read are blosc, gzip, lz4, zlib, zstd"):
        open_source(str(images), SHAPE)
    assert not (tmp_path / "ran").exists()


def test_a_chunk_of_a_zarr_that_unpacks_to_gigabytes_is_no_image(images):
    needed = 2 * 8 * 8 * 3 * 4
    chunk = next(path for path in sorted(images.rglob("*")) if path.name.startswith("0."))
    chunk.write_bytes(zstd_bomb(needed, blocks=9_000))
    source = open_source(str(images), SHAPE)
    assert source[0].image is None
    assert "would unpack to more than" in source[0].error
    assert source[2].image is not None


def test_an_array_of_many_small_chunks_in_one_file_is_read(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "a.zarr", shape=(200, 200), shards=(200, 200), chunks=(1, 1), dtype="u1")
    array[:2] = 7
    np.testing.assert_array_equal(ZarrFolder(tmp_path / "a.zarr")[""][:3], np.repeat([[7], [7], [0]], 200, axis=1))


def test_a_shard_of_millions_of_chunks_is_there_with_its_index_or_refused(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(tmp_path / "a.zarr", shape=(2048, 2048), shards=(2048, 2048), chunks=(1, 1), dtype="u1")
    with pytest.raises(ValueError, match="1 files or more of the array '' are missing"):
        ZarrFolder(tmp_path / "a.zarr")[""][:]
    (tmp_path / "a.zarr" / "c" / "0").mkdir(parents=True)
    (tmp_path / "a.zarr" / "c" / "0" / "0").write_bytes(bytes(100_000))
    with pytest.raises(ValueError, match="is smaller than the index of its chunks"):
        ZarrFolder(tmp_path / "a.zarr")[""][:]


@pytest.mark.parametrize("packing", ["gzip", None])
def test_an_array_cut_into_millions_of_chunks_that_are_not_there_is_refused_at_once(tmp_path, packing):
    zarr = pytest.importorskip("zarr")
    compressors = zarr.codecs.GzipCodec() if packing else None
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), chunks=(4, 4), dtype="f4", compressors=compressors)
    path = tmp_path / "a.zarr" / "zarr.json"
    about = json.loads(path.read_text())
    about["shape"] = [400, 400]
    about["chunk_grid"]["configuration"]["chunk_shape"] = [1, 1]
    path.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"16,385 files or more of the array '' are missing"):
        ZarrFolder(tmp_path / "a.zarr")[""][:]


def test_a_link_out_of_a_zarr_is_not_followed(images, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(2 * 8 * 8 * 3 * 4))
    chunk = next(path for path in sorted(images.rglob("*")) if path.name.startswith("0."))
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="is a link out of the folder"):
        open_source(str(images), SHAPE)


@pytest.mark.parametrize("packing", ["gzip", "blosc", "zstd", None, "sharded"])
def test_zarrs_as_others_write_them_are_read(tmp_path, packing):
    zarr = pytest.importorskip("zarr")
    data = np.random.default_rng(0).random((5, *SHAPE)).astype(np.float32)
    codecs = {"gzip": zarr.codecs.GzipCodec(), "blosc": zarr.codecs.BloscCodec(), "zstd": zarr.codecs.ZstdCodec()}
    group = zarr.open_group(tmp_path / "images.zarr", mode="w")
    group.create_array(
        "images", data=data, chunks=(2, *SHAPE), compressors=codecs.get(packing),
        shards=(4, *SHAPE) if packing == "sharded" else None,
    )  # fmt: skip
    source = open_source(str(tmp_path / "images.zarr"), SHAPE)
    np.testing.assert_array_equal(np.stack([source[i].image for i in range(5)]), data)


def test_a_stored_result_whose_fields_are_others_is_refused(tmp_path):
    with np.load(cv.save(every_result.made("Attribution"), tmp_path / "kept.npz"), allow_pickle=False) as archive:
        parts = {name: archive[name] for name in archive.files}
    for name, array in {
        "values": np.zeros((2, 8, 8), np.float32), "images": np.zeros((2, 8, 8, 3), np.float32),
    }.items():  # fmt: skip
        write_entries(tmp_path / "other.npz", parts | {name: array})
        with pytest.raises(ResultFileError, match=r"other\.npz: `\w+` of a Attribution is no such thing"):
            cv.load(tmp_path / "other.npz")
    structure = json.loads(str(parts[STRUCTURE]))
    structure["result"]["fields"]["values"] = "text"
    write_entries(tmp_path / "other.npz", parts | {STRUCTURE: np.array(json.dumps(structure))})
    with pytest.raises(ResultFileError, match="`values` of a Attribution is no such thing"):
        cv.load(tmp_path / "other.npz")
