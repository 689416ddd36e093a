"""Hostile images: damaged files of every format, bombs of pixels, and files that are something else."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import cnnviz_jax as cv
from tests.hostile.damage import damaged
from tests.hostile.family import Case, Family

_SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "PPM": ".ppm",
}
_MODES = {
    "PNG": ("RGB", "RGBA", "P", "L", "LA", "1", "I;16"), "JPEG": ("RGB", "L", "CMYK"), "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "P"), "TIFF": ("RGB", "L", "CMYK", "I;16", "F", "P"), "GIF": ("P", "L"), "PPM": ("RGB", "L"),
}  # fmt: skip


class Taker:
    """What an image is loaded for."""

    def __init__(self, channels: int) -> None:
        self.input_shape = (64, 64, channels)


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Write one hostile image, which is loaded for a network."""
    if rng.random() < 0.7:
        path, what = _damaged(rng, folder)
    else:
        attack = _ATTACKS[rng.integers(len(_ATTACKS))]
        path, what = attack(rng, folder), attack.__name__.strip("_")
    taker = Taker(int((3, 3, 1)[rng.integers(3)]))
    return Case(what=what, attempt=lambda: _whole(cv.load_image(path, taker), taker))


def _whole(image: np.ndarray, taker: Taker) -> None:
    assert image.shape == taker.input_shape
    assert image.dtype == np.float32
    assert np.isfinite(image).all()


def _written(rng: np.random.Generator) -> tuple[bytes, str, str]:
    kind = list(_MODES)[rng.integers(len(_MODES))]
    mode = _MODES[kind][rng.integers(len(_MODES[kind]))]
    size = tuple(int(n) for n in rng.integers(1, 120, 2))
    image = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
    image = Image.fromarray(rng.integers(0, 65536, size, np.uint16)) if mode == "I;16" else image.convert(mode)
    options: dict[str, object] = {}
    if kind in ("PNG", "JPEG", "WEBP") and rng.random() < 0.5:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(0, 12))
        options["exif"] = exif.tobytes()
    if kind == "TIFF" and mode not in ("F", "I;16"):
        options["compression"] = (None, "tiff_lzw", "tiff_deflate", "packbits")[rng.integers(4)]
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue(), _SUFFIXES[kind], f"{kind} {mode}"


def _damaged(rng: np.random.Generator, folder: Path) -> tuple[Path, str]:
    data, suffix, title = _written(rng)
    data, how = damaged(data, rng)
    path = folder / f"image{suffix}"
    path.write_bytes(data)
    return path, f"{title}: {how}"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _long_png(rng: np.random.Generator, folder: Path) -> Path:
    """One pixel wide and very long, or the other way round."""
    long = int(rng.integers(5_000, 1_000_000))
    width, height = (1, long) if rng.random() < 0.5 else (long, 1)
    (folder / "long.png").write_bytes(_png(width, height, zlib.compress(bytes((width + 1) * height), 9)))
    return folder / "long.png"


def _large_png(rng: np.random.Generator, folder: Path) -> Path:
    """Black, of up to 64 million pixels, in any kind of colour."""
    side = int(rng.integers(2_000, 8_000))
    colour, samples = ((0, 1), (2, 3), (4, 2), (6, 4))[rng.integers(4)]
    depth = int((8, 16)[rng.integers(2)]) if side < 4_000 else 8
    row = bytes(1 + side * samples * depth // 8)
    packer, parts = zlib.compressobj(1), []
    for _ in range(side):
        parts.append(packer.compress(row))
    (folder / "large.png").write_bytes(_png(side, side, b"".join([*parts, packer.flush()]), depth, colour))
    return folder / "large.png"


def _promised_png(rng: np.random.Generator, folder: Path) -> Path:
    """A header of billions of pixels and nothing behind it."""
    width, height = (int(n) for n in rng.integers(10_000, 2**31 - 1, 2))
    (folder / "promise.png").write_bytes(_png(width, height, zlib.compress(bytes(100))))
    return folder / "promise.png"


def _text_bomb_png(rng: np.random.Generator, folder: Path) -> Path:
    """A compressed comment that unpacks to a gigabyte."""
    packer = zlib.compressobj(9)
    text = b"".join(packer.compress(bytes(1 << 20)) for _ in range(int(rng.integers(100, 400)))) + packer.flush()
    data = _png(8, 8, zlib.compress(bytes(72)))
    at = len(data) - 12
    (folder / "text.png").write_bytes(data[:at] + _chunk(b"zTXt", b"k\0\0" + text) + data[at:])
    return folder / "text.png"


def _wide_gif(rng: np.random.Generator, folder: Path) -> Path:
    """A screen of up to 65,535 x 65,535 around a frame of one pixel."""
    side = int(rng.integers(20_000, 65_536))
    image = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\0;"
    (folder / "wide.gif").write_bytes(image + frame)
    return folder / "wide.gif"


def _large_ppm(rng: np.random.Generator, folder: Path) -> Path:
    """A text header of any size."""
    text = f"P{rng.integers(1, 8)}\n{rng.integers(1, 10**9)} {rng.integers(1, 10**9)}\n{rng.integers(0, 10**6)}\n"
    (folder / "large.ppm").write_bytes(text.encode() + rng.bytes(100))
    return folder / "large.ppm"


def _postscript(rng: np.random.Generator, folder: Path) -> Path:
    """A program for Ghostscript that would write a file, under an image's name."""
    program = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n({folder}/ran) (w) file closefile\nshowpage\n%%EOF\n"
    path = folder / ("a.png", "a.jpg", "a.tif")[rng.integers(3)]
    path.write_text(program)
    return path


def _other_format(rng: np.random.Generator, folder: Path) -> Path:
    """A format that Pillow reads and nobody gives a network, under an image's name."""
    kind = ("TGA", "PCX", "ICO", "SGI", "IM", "DDS", "JPEG2000")[rng.integers(7)]
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(out, kind)
    data, _ = damaged(out.getvalue(), rng) if rng.random() < 0.5 else (out.getvalue(), "")
    (folder / "other.png").write_bytes(data)
    return folder / "other.png"


def _pipe(rng: np.random.Generator, folder: Path) -> Path:
    """A named pipe that nobody writes to."""
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def _device(rng: np.random.Generator, folder: Path) -> Path:
    """A link to a device that never ends, or to a folder, or to itself."""
    path = folder / "link.png"
    path.symlink_to(("/dev/zero", "/dev/full", "/", "link.png")[rng.integers(4)])
    return path


def _folder(rng: np.random.Generator, folder: Path) -> Path:
    """A folder under an image's name."""
    (folder / "folder.png").mkdir()
    return folder / "folder.png"


def _nothing(rng: np.random.Generator, folder: Path) -> Path:
    """No bytes, or random ones."""
    (folder / "noise.png").write_bytes(rng.bytes(int(rng.integers(0, 2) * rng.integers(0, 3000))))
    return folder / "noise.png"


_ATTACKS: tuple[Callable[[np.random.Generator, Path], Path], ...] = (
    _long_png, _large_png, _promised_png, _text_bomb_png, _wide_gif, _large_ppm, _postscript, _other_format, _pipe,
    _device, _folder, _nothing,
)  # fmt: skip

FAMILY = Family(make=make, share=12, memory_mib=640)
