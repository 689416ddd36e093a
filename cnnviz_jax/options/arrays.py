"""Arrays given as options: a config holds their shape and digest as text, and the numbers travel beside it. Light.

A config decides a compiled program and stands in the provenance, so it is hashable and made of words. An array in it is
therefore a text, such as `array(6 x 6 x 2, sha256 5f3a...)`, that carries the array along while the process lives.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any, Self

_TEXT = re.compile(r"array\(([\d x]+)(?:, sha256 [0-9a-f]+)?\)")


class GivenArray(str):
    """An option's array: as text its shape and digest, so that equal texts are equal arrays."""

    option: str
    """The option it was given for."""
    shape: tuple[int, ...]
    array: Any
    """The numbers, float32; `None` where only the text is known, as in a result that a file held."""

    @classmethod
    def of(cls, numbers: Any, option: str) -> Self:
        """Return an array as an option: numbers, float32 and contiguous."""
        digest = hashlib.sha256(numbers.tobytes()).hexdigest()[:16]
        return cls._made(f"array({_sizes(numbers.shape)}, sha256 {digest})", option, numbers.shape, numbers)

    @classmethod
    def read(cls, text: str, option: str) -> Self | None:
        """Return what `str` of one made, without its numbers; `None` for any other text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        return cls._made(text, option, tuple(int(size) for size in found[1].split(" x ")), None)

    @classmethod
    def _made(cls, text: str, option: str, shape: tuple[int, ...], array: Any) -> Self:
        made = cls(text)
        made.option, made.shape, made.array = option, tuple(shape), array
        return made

    @property
    def place(self) -> Self:
        """The same by its shape alone: what programs are compiled for, so that other numbers compile nothing."""
        return self._made(f"array({_sizes(self.shape)})", self.option, self.shape, None)


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def arrays_in(config: Any) -> dict[str, GivenArray]:
    """Return the arrays among the options of a config."""
    fields = dataclasses.fields(config) if dataclasses.is_dataclass(config) else ()
    found = {each.name: getattr(config, each.name) for each in fields if each.init}
    return {name: value for name, value in found.items() if isinstance(value, GivenArray)}


def without_numbers(config: Any) -> Any:
    """Return the config with the shapes of its arrays alone, as a fold is built from it."""
    arrays = arrays_in(config)
    return dataclasses.replace(config, **{name: each.place for name, each in arrays.items()}) if arrays else config
