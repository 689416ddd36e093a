"""What a sweep is asked to do: read from TOML or from the command line, checked, and never guessed at."""

from __future__ import annotations

import dataclasses
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cnnviz_jax.errors import did_you_mean
from cnnviz_jax.files import check_plain
from cnnviz_jax.options.checks import in_short
from cnnviz_jax.reading.bounds import told
from cnnviz_jax.sweep.errors import SweepUsageError

Keep = Literal["auto", "values", "low_res"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One explain technique, run on every image."""

    technique: str
    """Name of an explain technique, built in or from a plugin."""
    name: str
    """What its arrays are called; the technique's name when not given."""
    target: Any = None
    """`None` for each image's top class, `"label"` for its label, a class, or `{layer, channel[, row, col]}`."""
    keep: Keep = "auto"
    """Which map is stored: the raw one (`low_res`) where there is one, or `values`, at the image's size."""
    dtype: Literal["float16", "float32"] = "float16"
    """float16 maps are stored with a power of two per image, so that 11 bits are kept whatever their size."""
    options: tuple[tuple[str, Any], ...] = ()
    """The technique's own options."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One reducer, or several of one technique, gathered over all images."""

    technique: str
    """Name of a survey technique, of a core reducer (`top-k`, `histogram`, `moments`, `fire-counts`,
    `confusion`), or `package.module:factory`."""
    name: str
    """What its result is called; the technique's name when not given."""
    options: tuple[tuple[str, Any], ...] = ()
    """Its own options, such as `layers` and `k`."""


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """What a sweep does, in the user's words."""

    model: str = "shapes"
    """A registered name or `package.module:factory`."""
    weights: str | None = None
    """The model's weights, a file or URL, if it needs some."""
    source: str
    """A folder of images, an `.npz` or `.zarr`, or `package.module:factory`."""
    labels: str | None = None
    """Labels of a folder's images: `folders`, or a CSV with a path and a whole number a line."""
    crop_share: float | None = None
    """The crop's share of the resized short side of image files."""
    digest: Literal["ends", "full"] = "ends"
    """What tells that images have changed: size, first and last 4 KiB of each file, or all bytes of all of them."""
    seed: int = 0
    """Seed of everything random; image i draws from `fold_in(seed, i)`."""
    device_batch: int | Literal["auto"] = "auto"
    """Images per device and step, or auto; decides the last bits of results, so it is frozen with the run."""
    inner_chunk: int | Literal["auto"] = "auto"
    """Evaluations of each image at once, or auto; frozen with the run as well."""
    limit: int | None = None
    """Only the first so many images."""
    max_bad: str = "0.1%"
    """Images that may be unreadable: a number or a share."""
    explain: tuple[Explanation, ...] = ()
    """Explain techniques; on the command line 'NAME option=value ...', which may be repeated."""
    survey: tuple[Survey, ...] = ()
    """Surveys, written in the same way."""

    def __post_init__(self) -> None:
        if not (self.explain or self.survey):
            raise SweepUsageError("nothing to do: name an [[explain]] technique or a [[survey]] (--explain, --survey)")
        names = [each.name for each in self.explain] + [each.name for each in self.survey]
        for name in names:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise SweepUsageError(
                    f"name {in_short(name)} is not made of letters, digits, dots, dashes and underscores"
                )
            if names.count(name) > 1:
                raise SweepUsageError(f"two parts of the sweep are called {name!r}; give one of them another `name`")
        for word, value in (("device_batch", self.device_batch), ("inner_chunk", self.inner_chunk)):
            if value != "auto" and (not _is_whole(value) or value < 1):
                raise SweepUsageError(f'{word} is "auto" or a whole number, 1 or more, got {in_short(value)}')
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**32:
            raise SweepUsageError(f"seed is a whole number from 0 to 2**32 - 1, got {in_short(self.seed)}")
        if self.limit is not None and (not _is_whole(self.limit) or self.limit < 1):
            raise SweepUsageError(f"limit is a whole number of images, 1 or more, got {in_short(self.limit)}")
        if self.digest not in ("ends", "full"):
            raise SweepUsageError(f"digest is ends or full, got {in_short(self.digest)}")
        self.allowed_bad(100)  # refuses a wrong text before any work

    def allowed_bad(self, count: int) -> int:
        """Return how many of `count` images may be unreadable."""
        text = str(self.max_bad).strip()
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            number = -1.0
        if (
            not 0 <= number < 2**63
            or (text.endswith("%") and number > 100)
            or (not text.endswith("%") and number != int(number))
        ):
            raise SweepUsageError(
                f"max_bad is a number of images or a share such as 0.1%, got {in_short(self.max_bad)}"
            )
        # "5" is five images and "5%" a twentieth of them; half an image is neither.
        return int(count * number / 100) if text.endswith("%") else int(number)

    @classmethod
    def read(cls, path: str | Path | None, **overrides: Any) -> SweepSpec:
        """Return the specification of a TOML file, of options, or of both; options win.

        Raises:
            SweepUsageError: The file is missing or broken, or a key or value means nothing here.
        """
        table: dict[str, Any] = {}
        if path is not None:
            try:
                with told():
                    check_plain(Path(path))
                    table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            except OSError as error:
                raise SweepUsageError(f"no specification at {in_short(str(path))}: {error.strerror}") from error
            except ValueError as error:
                raise SweepUsageError(f"{path} is not TOML: {error}") from error
        return cls.from_mapping({**table, **{name: value for name, value in overrides.items() if value is not None}})

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any]) -> SweepSpec:
        """Return the specification of plain dicts and lists, as TOML gives them."""
        known = {field.name for field in dataclasses.fields(cls)}
        for key in table:
            if key not in known:
                raise SweepUsageError(
                    f"a sweep has no {in_short(key)}.{did_you_mean(key, known)} It has: {', '.join(sorted(known))}"
                )
        if "source" not in table:
            raise SweepUsageError("which images? name a source: a folder, an .npz or .zarr, or package.module:factory")
        values = dict(table)
        values["explain"] = tuple(_explanation(part) for part in _parts(table, "explain"))
        values["survey"] = tuple(_survey(part) for part in _parts(table, "survey"))
        for name in ("model", "weights", "source", "labels"):
            if name in values and not isinstance(values[name], str | None):
                raise SweepUsageError(f"{name} is a text, got {in_short(values[name])}")
        if not isinstance(values.get("crop_share"), float | int | None):
            raise SweepUsageError(f"crop_share is a number, got {in_short(values['crop_share'])}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, ready for JSON, from which `from_mapping` makes the same again."""
        table = dataclasses.asdict(self)
        # Options stand beside the other keys of a part, as in TOML, which has no null either.
        for key in ("explain", "survey"):
            table[key] = [_set({**part, **dict(part.pop("options"))}) for part in table[key]]
        return _set(table)


def part_from_words(text: str) -> dict[str, Any]:
    """Return `--explain` or `--survey` as the table it stands for: `smoothgrad samples=10 target=3`.

    Values are read as TOML where they are TOML, and as text otherwise; `layers=conv1,conv2` is a list.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:  # a quotation mark without another
        raise SweepUsageError(f"{in_short(text)} cannot be read: {error}") from error
    if not words or "=" in words[0]:
        raise SweepUsageError(f"{in_short(text)} does not begin with a technique's name; write 'NAME option=value ...'")
    part: dict[str, Any] = {"technique": words[0]}
    for word in words[1:]:
        option, equals, value = word.partition("=")
        if not equals:
            raise SweepUsageError(f"{in_short(word)} in {in_short(text)} is no option=value")
        # `samples=10`, `relu=false` and `window=[8, 4]` are TOML; `name=a` is not, and is the text that it looks like.
        try:
            part[option] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            part[option] = value.split(",") if "," in value or option == "layers" else value
    return part


def _parts(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    parts = table.get(key, ())
    if not isinstance(parts, list | tuple) or not all(isinstance(part, Mapping) for part in parts):
        raise SweepUsageError(f"{key} is a list of tables: begin each with [[{key}]]")
    for part in parts:
        if not isinstance(part.get("technique"), str):
            raise SweepUsageError(
                f'every [[{key}]] names its technique, as in technique = "..."; got {in_short(dict(part))}'
            )
    return [dict(part) for part in parts]


def _explanation(part: dict[str, Any]) -> Explanation:
    technique = part.pop("technique")
    keep, dtype = part.pop("keep", "auto"), part.pop("dtype", "float16")
    if keep not in ("auto", "values", "low_res"):
        raise SweepUsageError(f"{technique}: keep is auto, values or low_res, got {in_short(keep)}")
    if dtype not in ("float16", "float32"):
        raise SweepUsageError(f"{technique}: dtype is float16 or float32, got {in_short(dtype)}")
    name, target = part.pop("name", technique), part.pop("target", None)
    return Explanation(technique=technique, name=name, target=target, keep=keep, dtype=dtype, options=_options(part))


def _survey(part: dict[str, Any]) -> Survey:
    technique = part.pop("technique")
    return Survey(technique=technique, name=part.pop("name", technique.rpartition(":")[2]), options=_options(part))


def _options(part: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, _plain(value)) for name, value in sorted(part.items()))


def _plain(value: Any) -> Any:
    # A config is a compiled program's identity, so it must have a hash: tuples for lists.
    return tuple(_plain(each) for each in value) if isinstance(value, list) else value


def _set(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None and name != "options"}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
