"""Puts named arrays into Flax NNX networks: in torchvision's names and layout, or in Flax's own.

Networks here have the same module paths as torchvision's (`features.3.squeeze`), so only the last
word of a name and the order of a kernel's axes differ: `weight` OIHW there, `kernel` HWIO here.
A file with any name that ends in `kernel` is taken to be in Flax's names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Shaped

from cnnviz_jax.errors import WeightsError

TORCH_WORDS: dict[str, str] = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
"""Last word of a parameter's name in PyTorch, by its name in Flax."""

# State that only training uses: the batch counter of PyTorch's BatchNorm, the keys of Flax's dropout.
_TRAINING_ONLY = ("num_batches_tracked", "rngs.key", "rngs.count")
_SHOWN = 8


@dataclass(frozen=True)
class Slot:
    """One parameter of a network and how a file stores it."""

    path: tuple[str | int, ...]
    """Where it lies in the network's state."""
    shape: tuple[int, ...]
    """Its shape in the file."""
    axes: tuple[int, ...]
    """The order in which the file's axes make the network's."""
    dtype: np.dtype
    """Its element type in the network."""


def torch_slots(network: nnx.Module) -> dict[str, Slot]:
    """The network's parameters by the names and in the shapes that torchvision stores them."""
    slots = {}
    for path, variable in nnx.to_flat_state(nnx.state(network)):
        *module, word = path
        ndim = len(variable.shape)
        is_kernel = word == "kernel"
        axes = (*range(2, ndim), 1, 0) if is_kernel else tuple(range(ndim))  # O I h w -> h w I O
        shape = tuple(variable.shape[axes.index(axis)] for axis in range(ndim))
        name = ".".join(map(str, (*module, TORCH_WORDS.get(word, word))))
        slots[name] = Slot(path, shape, axes, variable.dtype)
    return slots


def flax_slots(network: nnx.Module) -> dict[str, Slot]:
    """The network's parameters by their own paths joined with dots, in their own shapes."""
    return {
        ".".join(map(str, path)): Slot(path, tuple(variable.shape), tuple(range(len(variable.shape))), variable.dtype)
        for path, variable in nnx.to_flat_state(nnx.state(network))
    }


def load_arrays(network: nnx.Module, arrays: Mapping[str, Shaped[np.ndarray, "..."]], *, source: str) -> None:
    """Put `arrays` into `network` by name, all or nothing.

    Args:
        network: The network to fill; its parameters may be abstract (`nnx.eval_shape`).
        arrays: A checkpoint, in torchvision's names and layout or in Flax's own.
        source: Where the arrays come from, for messages.

    Raises:
        WeightsError: Names are missing, extra or misshaped (all are listed), or a value is not finite.
    """
    in_flax_names = any(name.split(".")[-1] == "kernel" for name in arrays)
    slots = flax_slots(network) if in_flax_names else torch_slots(network)
    given = {name: array for name, array in arrays.items() if not name.endswith(_TRAINING_ONLY)}
    if faults := _faults(slots, given):
        raise WeightsError(f"the weights in {source!r} do not fit {type(network).__name__}: {'; '.join(faults)}")
    state = {}
    for name, slot in slots.items():
        array = np.asarray(given[name]).transpose(slot.axes).astype(slot.dtype)
        if not np.isfinite(array).all():
            raise WeightsError(f"{name!r} in {source!r} holds values that are not finite; the file is of no use")
        state[slot.path] = jnp.asarray(array)
    nnx.update(network, nnx.from_flat_state(state))


def _faults(slots: Mapping[str, Slot], given: Mapping[str, Shaped[np.ndarray, "..."]]) -> list[str]:
    missing, extra = _nearest_first(slots.keys() - given.keys(), given.keys() - slots.keys())
    misshaped = [
        f"{name!r} is {given[name].shape}, expected {slot.shape}"
        for name, slot in slots.items()
        if name in given and given[name].shape != slot.shape
    ]
    not_numbers = [
        f"{name!r} is {given[name].dtype}, expected {slot.dtype}"
        for name, slot in slots.items()
        if name in given and not jnp.issubdtype(given[name].dtype, jnp.floating)
    ]
    groups = {"missing": missing, "extra": extra, "misshaped": misshaped, "not real numbers": not_numbers}
    return [f"{len(names)} {fault}: {_listed(names)}" for fault, names in groups.items() if names]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


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
