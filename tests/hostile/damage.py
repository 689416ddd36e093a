"""Ways to damage bytes, alike for all kinds of files."""

from collections.abc import Callable

import numpy as np

_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)


def damaged(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Return bytes damaged one to three times, and how."""
    words = []
    for _ in range(rng.integers(1, 4)):
        damage = _DAMAGES[rng.integers(len(_DAMAGES))]
        data = damage(bytearray(data or b"\0"), rng)
        words.append(damage.__name__.strip("_"))
    return data, " and ".join(words)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    # Half of them at the front, where headers are, or at the end, where zip archives have theirs.
    size = len(data)
    near = int(rng.integers(0, max(1, min(size, 400))))
    return int((near, size - 1 - near, rng.integers(0, size), rng.integers(0, size))[rng.integers(4)])


def _flip_bits(data: bytearray, rng: np.random.Generator) -> bytes:
    for _ in range(rng.integers(1, 17)):
        data[_place(data, rng)] ^= 1 << rng.integers(8)
    return bytes(data)


def _cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: _place(data, rng)])


def _extend(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data) + rng.bytes(int(rng.integers(1, 3000)))


def _zero(data: bytearray, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    stop = min(len(data), start + int(rng.integers(1, 500)))
    data[start:stop] = bytes(stop - start)
    return bytes(data)


def _remove(data: bytearray, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    del data[start : start + int(rng.integers(1, 200))]
    return bytes(data)


def _repeat(data: bytearray, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    part = data[start : start + int(rng.integers(1, 200))]
    return bytes(data[:start] + part * int(rng.integers(2, 50)) + data[start:])


def _swap(data: bytearray, rng: np.random.Generator) -> bytes:
    here, there = sorted((_place(data, rng), _place(data, rng)))
    size = min(int(rng.integers(1, 100)), there - here)
    data[here : here + size], data[there : there + size] = data[there : there + size], data[here : here + size]
    return bytes(data)


def _extreme_number(data: bytearray, rng: np.random.Generator) -> bytes:
    width = int((1, 2, 4, 8)[rng.integers(4)])
    number = _EXTREMES[rng.integers(len(_EXTREMES))] & ((1 << 8 * width) - 1)
    place = _place(data, rng)
    data[place : place + width] = number.to_bytes(width, ("little", "big")[rng.integers(2)])
    return bytes(data)


def _noise(data: bytearray, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    size = min(int(rng.integers(1, 64)), len(data) - start)
    data[start : start + size] = rng.bytes(size)
    return bytes(data)


_DAMAGES: tuple[Callable[[bytearray, np.random.Generator], bytes], ...] = (
    _flip_bits, _cut, _extend, _zero, _remove, _repeat, _swap, _extreme_number, _noise,
)  # fmt: skip
