"""Which of a model's outputs are the scores: told by their names where there is one way to, else by the user."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from cnnviz_jax.errors import ModelError, did_you_mean, in_few, reason_of

Scores = str | int | Callable[[Any], Any]
"""How a user says which output is explained: its name, its place, or a function of all outputs."""


def logits_of(outputs: Any) -> Any:
    """Return the scores: the only array, the entry called `logits`, or the first of `(scores, endpoints)`.

    Raises:
        ModelError: There are several arrays and none is called `logits`; lists them with their shapes.
    """
    if isinstance(outputs, jax.Array):
        return outputs
    entries = _entries(outputs)
    if "logits" in entries:
        return logits_of(entries["logits"])
    if type(outputs) is tuple and len(outputs) == 2 and isinstance(outputs[0], jax.Array):
        second = outputs[1]
        if second is None or isinstance(second, Mapping):  # big_vision's (logits, endpoints), Haiku's (logits, state)
            return outputs[0]
    leaves = jax.tree.leaves(outputs)
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise ModelError(
            f"the model returns no array, but {outputs!r}; adapt a function that returns (n, classes) scores"
        )
    first = next(iter(entries), None)
    raise ModelError(
        f"the model returns {_described(outputs)}, and which of them are the scores is not clear; "
        f"say which, as in scores={first!r}, or scores=lambda outputs: ..."
    )


def picker(choice: Scores) -> Callable[[Any], Any]:
    """Return the function that takes the scores out of a model's outputs as the user said.

    Raises:
        ModelError: The choice is no name, number or function.
    """
    if isinstance(choice, str) or (isinstance(choice, int) and not isinstance(choice, bool)):
        return Entry(choice)
    if callable(choice):
        return Computed(choice)
    raise ModelError(f"scores is an output's name, its number or a function of the outputs, got {choice!r}")


@dataclass(frozen=True)
class Entry:
    """Picks one output by its name, dots between the names of nested ones, or by its number."""

    at: str | int

    def __call__(self, outputs: Any) -> Any:
        """Return the output.

        Raises:
            ModelError: There is no such output, or it is several arrays.
        """
        found: Any = outputs
        for part in (self.at,) if isinstance(self.at, int) else _parts(outputs, self.at):
            entries = _entries(found)
            if isinstance(part, str) and part not in entries and part.lstrip("-").isdigit():
                part = int(part)
            if isinstance(part, int) and not isinstance(found, Mapping):
                part = part + len(entries) if part < 0 else part
            if part not in entries:
                raise ModelError(
                    f"the model has no output {self.at!r}.{did_you_mean(str(self.at), _paths(outputs))} "
                    f"It returns {_described(outputs)}"
                )
            found = entries[part]
        if isinstance(found, jax.Array):
            return found
        leaves = jax.tree.leaves(found)
        if len(leaves) == 1:
            return leaves[0]
        raise ModelError(f"the model's output {self.at!r} is {_described(found)}; scores are one array: name that")


@dataclass(frozen=True)
class Computed:
    """Computes the scores from all outputs by the user's function."""

    function: Callable[[Any], Any]

    def __call__(self, outputs: Any) -> Any:
        """Return what the function makes of the outputs.

        Raises:
            ModelError: It fails, or returns something else than one array with a row per image.
        """
        try:
            found = self.function(outputs)
        except Exception as error:
            raise ModelError(
                f"the function given as scores= fails: {reason_of(error)}. It is handed {_described(outputs)}"
            ) from error
        if not isinstance(found, jax.Array) or not found.ndim:
            raise ModelError(
                f"the function given as scores= returns {_described(found)}; scores are one array, a row per image"
            )
        return found


def _entries(outputs: Any) -> Mapping[Any, Any]:
    """What stands at the top of some outputs: entries, fields, or numbered items."""
    if isinstance(outputs, Mapping):
        return outputs
    if hasattr(outputs, "_asdict"):
        return {**dict(enumerate(outputs)), **outputs._asdict()}
    if isinstance(outputs, tuple | list):
        return dict(enumerate(outputs))
    return {name: getattr(outputs, name) for name in getattr(outputs, "__dataclass_fields__", ())}


def _parts(outputs: Any, name: str) -> list[str]:
    return [name] if name in _entries(outputs) else name.split(".")


def _paths(outputs: Any) -> list[str]:
    return [path for path, _ in _listed(outputs)]


def _listed(outputs: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every array among some outputs, with the name by which `Entry` finds it."""
    if isinstance(outputs, jax.Array) or not (entries := _entries(outputs)):
        if outputs is not None:
            yield above, outputs
        return
    fields = {
        key: value for key, value in entries.items() if not (hasattr(outputs, "_asdict") and isinstance(key, int))
    }
    for key, value in fields.items():
        yield from _listed(value, f"{above}.{key}" if above else str(key))


def _described(outputs: Any, most: int = 12) -> str:
    """Some outputs in words: their kind, and each array's name and shape."""
    if isinstance(outputs, jax.Array):
        return f"an array of shape {outputs.shape}"
    listed = list(_listed(outputs))
    if not listed or listed == [("", outputs)]:
        return f"a {type(outputs).__name__}"
    each = [f"{path} {getattr(value, 'shape', type(value).__name__)}" for path, value in listed]
    return f"a {type(outputs).__name__} of {in_few(each, most)}"
