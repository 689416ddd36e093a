"""The words of the line: which one is the technique, which the model, which are images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnnviz_jax.data.formats import IMAGE_SUFFIXES, images_below
from cnnviz_jax.errors import ImageError, UsageError, did_you_mean
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.references import is_reference
from cnnviz_jax.plugins.specs import Kind, TechniqueSpec


def resembles_option(word: str) -> bool:
    """Whether a word begins like an option and is no negative number."""
    return word.startswith("-") and word not in ("-", "--") and not re.fullmatch(r"-[\d.].*", word)


def take_technique(
    words: Sequence[str], registry: Plugins, kind: Kind, *, default: str | None = None
) -> tuple[TechniqueSpec, list[str]]:
    """Return the technique of a verb's line and the rest of the line.

    The name comes first. With a default it may be missing: then the first word is the model.

    Raises:
        UsageError: There is no name and no default.
        UnknownNameError: The name is no technique of this kind.
    """
    first = words[0] if words and not resembles_option(words[0]) else None
    if default is None:
        if first is None:
            raise UsageError(
                f"say which technique: cnnviz {kind} TECHNIQUE MODEL ...; `cnnviz techniques --kind {kind}` lists them."
            )
        return registry.technique(first, kind), list(words[1:])
    is_model = first is not None and (first in registry.models or is_reference(first))
    is_alone = len(words) < 2 or resembles_option(words[1])
    if first is None or is_model or (first not in registry.techniques and is_alone):
        return registry.technique(default, kind), list(words)
    return registry.technique(first, kind), list(words[1:])


def take_model(
    words: Sequence[str], registry: Plugins, chosen: str | None, *, usage: str, default: str | None = None
) -> tuple[str, list[str]]:
    """Return the model of a line and its other words.

    Args:
        words: What stands on the line beside options.
        registry: Says which words are names of models.
        chosen: The value of `--model`, after which no word is a model.
        usage: How the command is written, for the error.
        default: The model of a line that names none.

    Raises:
        UsageError: No word is a model and there is no default.
    """
    if chosen is not None:
        return chosen, list(words)
    first = words[0] if words else None
    is_image = first is not None and (Path(first).suffix.lower() in IMAGE_SUFFIXES or Path(first).exists())
    if first is not None and (first in registry.models or is_reference(first) or not is_image):
        return first, list(words[1:])
    if default is not None:
        return default, list(words)
    found = f"{first!r} is an image or a folder" if first else "none is named"
    raise UsageError(f"say which model: {found}; write {usage}. `cnnviz models` lists the names.")


_MOST_IN_NPZ = 100_000
"""Images of one `.npz`: all are in memory at once, and sweeps and surveys read more."""


class ImageFile(NamedTuple):
    """An image of the line: a file, or one of the array `images` in an `.npz`."""

    name: str
    """What it is called: its path below the folder that was named, or its file name."""
    path: Path
    number: int | None = None
    """Which of the images of an `.npz`."""


def image_files(words: Sequence[str]) -> list[ImageFile]:
    """Return the images that words name: files as they are, folders by all images below them in order of path.

    An `.npz` stands for each image of its array `images`, called `frames.npz[0]` and so on.

    Raises:
        ImageError: A file is missing, or a folder has no images; all such words are named at once.
        UsageError: An `.npz` cannot be read, or has no array `images`.
    """
    files: list[ImageFile] = []
    faults: list[str] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            below = images_below(path)
            files += [ImageFile(name, file) for name, file in below.items()]
            if not below:
                faults.append(f"no images in the folder {word!r}")
        elif path.suffix == ".npz" and path.exists():
            from cnnviz_jax.data.arrays import count_in_npz

            inside = count_in_npz(path)
            if 0 < inside <= _MOST_IN_NPZ:
                files += [ImageFile(f"{path.name}[{number}]", path, number) for number in range(inside)]
            else:
                faults.append(
                    f"{inside:,} images in {word!r}, at most {_MOST_IN_NPZ:,}" if inside else f"no images in {word!r}"
                )
        elif path.exists():
            files.append(ImageFile(path.name, path))
        else:
            folder = path.parent
            near = did_you_mean(path.name, [child.name for child in folder.iterdir()]) if folder.is_dir() else ""
            faults.append(f"no image {word!r}" + (f".{near}" if near else ""))
    if faults:
        raise ImageError("; ".join(faults))
    return files
