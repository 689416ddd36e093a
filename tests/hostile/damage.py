"""Ways to damage bytes and JSON, alike for all kinds of files, and chunks that unpack to gigabytes."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1, 4, 2**31, 2**63, 10**400, 1e308, -0.5, "", "x", "x" * 100_000, "../../etc/passwd",
    "/dev/zero", "evil:build", "http://192.0.2.1/w", "\0", "\u202e\x1b[2J", "float16", [], [None], [0, 0], [[]], {},
    {"a": 1}, {"": []}, [2**40, 2**40], ["uint8"], [[1], "float64"], [1, 2, 3],
)  # fmt: skip
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


def junk(rng: np.random.Generator) -> Any:
    """Return something of another form, its own copy: what is edited again must hold no list twice, nor itself."""
    return copy.deepcopy(JUNK[rng.integers(len(JUNK))])


def edited(rng: np.random.Generator, content: Any) -> Any:
    """Return JSON with one entry, anywhere in it, of another form or gone."""
    nodes: list[tuple[Any, Any]] = []

    def keys(node: Any) -> list[Any]:
        return list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []

    waiting = [(content, key) for key in reversed(keys(content))]
    while waiting:  # in no function that calls itself: what is read may be nested deeply by an edit before
        node, key = waiting.pop()
        nodes.append((node, key))
        waiting += [(node[key], inner) for inner in reversed(keys(node[key]))]
    if not nodes or rng.random() < 0.1:
        return junk(rng)
    node, key = nodes[rng.integers(len(nodes))]
    if rng.random() < 0.25:
        del node[key]
    else:
        node[key] = junk(rng)
    return content


def zstd_bomb(content_bytes: int, blocks: int, window: int | None = None) -> bytes:
    """Return a zstd frame that says how long its content is, of blocks that each repeat one byte 128 Ki times."""
    head = b"\xa0" if window is None else bytes([0x80, window])
    block = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = bytes([block[0] | 1]) + block[1:]
    return b"\x28\xb5\x2f\xfd" + head + content_bytes.to_bytes(4, "little") + block * (blocks - 1) + last


def sealed(data: bytes) -> bytes:
    """Return a chunk with the CRC-32C that its readers want."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _crc_table()[(crc ^ byte) & 0xFF]
    return data + (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


@functools.cache
def _crc_table() -> list[int]:
    def entry(number: int) -> int:
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        return number

    return [entry(number) for number in range(256)]
