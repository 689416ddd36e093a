"""Arrays from a stranger: images as .npz and zarr, activations, kernels, concepts, trainings, labels, specs."""

import csv
import functools
import io
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.sweep.errors import SweepStop
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_plugins.explain.concepts.concept_maps import _read as read_bank
from cnnviz_plugins.inspect.convolve import kernel_named
from cnnviz_plugins.models.labels import labels_beside
from tests.hostile.damage import damaged, edited, zstd_bomb
from tests.hostile.family import Case, Family
from tests.hostile.results import Touch, packed_zeros
from tests.results import every_result

SHAPE = (8, 8, 3)
Attempt = Callable[[], object]


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Write a file or folder of arrays, and read it as its user would."""
    _activations(), every_result.training()  # once, in a case that is not counted
    attack = _ATTACKS[rng.integers(len(_ATTACKS))]
    return Case(what=attack.__name__, attempt=attack(rng, folder))


def _images(path: Path) -> None:
    source = open_source(str(path), SHAPE)
    for index in range(min(3, len(source))):
        source[index]


@functools.cache
def _npz() -> bytes:
    out = io.BytesIO()
    images = np.random.default_rng(0).random((4, *SHAPE)).astype(np.float32)
    np.savez_compressed(out, images=images, labels=np.arange(4), concept_names=np.array(["a", "b"]))
    return out.getvalue()


def npz_images(rng: np.random.Generator, folder: Path) -> Attempt:
    """Images in a damaged .npz, or in one that fills the memory or holds a pickle."""
    path = folder / "images.npz"
    kind = rng.integers(4)
    if kind < 2:
        path.write_bytes(damaged(_npz(), rng)[0])
    elif kind == 2:
        shutil.move(packed_zeros(rng, folder, "FilterBank"), path)
    else:
        np.savez(path, images=np.array([Touch(folder / "ran")], object), allow_pickle=True)
    return lambda: _images(path)


def zarr_images(rng: np.random.Generator, folder: Path) -> Attempt:
    """Images in a zarr of either format, with codecs that run what a chunk says, bombs, links and pipes."""
    import zarr

    path = folder / "images.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=(2, 3)[rng.integers(2)])
    for name, shape in (("images", (4, *SHAPE)), ("extra", (4,))):
        group.create_array(name, data=np.zeros(shape, np.float32) + 0.5, chunks=(2, *shape[1:]))
    metadata = sorted([*path.rglob("zarr.json"), *path.rglob(".zarray")])
    chunks = sorted(file for file in path.rglob("*") if file.is_file() and file.name[0].isdigit())
    kind = rng.integers(6)
    file, chunk = metadata[rng.integers(len(metadata))], chunks[rng.integers(len(chunks))]
    if kind == 0:
        file.write_text(json.dumps(edited(rng, json.loads(file.read_text()))))
    elif kind == 1:
        chunk.write_bytes(damaged(chunk.read_bytes(), rng)[0])
    elif kind == 2:
        chunk.write_bytes(zstd_bomb(int(2 ** rng.uniform(4, 31)), blocks=int(10 ** rng.uniform(0, 4))))
    elif kind == 3:
        _unpacked_by_pickle(rng, path, folder)
    elif kind == 4:
        (folder / "secret").write_bytes(bytes(2 * 4 * 8 * 8 * 3))
        chunk.unlink()
        chunk.symlink_to((folder / "secret", "/dev/zero", chunk.name)[rng.integers(3)])
    else:
        chunk.unlink()
        os.mkfifo(chunk)
    return lambda: _images(path)


def _unpacked_by_pickle(rng: np.random.Generator, path: Path, folder: Path) -> None:
    place = path / "more"
    place.mkdir()
    filters = ([{"id": "vlen-utf8"}, {"id": "pickle"}], [{"id": "pickle"}], [{"id": "pickle"}, {"id": "zlib"}])
    about: dict[str, Any] = {
        "zarr_format": 2, "shape": [4], "chunks": [4], "dtype": ("|O", "<f4")[rng.integers(2)], "order": "C",
        "fill_value": 0, "compressor": (None, {"id": "pickle"})[rng.integers(2)], "filters": filters[rng.integers(3)],
    }  # fmt: skip
    (path / "zarr.json").unlink(missing_ok=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (place / ".zarray").write_text(json.dumps(about))
    (place / "0").write_bytes(pickle.dumps(Touch(folder / "ran")))


@functools.cache
def _activations() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hostile-activations-")) / "rows"
    layer = next(name for name in every_result.model().layers if "conv" in name)
    cv.store_activations(every_result.model(), every_result.six_images(), folder, layer=layer)
    return folder


def activations(rng: np.random.Generator, folder: Path) -> Attempt:
    """A store whose files are damaged, edited, gone, or others'."""
    path = Path(shutil.copytree(_activations(), folder / "rows"))
    files = sorted(path.iterdir())
    for _ in range(rng.integers(1, 3)):
        file = files[rng.integers(len(files))]
        kind = rng.integers(4)
        if file.suffix == ".json" and kind < 3:
            file.write_text(json.dumps(edited(rng, json.loads((_activations() / "store.json").read_text()))))
        elif kind == 0:
            file.unlink(missing_ok=True)
        elif kind == 1:
            np.save(file.with_suffix(".npy"), np.array([Touch(folder / "ran")], object), allow_pickle=True)
        else:
            file.write_bytes(damaged((_activations() / file.name).read_bytes(), rng)[0])

    def attempt() -> None:
        store = cv.open_activations(path)
        repr(store)
        _ = store.index, store[:3], store.mean, store.variance

    return attempt


def kernel(rng: np.random.Generator, folder: Path) -> Attempt:
    """A kernel of a convolution, as .npy or as text."""
    path = folder / ("kernel.npy", "kernel.csv")[rng.integers(2)]
    out = io.BytesIO()
    np.save(out, np.eye(3))
    whole = out.getvalue() if path.suffix == ".npy" else b"1,0,0\n0,1,0\n0,0,1\n"
    if rng.random() < 0.2:
        whole = pickle.dumps(Touch(folder / "ran"))
    path.write_bytes(damaged(whole, rng)[0])
    return lambda: kernel_named(str(path))


def bank(rng: np.random.Generator, folder: Path) -> Attempt:
    """A bank of concepts, of which words or directions are none."""
    about: Any = {"result": "ConceptBank", "layer": "conv", "concepts": ["a", "b"]}
    if rng.random() < 0.5:
        about = edited(rng, about)
    out = io.BytesIO()
    np.savez(out, bank=np.ones((2, 4), np.float32), about=np.array(json.dumps(about)))
    path = folder / "bank.npz"
    path.write_bytes(damaged(out.getvalue(), rng)[0] if rng.random() < 0.5 else out.getvalue())
    return lambda: read_bank(str(path))


def recorded_training(rng: np.random.Generator, folder: Path) -> Attempt:
    """The folder of a recorder, whose words or checkpoints are edited, damaged or links."""
    path = Path(shutil.copytree(every_result.training(), folder / "training"))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = path / "recorder.json" if rng.random() < 0.4 else files[rng.integers(len(files))]
    kind = rng.integers(4)
    if file.suffix == ".json" and kind < 3:
        file.write_text(json.dumps(edited(rng, json.loads(file.read_text()))))
    elif kind == 3:
        (folder / "secret").write_bytes(file.read_bytes())
        file.unlink()
        file.symlink_to(folder / "secret")
    else:
        file.write_bytes(damaged(file.read_bytes(), rng)[0])

    def attempt() -> None:
        recorder = cv.Recorder(path)
        for step in recorder.steps:
            recorder.load(step)
        _ = recorder.network

    return attempt


def labels(rng: np.random.Generator, folder: Path) -> Attempt:
    """Labels of a folder in a CSV file, of a network in JSON."""
    from PIL import Image

    if rng.random() < 0.5:
        names = [["n0", "a"]] * 1000
        data = damaged(json.dumps(edited(rng, names) if rng.random() < 0.5 else names).encode(), rng)[0]
        (folder / "imagenet_classes.json").write_bytes(data)
        (folder / "w.pth").write_bytes(b"")
        return lambda: labels_beside(folder / "w.pth", 1000)
    (folder / "images").mkdir()
    for number in range(2):
        Image.new("RGB", (9, 9)).save(folder / "images" / f"{number}.png")
    text = io.StringIO()
    junk = ("-1", "9" * 5_000, "1e999", "nan", "", "\0", "cat", "../../etc/passwd", '"', "0.5", "\u202e")
    writer = csv.writer(text)
    for number in range(3):
        writer.writerow([f"{number % 2}.png", junk[rng.integers(len(junk))], *["x"] * int(rng.integers(0, 3))])
    data = text.getvalue().encode()
    (folder / "labels.csv").write_bytes(damaged(data, rng)[0] if rng.random() < 0.5 else data)
    return lambda: open_source(str(folder / "images"), SHAPE, labels=str(folder / "labels.csv"))[0]


def specification(rng: np.random.Generator, folder: Path) -> Attempt:
    """A sweep's TOML file with values of any form; what it names is not imported to read it."""
    table = {
        "model": "shapes", "source": "images.npz", "device_batch": 4, "seed": 0, "limit": 3,
        "explain": [{"technique": "smoothgrad", "samples": 3}], "survey": [{"technique": "top-k", "k": 3}],
    }  # fmt: skip
    table = edited(rng, edited(rng, table))
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()] if isinstance(table, dict) else ["["]
    data = "\n".join(line.replace(": ", " = ") for line in lines).encode("utf-8", "replace")
    path = folder / "sweep.toml"
    path.write_bytes(damaged(data, rng)[0] if rng.random() < 0.5 else data)

    def attempt() -> None:
        try:
            SweepSpec.read(path)
        except SweepStop as stop:
            raise CnnvizError(str(stop)) from stop

    return attempt


_ATTACKS: tuple[Callable[[np.random.Generator, Path], Attempt], ...] = (
    npz_images, zarr_images, zarr_images, activations, activations, kernel, bank, recorded_training, labels,
    specification,
)  # fmt: skip
FAMILY = Family(make=make, share=8)
