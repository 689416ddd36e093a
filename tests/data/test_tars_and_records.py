"""Images in the files of other tools: tars of WebDataset, ArrayRecord, and data sets of Hugging Face and TFDS."""

import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.images import load_image
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.data.tars import expanded
from cnnviz_jax.errors import UsageError

SHAPE = (8, 8, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8)


def encoded(pixels, form="PNG"):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form)
    return written.getvalue()


def write_tar(path, entries, **member):
    """Write a tar file of (name, bytes)."""
    with tarfile.open(path, "w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in member.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(start=0, stop=6):
    """Entries as WebDataset writes them: the files of a key follow one another."""
    for i in range(start, stop):
        yield f"train/{i:04d}.png", encoded(PIXELS[i])
        yield (
            (f"train/{i:04d}.cls", f"{i}\n".encode())
            if i % 2
            else (f"train/{i:04d}.json", json.dumps({"label": i}).encode())
        )


def test_a_tar_is_read_by_index_with_its_labels_and_pickles(tmp_path):
    path = write_tar(tmp_path / "a.tar", samples())
    source = open_source(str(path), SHAPE)
    assert len(source) == 6
    assert source.fields == {"label": ((), "int32")}
    again = pickle.loads(pickle.dumps(source))
    for i in (5, 0, 3):
        example = again[i]
        np.testing.assert_array_equal(example.image, PIXELS[i].astype(np.float32) / 255)
        assert int(example.fields["label"]) == i
        assert source.name(i) == f"train/{i:04d}.png"
    assert Dataset.of(str(path), SHAPE).label(4) == 4


def test_several_tars_are_one_list_in_order_and_the_digest_tells_a_change(tmp_path):
    write_tar(tmp_path / "s-00.tar", samples(0, 4))
    write_tar(tmp_path / "s-01.tar", samples(4, 6))
    word = str(tmp_path / "s-{00..01}.tar")
    source = open_source(word, SHAPE)
    whole = open_source(str(write_tar(tmp_path / "w.tar", samples())), SHAPE)
    assert [int(source[i].fields["label"]) for i in range(6)] == list(range(6))
    for i in range(6):
        np.testing.assert_array_equal(source[i].image, whole[i].image)
    before = source.digest()
    assert open_source(word, SHAPE).digest() == before
    write_tar(tmp_path / "s-01.tar", samples(3, 5))
    assert open_source(word, SHAPE).digest() != before
    assert expanded("a-{8..11}.tar") == ["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]
    with pytest.raises(UsageError, match="1 to 10000 can be read"):
        expanded("a-{9..1}.tar")


def test_an_image_of_another_size_is_fitted_as_a_file_is(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "x.jpg").write_bytes(encoded(pixels, "JPEG"))
    path = write_tar(tmp_path / "a.tar", [("x.jpg", (tmp_path / "x.jpg").read_bytes())])

    class Model:
        input_shape = SHAPE

    np.testing.assert_array_equal(open_source(str(path), SHAPE)[0].image, load_image(tmp_path / "x.jpg", Model()))


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.png", b"no image", "not an image in a format"),
        ("a.png", encoded(PIXELS[0])[:60], "broken or cut short"),
        ("a.cls", b"three", "a label 'three', which is no whole number"),
        ("a.json", b"[" * 60_000, "nested too deep|which is no whole number|Expecting value"),
        ("a.json", b'{"label": 1e9}', "which is no whole number"),
        ("a.cls", b"1" * 70_000, "a label of 70,000 bytes"),
    ],
)
def test_a_damaged_image_or_label_is_counted_and_the_rest_is_read(tmp_path, name, data, error):
    entries = [("a.png", encoded(PIXELS[0]))] if name != "a.png" else []
    path = write_tar(tmp_path / "a.tar", [*entries, (name, data), ("b.png", encoded(PIXELS[1])), ("b.cls", b"1")])
    source = open_source(str(path), SHAPE)
    broken, sound = source[0], source[1]
    assert broken.image is None
    assert any(part in broken.error for part in error.split("|")), broken.error
    assert sound.image is not None
    assert int(sound.fields["label"]) == 1


@pytest.mark.parametrize(
    ("entries", "member", "sentence"),
    [
        ([("../a.png", b"x")], {}, "whose path leads out of it"),
        ([("/etc/a.png", b"x")], {}, "whose path leads out of it"),
        ([("a.png", b"")], {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "a link, a device or sparse"),
        ([("a.png", b"")], {"type": tarfile.LNKTYPE, "linkname": "b"}, "a link, a device or sparse"),
        ([("a.png", b"")], {"type": tarfile.FIFOTYPE}, "a link, a device or sparse"),
        ([("a.txt", b"x")], {}, "no images in"),
        ([("a.png", b"x"), ("a.jpg", b"y")], {}, "two images of the key 'a'"),
    ],
)
def test_a_tar_that_no_data_set_would_be_is_refused_in_a_sentence(tmp_path, entries, member, sentence):
    path = write_tar(tmp_path / "a.tar", entries, **member)
    with pytest.raises(UsageError, match=sentence):
        open_source(str(path), SHAPE)


def test_compressed_cut_and_absent_tars_are_refused(tmp_path):
    with tarfile.open(tmp_path / "z.tar", "w:gz"):
        pass
    (tmp_path / "junk.tar").write_bytes(b"\xff" * 5000)
    for name in ("z.tar", "junk.tar"):
        with pytest.raises(UsageError, match="cannot be read as an uncompressed tar file"):
            open_source(str(tmp_path / name), SHAPE)
    with pytest.raises(UsageError, match="no tar file at"):
        open_source(str(tmp_path / "absent.tar"), SHAPE)
    path = write_tar(tmp_path / "cut.tar", samples())
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UsageError, match=r"is cut short|cannot be read as an uncompressed tar file"):
        open_source(str(path), SHAPE)
    with pytest.raises(UsageError, match="labels 'folders' are for folders of images"):
        open_source(str(path), SHAPE, labels="folders")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    info = tarfile.TarInfo("a.png")
    info.size = 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf() + b"x" * 512)
    with pytest.raises(UsageError, match=r"is cut short: 'a\.png' ends behind its end"):
        open_source(str(tmp_path / "a.tar"), SHAPE)


def test_an_array_record_of_encoded_images_is_read_by_index(tmp_path):
    module = pytest.importorskip("array_record.python.array_record_module", reason="array_record is not installed")
    path = tmp_path / "a.array_record"
    writer = module.ArrayRecordWriter(str(path), "group_size:1")
    for pixels in PIXELS:
        writer.write(encoded(pixels))
    writer.close()
    source = open_source(str(path), SHAPE)
    assert len(source) == 6
    again = pickle.loads(pickle.dumps(source))
    for i in (4, 1):
        np.testing.assert_array_equal(again[i].image, PIXELS[i].astype(np.float32) / 255)
    assert source.digest() == again.digest()
    with pytest.raises(UsageError, match="no ArrayRecord file"):
        open_source(str(tmp_path / "b.array_record"), SHAPE)


# Its writer pickles what dill warns of, depending on the version of pyarrow.
@pytest.mark.filterwarnings("ignore")
def test_a_data_set_of_hugging_faces_is_read_from_disk_and_never_downloaded(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    features = datasets.Features({"picture": datasets.Image(), "label": datasets.ClassLabel(names=list("abcdef"))})
    rows = {"picture": [Image.fromarray(pixels) for pixels in PIXELS], "label": list(range(6))}
    datasets.DatasetDict({"test": datasets.Dataset.from_dict(rows, features)}).save_to_disk(str(tmp_path / "saved"))
    source = open_source(f"hf:{tmp_path / 'saved'}@test", SHAPE)
    assert len(source) == 6
    again = pickle.loads(pickle.dumps(source))
    for i in (5, 2):
        np.testing.assert_array_equal(again[i].image, PIXELS[i].astype(np.float32) / 255)
        assert int(again[i].fields["label"]) == i
    assert Dataset.of(f"hf:{tmp_path / 'saved'}@test", SHAPE).class_names == tuple("abcdef")
    with pytest.raises(UsageError, match="has no split 'train'; it has test"):
        open_source(f"hf:{tmp_path / 'saved'}@train", SHAPE)
    with pytest.raises(UsageError, match="is not in the local cache, and nothing is downloaded unasked"):
        open_source("hf:nobody/nothing@train", SHAPE)
    with pytest.raises(UsageError, match=r"is no hf:NAME@SPLIT"):
        open_source("hf:mnist", SHAPE)


def test_a_data_set_that_tfds_prepared_is_read_without_tensorflow_and_never_downloaded(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets", reason="the extra tfds is not installed")

    class Toy(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path

        def _info(self):
            features = {"picture": tfds.features.Image(), "label": tfds.features.ClassLabel(names=list("abcdef"))}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager):
            return {"test": self._generate_examples()}

        def _generate_examples(self):
            for i, pixels in enumerate(PIXELS):
                yield i, {"picture": io.BytesIO(encoded(pixels)), "label": i}

    Toy(data_dir=tmp_path / "all", file_format="array_record").download_and_prepare()
    folder = tmp_path / "all/toy/1.0.0"
    source = open_source(f"tfds:{folder}@test", SHAPE)
    again = pickle.loads(pickle.dumps(source))
    assert (len(again), again.digest(), again.classes) == (6, source.digest(), tuple("abcdef"))
    for example in map(again.__getitem__, range(6)):  # TFDS shuffles what it writes
        expected = PIXELS[int(example.fields["label"])].astype(np.float32) / 255
        np.testing.assert_array_equal(example.image, expected)
    with pytest.raises(UsageError, match="has no split 'train' on this machine; it has test"):
        open_source(f"tfds:{folder}@train", SHAPE)
    with pytest.raises(UsageError, match=r"is not prepared on this machine .* nothing is downloaded unasked"):
        open_source("tfds:of_nobody@test", SHAPE)


def test_words_of_records_have_a_name_and_a_split():
    for library in ("hf", "tfds"):
        with pytest.raises(UsageError, match=f"is no {library}:NAME@SPLIT, such as {library}:mnist@test"):
            open_source(f"{library}:mnist", SHAPE)
