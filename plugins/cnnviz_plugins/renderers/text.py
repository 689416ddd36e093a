"""Words of a figure: short numbers, safe labels, units, and what a technique was told to do."""

import dataclasses
import unicodedata
from typing import Any, SupportsFloat

import numpy as np

from cnnviz_jax.plugin import Attribution, Provenance


def number(value: SupportsFloat, digits: int = 3) -> str:
    """Return the value in at most `digits` significant digits, with a true minus sign."""
    text = f"{float(value):.{digits}g}"
    return "0" if text == "-0" else text.replace("-", "−")


def percent(share: float) -> str:
    """Return `58.8 %` or `< 0.1 %`."""
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else "< 0.1 %"


def left_out(count: int, what: str, limit: int | None = None) -> list[str]:
    """Return the sentence on what a figure has no room for; none where all is drawn."""
    how = "shown" if limit is None else f"drawn (limit={limit})"
    return [f"{count} more {what} are not {how}."] if count else []


def seconds(elapsed_s: float) -> str:
    """Return `0.12 s`, `4.1 s` or `3 min 20 s`."""
    if elapsed_s < 60:
        return f"{elapsed_s:.2f} s" if elapsed_s < 1 else f"{elapsed_s:.1f} s"
    return f"{int(elapsed_s // 60)} min {int(elapsed_s % 60)} s"


def plain(text: str, width: int = 80) -> str:
    """Return the text on one line, without control characters, cut to `width` characters."""
    visible = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in str(text))
    line = " ".join(visible.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def size(shape: Any) -> str:
    """Return `7 × 7 × 512`."""
    return " × ".join(str(length) for length in shape)


def target_of(attribution: Attribution, index: int) -> str:
    """Return what was explained on image `index`, such as `243 bull mastiff`."""
    targets = attribution.provenance.targets
    return targets[index] if index < len(targets) else (targets[0] if len(targets) == 1 else "")


def caption_of(attribution: Attribution, index: int, width: int) -> str:
    """Return what image `index` is, what was explained on it, and the score, cut to `width` letters.

    Such as `dog.png · 243 bull mastiff · logit 8.965 · probability 97.1 %`.
    """
    numbers = scored(attribution, index).replace(", p", " · probability")
    words = [*attribution.names[index : index + 1], target_of(attribution, index) or "target"]
    return f"{plain(' · '.join(words), max(width - len(numbers) - 3, 12))} · {numbers}"


def scored(attribution: Attribution, index: int) -> str:
    """Return the score of image `index`, with the probability where it is known: `logit 8.965, p 97.1 %`."""
    score = "logit" if hasattr(attribution.target, "dtype") else "score"
    words = f"{score} {number(np.asarray(attribution.scores)[index], 4)}"
    if attribution.probabilities is None:
        return words
    return f"{words}, p {percent(float(np.asarray(attribution.probabilities)[index]))}"


def unit_of(attribution: Attribution) -> str:
    """Return the unit of the values: the technique's own word for it, or the one that its view implies."""
    stated = dict(attribution.provenance.notes).get("unit")
    if stated:
        return str(stated)
    usual = {"pixels": "score per unit of intensity", "maps": "activation", "heatmap": "score", "layer": "score"}
    return usual[attribution.view]


def options_of(provenance: Provenance) -> tuple[tuple[str, str], ...]:
    """Return the technique's options as name and text."""
    config = provenance.config
    if dataclasses.is_dataclass(config):
        return tuple((field.name, _value(getattr(config, field.name))) for field in dataclasses.fields(config))
    return tuple((str(name), _value(value)) for name, value in config.items()) if isinstance(config, dict) else ()


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_value(part) for part in value) or "none"
    if isinstance(value, float):
        return number(value, 6)
    return "none" if value is None else str(value)
