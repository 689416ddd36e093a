"""Sites of the explorer from a stranger, read back in Python: every accessor, on data of any form."""

import base64
import functools
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.site.folder import FUNCTION, SiteFolder
from tests.explorer import sites
from tests.hostile.damage import damaged, edited
from tests.hostile.family import Case, Family


@functools.cache
def _made() -> Path:
    return sites.made().folder.root


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Copy a site, change one thing in it, and read all of it."""
    attack = _ATTACKS[rng.integers(len(_ATTACKS))]
    root = Path(shutil.copytree(_made(), folder / "site"))
    attack(rng, root)
    return Case(what=attack.__name__, attempt=lambda: _read(root, rng))


def _read(root: Path, rng: np.random.Generator) -> None:
    site = cv.open_site(root)
    repr(site)
    site._repr_html_()
    units = list(site.units())
    for name in site.layers:
        site.layer(name)
    for place in rng.permutation(len(units))[:6]:
        unit = site.unit(*units[place])
        unit._repr_html_()
        for tile in unit.tiles()[:2]:
            unit.pixels(tile)
        if unit.synthesis is not None:
            unit.pixels(unit.synthesis)
    for number in range(2):
        site.image(number)
        site.class_page(number)


def edited_summary(rng: np.random.Generator, root: Path) -> None:
    """Entries of site.json of another form."""
    content = json.loads((root / "site.json").read_text())
    for _ in range(rng.integers(1, 4)):
        content = edited(rng, content)
    (root / "site.json").write_text(json.dumps(content))


def edited_data(rng: np.random.Generator, root: Path) -> None:
    """Entries of some data files of another form."""
    folder = SiteFolder(root)
    for path in _some(rng, sorted(folder.data.glob("*.js"))):
        folder.write(path.stem, edited(rng, folder.read(path.stem)))


def damaged_files(rng: np.random.Generator, root: Path) -> None:
    """Files of any kind with other bytes."""
    for path in _some(rng, sorted(path for path in root.rglob("*") if path.is_file())):
        path.write_bytes(damaged(path.read_bytes(), rng)[0])


def inflated_data(rng: np.random.Generator, root: Path) -> None:
    """A data file that inflates to hundreds of megabytes, of spaces or of brackets."""
    part = (b" " * (1 << 20), b"[" * (1 << 20), b"[0," * (1 << 18))[rng.integers(3)]
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(part) for _ in range(int(rng.integers(1, 200)))) + packer.flush()
    for path in _some(rng, sorted((root / "data").glob("*.js"))):
        path.write_text(f'{FUNCTION}("{path.stem}","{base64.b64encode(packed).decode()}");\n')


def paths_out(rng: np.random.Generator, root: Path) -> None:
    """Slugs and sheets that lead out of the folder, or to what is no image."""
    (root.parent / "secret.png").write_bytes((next(iter((root / "tiles").iterdir()))).read_bytes())
    places = ("../../secret", "../../secret.png", "/etc/passwd", "/dev/zero", "..", "", "\0", "a/../L000", "C:\\x")
    place = places[rng.integers(len(places))]
    if rng.random() < 0.5:
        content = json.loads((root / "site.json").read_text())
        for row in content["layers"]:
            row["slug"] = place
        (root / "site.json").write_text(json.dumps(content))
        return
    folder = SiteFolder(root)
    for path in sorted(folder.data.glob("*-u*.js")):
        content = folder.read(path.stem)
        content["sheets"] = [[place, *sheet[1:]] for sheet in content["sheets"]]
        folder.write(path.stem, content)


def large_sheets(rng: np.random.Generator, root: Path) -> None:
    """Sheets that are bombs of pixels."""
    from tests.hostile.images import _large_png, _promised_png, _wide_gif

    image = (_large_png, _promised_png, _wide_gif)[rng.integers(3)](rng, root.parent)
    for path in sorted((root / "tiles").iterdir()):
        shutil.copyfile(image, path)


def strange_files(rng: np.random.Generator, root: Path) -> None:
    """Pipes, devices, folders and links in the place of files."""
    for path in _some(rng, sorted(path for path in root.rglob("*") if path.is_file())):
        path.unlink()
        kind = rng.integers(4)
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            path.mkdir()
        else:
            path.symlink_to(("/dev/zero", path.name)[kind - 2])


def deep_summary(rng: np.random.Generator, root: Path) -> None:
    """Brackets in brackets, or a number of thousands of digits."""
    depth = int(10 ** rng.uniform(3, 5))
    (root / "site.json").write_text(("[" * depth, '{"format":' * depth, "9" * depth)[rng.integers(3)])


def _some(rng: np.random.Generator, paths: list[Path]) -> list[Path]:
    return [path for path in paths if rng.random() < 0.3] or paths[:1]


_ATTACKS: tuple[Callable[[np.random.Generator, Path], None], ...] = (
    edited_summary, edited_summary, edited_data, edited_data, damaged_files, inflated_data, paths_out, large_sheets,
    strange_files, deep_summary,
)  # fmt: skip
FAMILY = Family(make=make, share=6, memory_mib=640)
