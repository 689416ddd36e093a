"""What identifies a run: the fingerprint of everything that decides its results."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import jax

from cnnviz_jax.results.provenance import versions


def fingerprint(identity: dict[str, Any]) -> str:
    """Return the SHA-256 of an identity."""
    # Sorted and without blanks: equal identities are equal text, whatever order they were put together in.
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


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def environment() -> dict[str, Any]:
    """Return what bit-equality is promised for: versions, backend and kind of device."""
    # Another compiler or processor may add in another order: the last bits of a float32 sum are not portable.
    device = jax.devices()[0]
    return {"versions": dict(versions()), "backend": jax.default_backend(), "device_kind": device.device_kind}


def part_of(images: int, device_batch: int, shard: Sequence[int]) -> tuple[int, int]:
    """Return the first image of shard i of n and one past its last: whole device batches, spread evenly."""
    # 61 images in device batches of 4 are 16 of them; shard 1 of 3 has batches 5 to 9, that is images 20 to 39.
    index, count = shard
    device_batches = -(-images // device_batch)
    first, stop = (min(device_batches * i // count * device_batch, images) for i in (index, index + 1))
    return first, stop


def part_of_run(run: dict[str, Any]) -> tuple[int, int]:
    """Return the images of a run's shard from what its `run.json` holds; see `part_of`."""
    return part_of(run["identity"]["images"], run["identity"]["device_batch"], run["shard"])
