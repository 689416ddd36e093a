"""Stored results from a stranger: damaged, edited, packed to fill the memory, or holding what would run."""

import functools
import io
import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.archive.encoding import STRUCTURE
from cnnviz_jax.archive.files import write_entries
from tests.hostile.damage import damaged, edited, sealed, zstd_bomb
from tests.hostile.family import Case, Family
from tests.results import every_result

_KINDS = ("Attribution", "FilterBank", "Exemplars", "Measurement")
_NAMES = (
    "os.system",
    "PureModel",
    "Path",
    "object",
    "Provenance",
    "Attribution",
    "Fraction",
    "\x1b[31m",
    "",
    "x" * 9_000,
)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._path,)


@functools.cache
def _stored(kind: str, suffix: str) -> Path:
    return Path(cv.save(every_result.made(kind), Path(tempfile.mkdtemp(prefix="hostile-results-")) / f"kept{suffix}"))


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Write a stored result, which is loaded, shown and stored again."""
    for kind in _KINDS:  # once, in a case that is not counted
        _stored(kind, ".npz"), _stored(kind, ".zarr")
    attack = _ATTACKS[rng.integers(len(_ATTACKS))]
    kind = _KINDS[rng.integers(len(_KINDS))]
    path = attack(rng, folder, kind)
    as_figure = rng.random() < 0.1

    def attempt() -> None:
        result = cv.load(path)
        repr(result)
        cv.save(result, folder / "out" / "again.npz")
        if as_figure:
            cv.render(result, folder / "out" / "figure.html")

    return Case(what=f"{kind}: {attack.__name__}", attempt=attempt, may_stay=lambda path: path.name == "again.npz")


def _parts(kind: str) -> dict[str, np.ndarray]:
    with np.load(_stored(kind, ".npz"), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def damaged_bytes(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """An .npz with other bytes somewhere."""
    path = folder / "kept.npz"
    path.write_bytes(damaged(_stored(kind, ".npz").read_bytes(), rng)[0])
    return path


def edited_structure(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """One to three entries of its JSON of another form."""
    parts = _parts(kind)
    structure = json.loads(str(parts[STRUCTURE]))
    for _ in range(rng.integers(1, 4)):
        structure = edited(rng, structure)
    return _written(folder, parts | {STRUCTURE: np.array(json.dumps(structure))})


def other_classes(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """The names of classes, arrays or configs are others."""
    parts = _parts(kind)
    names = [*_NAMES, *parts]
    tag = ("class", "array", "config", "dtype")[rng.integers(4)]

    def renamed(node: Any) -> Any:
        if isinstance(node, list):
            return [renamed(each) for each in node]
        if not isinstance(node, dict):
            return node
        found = {name: renamed(each) for name, each in node.items()}
        if tag in found and rng.random() < 0.4:
            found[tag] = names[rng.integers(len(names))]
        return found

    structure = renamed(json.loads(str(parts[STRUCTURE])))
    return _written(folder, parts | {STRUCTURE: np.array(json.dumps(structure))})


def other_arrays(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """An array of another shape or of other elements, not finite ones among them."""
    parts = _parts(kind)
    name = list(parts)[rng.integers(len(parts))]
    number = (0.0, np.nan, -1e38, 1e308)[rng.integers(4)]
    array = np.full(tuple(rng.integers(0, 6, rng.integers(0, 6))), number)
    array = array.astype(("f4", "i8", "U3", "c8", "f8", "?", "S2")[rng.integers(7)])
    return _written(folder, parts | {name: array})


def packed_zeros(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """A member that unpacks to hundreds of megabytes, by any method, or promises more than there are."""
    method = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[rng.integers(3)]
    parts = _parts(kind)
    name = list(parts)[rng.integers(len(parts))]
    path = folder / "kept.npz"
    write_entries(path, {key: array for key, array in parts.items() if key != name})
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (int(2 ** rng.uniform(26, 40)),)}
    )
    with zipfile.ZipFile(path, "a", method) as archive, archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        file.write(head.getvalue())
        for _ in range(int(rng.integers(1, 300)) if method == zipfile.ZIP_DEFLATED else 8):
            file.write(bytes(1 << 20))
    return path


def deep_structure(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """Brackets in brackets."""
    depth = int(10 ** rng.uniform(2, 5))
    text = ("[" * depth + "]" * depth, '{"tuple":' * depth + "0" + "}" * depth, "9" * depth)[rng.integers(3)]
    return _written(folder, _parts(kind) | {STRUCTURE: np.array('{"format": 1, "result": ' + text + "}")})


def a_pickle(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """An array of objects, whose bytes would make a file."""
    path = folder / "kept.npz"
    parts = _parts(kind)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in parts.items():
            with archive.open(f"{name}.npy", "w") as file:
                if rng.random() < 0.3:
                    np.lib.format.write_array_header_1_0(
                        file, {"descr": "|O", "fortran_order": False, "shape": (1,) * int(rng.integers(0, 3))}
                    )
                    file.write(pickle.dumps(np.array([Touch(folder / "ran")], object)))
                else:
                    np.lib.format.write_array(file, array)
    return path


def edited_zarr(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """A folder with entries of its JSON files of another form, or damaged bytes."""
    path = Path(shutil.copytree(_stored(kind, ".zarr"), folder / "kept.zarr"))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for _ in range(rng.integers(1, 3)):
        file = files[rng.integers(len(files))]
        is_edited = file.name == "zarr.json" and rng.random() < 0.8
        try:
            told = json.loads(file.read_text(encoding="utf-8")) if is_edited else None
        except ValueError:  # damaged a round before
            is_edited = False
        if is_edited:
            file.write_text(json.dumps(edited(rng, told)))
        else:
            file.write_bytes(damaged(file.read_bytes(), rng)[0])
    return path


def zarr_of_another_codec(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """An array that says itself how it is unpacked: by pickles, twice, by what is not installed; or has huge chunks."""
    path = Path(shutil.copytree(_stored(kind, ".zarr"), folder / "kept.zarr"))
    metadata = sorted(file for file in path.rglob("zarr.json") if "shape" in json.loads(file.read_text()))
    file = metadata[rng.integers(len(metadata))]
    content = json.loads(file.read_text())
    chunks = [each for each in sorted(file.parent.rglob("*")) if each.is_file() and each.name != "zarr.json"]
    choice = rng.integers(4)
    if choice == 0:
        names = ("numcodecs.pickle", "numcodecs.zlib", "numcodecs.bz2", "numcodecs.lzma", "gzip", "evil", "os:system")
        content["codecs"].append({"name": names[rng.integers(len(names))], "configuration": {}})
        for chunk in chunks:
            chunk.write_bytes(pickle.dumps(Touch(folder / "ran")))
    elif choice == 1:
        content["shape"] = [int(n) for n in rng.integers(1, 1 << 30, len(content["shape"]) or 1)]
    elif choice == 2:
        large = [int(2 ** rng.uniform(1, 40)) for _ in content["shape"]]
        content["chunk_grid"]["configuration"]["chunk_shape"] = large
    elif chunks:
        size = int(np.prod(content["chunk_grid"]["configuration"]["chunk_shape"])) * 4
        frame = zstd_bomb(size, blocks=int(10 ** rng.uniform(0, 4)))
        chunks[rng.integers(len(chunks))].write_bytes(sealed(frame) if rng.random() < 0.3 else frame)
    file.write_text(json.dumps(content))
    return path


def strange_zarr(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """A pipe, a device, or a link to elsewhere in a file's place."""
    path = Path(shutil.copytree(_stored(kind, ".zarr"), folder / "kept.zarr"))
    (folder / "secret").write_bytes(b"secret" * 100)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[rng.integers(len(files))]
    file.unlink()
    kind_of = rng.integers(4)
    if kind_of == 0:
        os.mkfifo(file)
    else:
        file.symlink_to((folder / "secret", "/dev/zero", file.name)[kind_of - 1])
    return path


def no_file(rng: np.random.Generator, folder: Path, kind: str) -> Path:
    """A pipe, a device, a folder, nothing, or a name that no file can have."""
    path = folder / ("kept.npz", "kept.zarr")[rng.integers(2)]
    choice = rng.integers(6)
    if choice == 0:
        os.mkfifo(path)
    elif choice == 1:
        path.symlink_to(("/dev/zero", path.name)[rng.integers(2)])
    elif choice == 2:
        path.mkdir()
    elif choice == 3:
        return folder / ("k" * 5_000 + path.suffix)
    return path


def _written(folder: Path, parts: dict[str, np.ndarray]) -> Path:
    write_entries(folder / "kept.npz", parts)
    return folder / "kept.npz"


_ATTACKS: tuple[Callable[[np.random.Generator, Path, str], Path], ...] = (
    damaged_bytes, damaged_bytes, edited_structure, edited_structure, other_classes, other_arrays, packed_zeros,
    deep_structure, a_pickle, edited_zarr, zarr_of_another_codec, strange_zarr, no_file,
)  # fmt: skip
FAMILY = Family(make=make, share=8)
