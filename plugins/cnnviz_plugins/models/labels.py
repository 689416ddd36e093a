"""The names of classes: of ImageNet's from here, of others from what came with a weights file."""

import json
from pathlib import Path
from typing import Any

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.guard import told
from cnnviz_plugins.models.checkpoints.safetensors_file import safetensors_metadata

IMAGENET_FILE = "imagenet_classes.json"
"""A list of 1000 names, or of [WordNet id, name] pairs, in torchvision's order."""
_MOST_BYTES = 1 << 20


def imagenet_classes() -> tuple[str, ...]:
    """Names of the thousand classes in torchvision's order, which is that of their WordNet ids.

    Each is the first word that WordNet has for the thing; two cranes, cardigans and maillots are told apart.
    """
    return tuple((Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines())


def labels_beside(weights: Path, classes: int) -> tuple[str, ...] | None:
    """Names of the classes from the file's own metadata, else from `imagenet_classes.json` beside it, else `None`.

    Metadata counts when its `labels` or `classes` is a JSON list, or a text with commas, of just `classes` names.

    Raises:
        WeightsError: `imagenet_classes.json` lies there but is not such a list.
    """
    own = _from_metadata(weights, classes)
    beside = weights.parent / IMAGENET_FILE
    if own or classes != 1000 or not beside.is_file():
        return own
    with told(beside, "list of class names"):
        if beside.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        listed = json.loads(beside.read_text(encoding="utf-8"))
    names = _names(listed)
    if names is None or len(names) != classes:
        raise WeightsError(f"{str(beside)!r} is not a list of {classes} class names or [id, name] pairs")
    return names


def _from_metadata(weights: Path, classes: int) -> tuple[str, ...] | None:
    if weights.suffix != ".safetensors":
        return None
    metadata = safetensors_metadata(weights)
    for field in ("labels", "classes"):
        text = metadata.get(field, "")
        try:
            names = _names(json.loads(text))
        except (ValueError, RecursionError):  # not JSON, or brackets without end
            names = tuple(name.strip() for name in text.split(","))
        if names is not None and len(names) == classes:
            return names
    return None


def _names(listed: Any) -> tuple[str, ...] | None:
    if not isinstance(listed, list):
        return None
    names = tuple(entry[-1] if isinstance(entry, list) and entry else entry for entry in listed)
    return names if all(isinstance(name, str) for name in names) else None
