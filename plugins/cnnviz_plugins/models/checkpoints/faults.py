"""Tells all that does not fit between the arrays of a file and the places they should go to, in one sentence."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

import jax.numpy as jnp

from cnnviz_jax.plugin import in_few

_SHOWN = 8


def faults(places: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is missing, extra, misshaped or not made of real numbers, a phrase each; nothing where all fits.

    Args:
        places: By the names that are expected, what has the `shape` and the `dtype` that an array should have.
        given: By the names in the file, the same of what it holds: its arrays, or their headers alone.
    """
    missing, extra = _nearest_first(places.keys() - given.keys(), given.keys() - places.keys())
    misshaped = [
        f"{name!r} is {given[name].shape}, expected {place.shape}"
        for name, place in places.items()
        if name in given and given[name].shape != tuple(place.shape)
    ]
    not_numbers = [
        f"{name!r} is {given[name].dtype}, expected {place.dtype}"
        for name, place in places.items()
        if name in given and _is_real(place.dtype) and not _is_real(given[name].dtype)
    ]
    groups = {"missing": missing, "extra": extra, "misshaped": misshaped, "not real numbers": not_numbers}
    return [f"{len(names)} {fault}: {in_few(names, _SHOWN)}" for fault, names in groups.items() if names]


def _is_real(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.floating))


def _nearest_first(missing: Iterable[str], extra: Iterable[str]) -> tuple[list[str], list[str]]:
    """Both lists quoted, each missing name that has a near extra one first and with that one beside it."""
    missing, extra = sorted(missing), sorted(extra)
    likeness = {
        (lacked, found): SequenceMatcher(None, lacked, found).ratio() for lacked in missing[:64] for found in extra[:64]
    }  # 64 by 64 takes 0.1 s, and more would not be read
    pairs: dict[str, str] = {}
    for (lacked, found), ratio in sorted(likeness.items(), key=lambda item: -item[1]):
        if ratio > 0.75 and lacked not in pairs and found not in pairs.values():
            pairs[lacked] = found
    told = [f"{lacked!r} (did you mean it by {found!r}?)" for lacked, found in pairs.items()]
    return (
        told + [repr(lacked) for lacked in missing if lacked not in pairs],
        [repr(found) for found in pairs.values()] + [repr(found) for found in extra if found not in pairs.values()],
    )
