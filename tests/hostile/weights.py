"""Hostile weights: damaged files of every format, and the bombs and programs of `weights_bombs`."""

import io
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from flax.serialization import to_bytes
from safetensors.numpy import save

from cnnviz_plugins.models.checkpoints import read_weights, restore
from tests.hostile.damage import damaged
from tests.hostile.family import Case, Family
from tests.hostile.weights_bombs import BOMBS, legacy_torch, zipped_torch

LIKE = {"bias": np.zeros(4, np.float32), "conv": {"kernel": np.zeros((3, 3, 2, 4), np.float32)}}
"""What the network of these cases needs."""

_FLAT = {"bias": LIKE["bias"], "conv.kernel": LIKE["conv"]["kernel"]}


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Write hostile weights, which are read alone or into a network."""
    if rng.random() < 0.7:
        path, what = _damaged(rng, folder)
    else:
        attack = BOMBS[rng.integers(len(BOMBS))]
        path, what = attack(rng, folder), attack.__name__
    if rng.random() < 0.5:
        return Case(what=f"restore: {what}", attempt=lambda: restore(LIKE, path))
    return Case(what=f"read: {what}", attempt=lambda: read_weights(path))


def _npz(compressed: bool) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **_FLAT)
    return out.getvalue()


def _hdf5(packed: bool) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, array in _FLAT.items():
            file.create_dataset(name.replace(".", "/"), data=array, compression="gzip" if packed else None)
    return out.getvalue()


def _eqx() -> bytes:
    out = io.BytesIO()
    for array in _FLAT.values():
        np.save(out, array)
    return out.getvalue()


_WRITERS: dict[str, Callable[[], bytes]] = {
    "w.safetensors": lambda: save(_FLAT),
    "w.pth": lambda: zipped_torch(_FLAT),
    "legacy.pth": lambda: legacy_torch(_FLAT),
    "w.npz": lambda: _npz(compressed=False),
    "packed.npz": lambda: _npz(compressed=True),
    "w.h5": lambda: _hdf5(packed=False),
    "packed.h5": lambda: _hdf5(packed=True),
    "w.eqx": _eqx,
    "w.msgpack": lambda: to_bytes(LIKE),
}


@cache
def _whole(name: str) -> bytes:
    return _WRITERS[name]()


def _damaged(rng: np.random.Generator, folder: Path) -> tuple[Path, str]:
    if rng.random() < 0.06:
        return _damaged_orbax(rng, folder)
    name = list(_WRITERS)[rng.integers(len(_WRITERS))]
    data, how = damaged(_whole(name), rng)
    suffixes = (".safetensors", ".pth", ".npz", ".h5", ".keras", ".eqx", ".msgpack")
    path = folder / (name if rng.random() < 0.8 else f"w{suffixes[rng.integers(len(suffixes))]}")
    path.write_bytes(data)
    return path, f"{name} as {path.name}: {how}"


@cache
def _orbax() -> Path:
    import atexit
    import tempfile

    import orbax.checkpoint as ocp

    folder = Path(tempfile.mkdtemp(prefix="hostile-orbax-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "w", LIKE)
    return folder / "w"


def _damaged_orbax(rng: np.random.Generator, folder: Path) -> tuple[Path, str]:
    path = folder / "orbax"
    shutil.copytree(_orbax(), path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[rng.integers(len(files))]
    chance = rng.random()
    if chance < 0.2:
        file.unlink()
        how = "removed"
    elif chance < 0.4:
        secret = folder / "secret"
        secret.write_bytes(file.read_bytes())
        file.unlink()
        file.symlink_to(secret)
        how = "a link to elsewhere"
    else:
        data, how = damaged(file.read_bytes(), rng)
        file.write_bytes(data)
    return path, f"Orbax {file.relative_to(path)}: {how}"


FAMILY = Family(make=make, share=16)
