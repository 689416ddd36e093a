"""What a chunk packed by zstd becomes, read off its headers: one of a few kilobytes may unpack to gigabytes.

A frame says how long its content is, and decoders look whether that is so at the end of the frame, when all of it lies
in memory. So the blocks are counted beforehand, by their headers alone (RFC 8878, section 3.1.1).
"""

import os
from pathlib import Path
from typing import IO

_MAGIC = b"\x28\xb5\x2f\xfd"
_LARGEST_BLOCK = 128 << 10
# Blocks may hold less than they could: an encoder that splits them makes a few of one.
_SPLITS, _SLACK_BYTES = 8, 1 << 20


def check_frames(path: Path, content_bytes: int, *, trailer_bytes: int = 0, is_exact: bool = True) -> None:
    """Refuse a chunk that is not zstd's, or would unpack to other than so many bytes, before it is unpacked.

    Args:
        path: The chunk's file.
        content_bytes: What the array's shape needs.
        trailer_bytes: Bytes behind the last frame, such as a checksum's.
        is_exact: Whether it may not unpack to less either.

    Raises:
        ValueError: It is cut short, says another length, or could take far more memory than its length.
    """
    most = _SPLITS * content_bytes + _SLACK_BYTES
    size = path.stat().st_size - trailer_bytes
    lengths: list[int | None] = []
    total = 0
    with open(path, "rb") as file:
        while not lengths or file.tell() < size:
            told, window, has_checksum = _header(file)
            lengths.append(told)
            total += _unpacked(file, min(window, _LARGEST_BLOCK), most)
            if max(window, total) > most:
                raise ValueError(f"the chunk {path} would unpack to more than the {content_bytes:,} bytes of its array")
            _number(file, 4 if has_checksum else 0)
        if file.tell() != size:
            raise ValueError(f"the chunk {path} does not end where its last block does")
    known = [length for length in lengths if length is not None]
    if sum(known) > content_bytes or (is_exact and len(known) == len(lengths) and sum(known) != content_bytes):
        raise ValueError(f"the chunk {path} says that it has {sum(known):,} bytes; its array needs {content_bytes:,}")


def _header(file: IO[bytes]) -> tuple[int | None, int, bool]:
    """Return the length of the content, `None` where it is not told, that of the window, and if a checksum follows."""
    if file.read(4) != _MAGIC:
        raise ValueError("the chunk is not compressed by zstd")
    descriptor = _number(file, 1)
    is_single = bool(descriptor & 0x20)
    window = 0
    if not is_single:
        exponent, mantissa = divmod(_number(file, 1), 8)
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
    _number(file, (0, 1, 2, 4)[descriptor & 3])
    size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    told = None if size == 0 else _number(file, size) + (256 if size == 2 else 0)
    return told, window or told or 0, bool(descriptor & 0x04)


def _unpacked(file: IO[bytes], largest: int, most: int) -> int:
    """Pass over the blocks of a frame and return what they can unpack to; no further than `most`."""
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
