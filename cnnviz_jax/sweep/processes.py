"""What the processes of one run tell each other: small numbers, between steps, never inside one."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

# JAX has no type for it: Gloo, gRPC and the coordination service each say it in their own words.
_LOST_PEER = (
    "Gloo",
    "Connection closed",
    "Connection reset",
    "connection refused",
    "coordination service",
    "heartbeat",
)


def gather(numbers: Sequence[int]) -> np.ndarray:
    """Return the numbers of every process, one row each; waits for all of them.

    Args:
        numbers: Whole numbers from 0 to 2**64 - 1, equally many on every process.
    """
    own = np.asarray(numbers, np.uint64)
    if jax.process_count() == 1:
        return own.astype(object)[None]
    from jax.experimental import multihost_utils

    # Fingerprints and image numbers do not fit 32 bits, which is all that JAX has by default.
    halves = np.stack([own >> np.uint64(32), own & np.uint64(0xFFFFFFFF)]).astype(np.uint32)
    every = np.asarray(multihost_utils.process_allgather(halves)).astype(np.uint64)
    return ((every[:, 0] << np.uint64(32)) | every[:, 1]).astype(object)


def from_first(numbers: Sequence[int]) -> list[int]:
    """Return what process 0 passes here; waits for all of them."""
    return [int(number) for number in gather(numbers)[0]]


def gather_deltas(deltas: Any) -> Any:
    """Return deltas of all devices as NumPy arrays, on every process, in the devices' order."""
    if jax.process_count() == 1:
        return jax.tree.map(np.asarray, deltas)
    from jax.experimental import multihost_utils

    return jax.tree.map(np.asarray, multihost_utils.process_allgather(deltas, tiled=True))


def lost_peer(error: BaseException) -> bool:
    """Return whether an error says that another process has gone; JAX raises more than one type for it."""
    return jax.process_count() > 1 and any(mark in str(error) for mark in _LOST_PEER)
