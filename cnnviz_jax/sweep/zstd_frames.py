"""What a compressed chunk becomes, read off its headers: one of a few kilobytes may unpack to gigabytes.

A zstd frame says how long its content is, and decoders look whether that is so at the end of the frame, when all of it
lies in memory. So the blocks are counted beforehand, by their headers alone (RFC 8878, section 3.1.1).
"""

import os
from pathlib import Path
from typing import IO

_MAGIC = b"\x28\xb5\x2f\xfd"
_LARGEST_BLOCK = 128 << 10
_CHECKSUM_BYTES = 4
# Blocks may hold less than they could: an encoder that splits them makes a few of one.
_SPLITS, _SLACK_BYTES = 8, 1 << 20


def check_frame(path: Path, content_bytes: int) -> None:
    """Refuse a chunk that is not one zstd frame of so many bytes followed by a checksum, before it is unpacked.

    Args:
        path: The chunk's file; a missing one passes, as it is the fill value.
        content_bytes: What the array's shape needs.

    Raises:
        ValueError: It is cut short, says another length, or could take far more memory than its length.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  # closed below; only its absence is of no matter
    except FileNotFoundError:
        return
    with file:
        told, window = _header(file)
        if told != content_bytes:
            raise ValueError(f"the chunk {path} says that it has {told} bytes, and its array needs {content_bytes:,}")
        most = _SPLITS * content_bytes + _SLACK_BYTES
        if max(window, _unpacked(file, min(window, _LARGEST_BLOCK), most)) > most:
            raise ValueError(f"the chunk {path} would unpack to more than the {content_bytes:,} bytes that it promises")
        if file.tell() + _CHECKSUM_BYTES != os.fstat(file.fileno()).st_size:
            raise ValueError(f"the chunk {path} does not end where its last block does")


def _header(file: IO[bytes]) -> tuple[int | None, int]:
    """Return the length of the content, `None` where it is not told, and that of the window."""
    if file.read(4) != _MAGIC:
        raise ValueError("the chunk is not compressed by zstd")
    descriptor = _number(file, 1)
    is_single = bool(descriptor & 0x20)
    if descriptor & 0x04:
        raise ValueError("the chunk's frame has a checksum of its own, which nothing here writes")
    window = 0
    if not is_single:
        exponent, mantissa = divmod(_number(file, 1), 8)
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
    _number(file, (0, 1, 2, 4)[descriptor & 3])
    size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    told = None if size == 0 else _number(file, size) + (256 if size == 2 else 0)
    return told, window or told or 0


def _unpacked(file: IO[bytes], largest: int, most: int) -> int:
    """Pass over the blocks and return what they can unpack to; no further than `most`."""
    total = 0
    while total <= most:
        header = _number(file, 3)
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == 3:
            raise ValueError("the chunk has a block of no known kind")
        total += largest if kind == 2 else size
        file.seek(1 if kind == 1 else size, os.SEEK_CUR)
        if is_last:
            break
    return total


def _number(file: IO[bytes], size: int) -> int:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the chunk is cut short")
    return int.from_bytes(data, "little")
