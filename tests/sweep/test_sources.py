"""Every kind of source, with images that are broken, odd, or not there."""

import shutil

import grain.python as grain
import numpy as np
import pytest
import zarr
from PIL import Image

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.data.source import image_dtype
from cnnviz_jax.errors import UsageError
from cnnviz_jax.files import read_lines
from cnnviz_jax.sweep import step
from cnnviz_jax.sweep.errors import BadImagesError, FingerprintError
from cnnviz_jax.sweep.result import read_manifest
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.store import ExampleStore
from tests.sweep import fixtures, harness


def written_folder(folder, count=12):
    """Write small PNG files in one folder per class."""
    for i in range(count):
        path = folder / f"class{i % 3}" / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, fixtures.SHAPE, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_folder_gives_its_images_in_order_of_path_and_its_folders_as_labels(tmp_path):
    source = open_source(str(written_folder(tmp_path / "p")), fixtures.SHAPE, labels="folders")
    assert len(source) == 12
    assert source.name(0) == "class0/000.png"
    assert [int(source[i].fields["label"]) for i in range(12)] == [0] * 4 + [1] * 4 + [2] * 4
    expected = np.random.default_rng(3).integers(0, 256, fixtures.SHAPE, dtype=np.uint8)
    np.testing.assert_allclose(source[1].image, expected / np.float32(255), atol=1e-6)


def test_labels_from_a_csv_with_or_without_a_heading(tmp_path):
    folder = written_folder(tmp_path / "p", 3)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nclass0/000.png,2\nclass1/001.png,1\n")
    source = open_source(str(folder), fixtures.SHAPE, labels=str(table))
    assert [int(source[i].fields["label"]) for i in range(3)] == [2, 1, -1]
    table.write_text("class0/000.png,2\nclass1/001.png,what\n")
    with pytest.raises(UsageError, match="row 2 is no path and whole number"):
        open_source(str(folder), fixtures.SHAPE, labels=str(table))
    table.write_text("other.png,2\n")
    with pytest.raises(UsageError, match=r"names none of the images, such as 'class0/000.png'"):
        open_source(str(folder), fixtures.SHAPE, labels=str(table))


def test_npz_zarr_and_a_factory_give_the_same_images_and_the_same_run(tmp_path):
    npz = fixtures.write_npz(tmp_path / "images.npz", count=13)
    with np.load(npz) as archive:
        group = zarr.create_group(str(tmp_path / "images.zarr"))
        for name in archive.files:
            group.create_array(name, data=archive[name], chunks=(5, *archive[name].shape[1:]))
    contents = []
    for number, source in enumerate((npz, tmp_path / "images.zarr", "tests.sweep.fixtures:images")):
        folder = harness.sweep(tmp_path / str(number), source=str(source), limit=13)
        contents.append(harness.content(folder.root))
    assert contents[0] == contents[1] == contents[2]


def test_bytes_go_to_the_devices_as_bytes_and_give_the_run_of_the_same_images_as_floats(tmp_path, monkeypatch):
    fed = []
    monkeypatch.setattr(step, "in_unit_range", lambda images: fed.append(images.dtype) or in_unit_range(images))
    pixels = np.random.default_rng(0).integers(0, 256, (13, *fixtures.SHAPE), dtype=np.uint8)
    labels = np.arange(13, dtype=np.int32) % fixtures.CLASSES
    contents = []
    for images in (pixels, pixels.astype(np.float32) / np.float32(255)):
        path = tmp_path / f"{images.dtype}.npz"
        np.savez(path, images=images, labels=labels)
        folder = harness.sweep(tmp_path / str(images.dtype), source=str(path), limit=13)
        contents.append(harness.content(folder.root))
    assert contents[0] == contents[1]
    assert np.dtype(np.uint8) in fed


def test_grey_bytes_get_their_channel_and_stay_bytes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "grey.npz", images=images, masks=images > 100)
    source = open_source(str(tmp_path / "grey.npz"), (8, 8, 1))
    np.testing.assert_array_equal(source[2].image, images[2][..., None])
    np.testing.assert_array_equal(
        Dataset(source=source).image(2)[..., 0], images[2].astype(np.float32) / np.float32(255)
    )
    assert source.fields == {"masks": ((8, 8), "bool")}


def test_a_factory_that_begins_with_bytes_gives_bytes_throughout(monkeypatch):
    entries = [np.full(fixtures.SHAPE, 51, np.uint8), np.full(fixtures.SHAPE, 0.2, np.float32)]
    monkeypatch.setattr(fixtures, "mixed", lambda: entries, raising=False)
    source = open_source("tests.sweep.fixtures:mixed", fixtures.SHAPE)
    assert (image_dtype(source), source[0].image.dtype) == ("uint8", np.uint8)
    assert (source[1].image, source[1].error) == (None, "ValueError: an image of float32; the first one was uint8")
    entries.reverse()
    source = open_source("tests.sweep.fixtures:mixed", fixtures.SHAPE)
    assert image_dtype(source) == "float32"
    np.testing.assert_array_equal(source[0].image, source[1].image)


def test_a_grain_source_is_read_through_a_factory(monkeypatch):
    class Mapped:
        """What a Grain user has: a random-access source behind a transformation."""

        def __init__(self):
            self.inner = grain.MapDataset.range(5).map(lambda i: {"image": np.full(fixtures.SHAPE, i / 8, np.float32)})

        def __len__(self):
            return len(self.inner)

        def __getitem__(self, index):
            return self.inner[index]

    monkeypatch.setattr(fixtures, "mapped", Mapped, raising=False)
    source = open_source("tests.sweep.fixtures:mapped", fixtures.SHAPE)
    assert len(source) == 5
    assert float(source[4].image[0, 0, 0]) == 0.5
    assert source.digest() == open_source("tests.sweep.fixtures:mapped", fixtures.SHAPE).digest()


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pixels": np.zeros((2, 16, 16, 3), np.float32)}, "holds no array `images`; it has pixels"),
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, r"images have shape (2, 8, 8, 3)"),
        ({"images": np.zeros((2, 16, 16, 3), np.int64)}, "images are int64"),
        ({"images": np.zeros((0, 16, 16, 3), np.float32)}, "no images, the first axis is empty"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsageError) as refused:
        open_source(str(tmp_path / "a.npz"), fixtures.SHAPE)
    assert sentence in str(refused.value)


def test_a_pickle_in_an_npz_is_not_run(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.asarray([{"a": 1}], object))
    with pytest.raises(UsageError, match=r"cannot be read as \.npz"):
        open_source(str(tmp_path / "a.npz"), fixtures.SHAPE)


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    """Twelve good images, then five that are broken or odd in every way, by name in the middle."""
    folder = tmp_path_factory.mktemp("odd")
    written_folder(folder)
    wide = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(wide).save(folder / "class1" / "grey.png")
    Image.fromarray(wide).convert("CMYK").save(folder / "class1" / "cmyk.jpg")
    Image.fromarray(wide.astype(np.uint16) * 200).save(folder / "class1" / "deep.png")
    Image.fromarray(wide).convert("RGB").save(folder / "class1" / "cut.jpg")
    whole = (folder / "class1" / "cut.jpg").read_bytes()
    (folder / "class1" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "class1" / "empty.png").write_bytes(b"")
    (folder / "class1" / "gone.png").symlink_to(folder / "class0" / "000.png")
    return folder


def test_bad_images_are_recorded_and_the_others_are_as_before(tmp_path, odd_folder):
    moved = shutil.copytree(odd_folder, tmp_path / "p", symlinks=True)
    source = open_source(str(moved), fixtures.SHAPE)
    names = [source.name(i) for i in range(len(source))]
    folder = harness.sweep(tmp_path / "run", source=str(moved), max_bad="3")
    status = harness.statuses(folder.root)[: len(names)]
    assert {names[i] for i in np.flatnonzero(status == 2)} == {"class1/cut.jpg", "class1/empty.png"}
    assert (status[status != 2] == 1).all()
    listed = {line["path"]: line["error"] for line in read_lines(folder.root / "errors")}
    assert "cut short" in listed["class1/cut.jpg"]
    assert "is not an image" in listed["class1/empty.png"]
    assert read_manifest(folder)["counts"] == {"ok": len(names) - 2, "unreadable": 2, "nonfinite": 0}
    good = tmp_path / "good"
    written_folder(good)
    clean = ExampleStore.open(harness.sweep(tmp_path / "clean", source=str(good)).examples)
    mixed = ExampleStore.open(folder.examples)
    where = {name: i for i, name in enumerate(names)}
    for i in range(4):  # class0 comes first in both, so ids are the same
        name = f"class0/{3 * i:03d}.png"
        assert where[name] == i
        for array in ("heat/smoothgrad", "score/smoothgrad"):
            rows = slice(i, i + 1)
            assert clean.read(array, rows).tobytes() == mixed.read(array, rows).tobytes()


def test_too_many_bad_images_stop_the_run_after_a_flush(tmp_path, odd_folder):
    with pytest.raises(BadImagesError, match="2 images could not be read, more than max_bad = 1 allows"):
        harness.sweep(
            tmp_path / "run", source=str(odd_folder), max_bad="1", options=RunOptions(checkpoint_every="2steps")
        )
    assert not (tmp_path / "run" / "DONE.json").exists()
    harness.sweep(tmp_path / "run", source=str(odd_folder), max_bad="2")


def test_a_file_that_vanishes_during_the_run_counts_as_bad(tmp_path, odd_folder):
    folder = shutil.copytree(odd_folder, tmp_path / "p")
    source = open_source(str(folder), fixtures.SHAPE)
    (folder / "class2" / "011.png").unlink()
    assert source[len(source) - 1].image is None
    assert "no image at" in source[len(source) - 1].error


def test_one_changed_file_is_another_data_set(tmp_path):
    images = written_folder(tmp_path / "p")
    harness.sweep(tmp_path / "run", source=str(images))
    with open(images / "class0" / "000.png", "ab") as file:
        file.write(b"more")
    with pytest.raises(FingerprintError, match="source_digest"):
        harness.sweep(tmp_path / "run", source=str(images))


def test_a_source_that_raises_for_one_image_costs_one_image(tmp_path, monkeypatch):
    class Sometimes(fixtures.Images):
        def __getitem__(self, index):
            if index == 7:
                raise RuntimeError("a shard of the store is away")
            return super().__getitem__(index)

    monkeypatch.setattr(fixtures, "sometimes", lambda: Sometimes(13), raising=False)
    folder = harness.sweep(tmp_path / "run", source="tests.sweep.fixtures:sometimes", max_bad="1")
    assert np.flatnonzero(harness.statuses(folder.root) == 2).tolist() == [7]
    assert next(read_lines(folder.root / "errors"))["error"] == "RuntimeError: a shard of the store is away"


def test_an_absent_extra_is_one_sentence(monkeypatch):
    import sys

    from cnnviz_jax.extras import require

    monkeypatch.setitem(sys.modules, "grain", None)
    monkeypatch.setitem(sys.modules, "grain.python", None)
    with pytest.raises(
        UsageError, match=r"needs the package 'grain', which is not installed: pip install 'cnnviz-jax\[sweep\]'"
    ):
        require("grain")
