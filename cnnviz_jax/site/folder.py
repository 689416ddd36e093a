"""Where a site's files lie, and the data in them: scripts that hand deflated JSON to the page.

A page opened from a disk may load scripts and images that lie beside it, and nothing else. So data are `.js` files that
call one function with a name and a text in base64.
"""

import base64
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.errors import ResultFileError, UsageError
from cnnviz_jax.files import Inside, check_plain, drop_temporaries, parse_json, read_json, write_json, write_whole
from cnnviz_jax.reading.bounds import most_bytes, told
from cnnviz_jax.site.form import NAME, check_summary

FUNCTION = "cnnviz_site"
"""What the page defines and every data file calls."""
UNITS_PER_FILE = 32
IMAGES_PER_FILE = 64
CLASSES_PER_FILE = 50
PAGES_PER_FILE = 8
"""Of a collection."""
FORMAT = 1
"""Grows when older pages could not read what is written."""
_CALL = re.compile(rf'{FUNCTION}\("([\w-]+)","([A-Za-z0-9+/=]*)"\);\n')


@dataclass(frozen=True)
class SiteFolder:
    """A folder that is, or is to be, a site."""

    root: Path

    summary = Inside("site.json")
    """What the site is of and how far it is: `site.json`."""
    gathered = Inside("gathered.npz")
    """What the pass over the images found, kept until every layer is written."""
    data = Inside("data")
    """The folder of data files."""
    tiles = Inside("tiles")
    """The folder of sheets of images."""

    def clean(self) -> None:
        """Remove what a killed process was writing."""
        for folder in (self.root, self.data, self.tiles):
            drop_temporaries(folder)

    def write(self, name: str, content: Any) -> None:
        """Write a data file."""
        text = json.dumps(plain(content), separators=(",", ":"), ensure_ascii=False)
        packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
        write_whole(self.data / f"{name}.js", f'{FUNCTION}("{name}","{packed}");\n'.encode())

    def read(self, name: str) -> Any:
        """Return what a data file holds.

        Raises:
            ResultFileError: It is missing or damaged.
        """
        path = self.data / f"{name}.js"
        try:
            with told():
                if not NAME.fullmatch(name):
                    raise ValueError("no data file has such a name")
                check_plain(path)
                found = _CALL.fullmatch(path.read_text(encoding="ascii"))
                if found is None or found[1] != name:
                    raise ValueError("it is no data file of a site")
                packed = base64.b64decode(found[2])
                inflater = zlib.decompressobj()
                text = inflater.decompress(packed, most_bytes(len(packed)))
                if not inflater.eof:
                    raise ValueError("its text is cut short, or far longer than its file")
                return parse_json(text)
        except FileNotFoundError as error:
            raise ResultFileError(f"no file {path}: the site is not that far, or not whole") from error
        except (OSError, ValueError) as error:
            raise ResultFileError(f"{path} cannot be read: {error}") from error

    def read_summary(self) -> dict[str, Any]:
        """Return `site.json`.

        Raises:
            UsageError: There is no site in the folder.
            ResultFileError: Its `site.json` is damaged, or of a later version.
        """
        try:
            found = read_json(self.summary)
            if found["format"] > FORMAT:
                raise ResultFileError(
                    f"{self.root} was made by a later version of cnnviz_jax; update it to read the site"
                )
            return check_summary(found)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"no site in {self.root}; give the folder that `cnnviz explore --out` wrote") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, ResultFileError):
                raise
            raise ResultFileError(f"{self.summary} cannot be read: {error}") from error

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `site.json` and the same for the page."""
        content = plain(summary)
        self.write("site", content)  # first: what site.json says is done is there for the page too
        write_json(self.summary, content, sort_keys=False)


def units_per_sheet(units: int) -> int:
    """Return how many units share a sheet of tiles: few, so that a page loads little, unless files would be too many.

    A ResNet-50 has 26,560 units: 1,660 sheets of 16.
    """
    return 8 if units <= 8000 else 16


def plain(value: Any) -> Any:
    """Return numbers, texts, lists and dicts for JSON.

    A float32 is its shortest decimal, which gives the same float32 again; what is not finite is None.
    """
    # Most of a million values per layer are these: asked for first, and by their type.
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return value
    if kind is list or kind is tuple:
        return [plain(each) for each in value]
    if kind is dict:
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "iubU":
            return value.tolist()
        return [plain(each) for each in value]
    if isinstance(value, np.floating | float):
        if not np.isfinite(value):
            return None
        return float(str(value)) if isinstance(value, np.floating) else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
