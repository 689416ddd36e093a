"""What identifies a run: the fingerprint of everything that decides its results."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.provenance import versions


def fingerprint(identity: dict[str, Any]) -> str:
    """Return the SHA-256 of an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return where two identities differ, one text each."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            d for key in keys for d in differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in differences(a, b, f"{path}[{i}]")]
    return [] if old == new else [f"{path}: {_short(old)} then, {_short(new)} now"]


def weights_digest(model: "Model") -> str:
    """Return the SHA-256 over all parameters: paths, shapes, dtypes and bytes."""
    hashed = hashlib.sha256()
    leaves = jax.tree.leaves(model.params)
    for path, leaf in zip(model.structure.pure.param_paths, leaves, strict=True):
        array = np.asarray(leaf)
        hashed.update(f"{path}\0{array.dtype}\0{array.shape}\0".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def environment() -> dict[str, Any]:
    """Return what bit-equality is promised for: versions, backend and kind of device."""
    device = jax.devices()[0]
    return {"versions": dict(versions()), "backend": jax.default_backend(), "device_kind": device.device_kind}


def part_of(run: dict[str, Any]) -> tuple[int, int]:
    """Return the first image of a run's shard and one past its last."""
    identity, (index, count) = run["identity"], run["shard"]
    device_batch, images = identity["device_batch"], identity["images"]
    device_batches = -(-images // device_batch)
    return min(device_batches * index // count * device_batch, images), min(
        device_batches * (index + 1) // count * device_batch, images
    )
