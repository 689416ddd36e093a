"""Puts named arrays into Flax NNX networks: in torchvision's names and layout, or in Flax's own.

Networks here have the same module paths as torchvision's (`features.3.squeeze`), so only the last
word of a name and the order of a kernel's axes differ: `weight` OIHW there, `kernel` HWIO here.
A file with any name that ends in `kernel` is taken to be in Flax's names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Key, Shaped

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.checkpoints.faults import faults
from cnnviz_plugins.models.checkpoints.headers import ArrayHeader, Headers
from cnnviz_plugins.models.first_kernels import shapes_alone
from cnnviz_plugins.models.zoo_names import Naming, gathered, naming_of, placed, placed_shape

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


def fitting(network: nnx.Module, arrays: Mapping[str, Any], *, source: str) -> dict[str, Slot]:
    """The network's parameters by the names in a checkpoint, if all of them are there and nothing else is.

    Args:
        network: The network to fill; its parameters may be abstract (`nnx.eval_shape`).
        arrays: A checkpoint, in torchvision's names and layout or in Flax's own: arrays, or their headers alone.
        source: Where they come from, for messages.

    Raises:
        WeightsError: Names are missing, extra or misshaped; all are listed.
    """
    in_flax_names = any(name.split(".")[-1] == "kernel" for name in arrays)
    slots = flax_slots(network) if in_flax_names else torch_slots(network)
    given = {name: array for name, array in arrays.items() if not name.endswith(_TRAINING_ONLY)}
    if found := faults(slots, given):
        raise WeightsError(f"the weights in {source!r} do not fit {type(network).__name__}: {'; '.join(found)}")
    return slots


def load_file(
    network: nnx.Module,
    weights: str | Path,
    *,
    name_in_file: Callable[[str], str] = str,
    left_out: tuple[str, ...] = (),
    namings: Sequence[Naming] = (),
) -> None:
    """Put the arrays of a file into `network` by name, all or nothing; none is read unless all fit.

    Args:
        network: The network to fill; its parameters may be abstract (`nnx.eval_shape`).
        weights: Any file or folder that `read_weights` reads.
        name_in_file: Turns a name of the file into the one that torchvision has now.
        left_out: Beginnings of names in the file that only training uses.
        namings: Other libraries whose names the file may have.

    Raises:
        WeightsError: The file cannot be read, does not fit, or holds a value that is not finite.
    """
    slots: Mapping[str, Slot] = torch_slots(network)
    naming: Naming | None = None

    def choose(headers: Headers) -> Iterable[str]:
        nonlocal naming
        naming = naming_of(namings, headers)
        if naming is None:
            names = {name_in_file(key): key for key in headers if not key.startswith(left_out)}
            found = fitting(network, {name: headers[key] for name, key in names.items()}, source=str(weights))
            return [names[name] for name in found]
        groups = gathered(naming, (key for key in headers if not key.endswith(_TRAINING_ONLY)))
        shown = {name: _header(naming, name, [headers[key] for key in keys]) for name, keys in groups.items()}
        fitting(network, shown, source=f"{weights} (names of {naming.library})")
        return [key for keys in groups.values() for key in keys]

    def _header(naming: Naming, name: str, headers: list[ArrayHeader]) -> ArrayHeader:
        shapes = [header.shape for header in headers]
        wanted = slots[name].shape if name in slots else shapes[0]
        return ArrayHeader(placed_shape(naming, name, shapes, wanted), headers[0].dtype)

    arrays = read_weights(weights, choose)
    if naming is None:
        arrays = {name_in_file(key): array for key, array in arrays.items()}
    else:
        groups = gathered(naming, arrays)
        arrays = {
            name: placed(naming, name, [arrays[key] for key in keys], slots[name].shape)
            for name, keys in groups.items()
        }
    load_arrays(network, arrays, source=str(weights))


def load_arrays(network: nnx.Module, arrays: Mapping[str, Shaped[np.ndarray, "..."]], *, source: str) -> None:
    """Put `arrays` into `network` by name, all or nothing; see `fitting` for what fits.

    Raises:
        WeightsError: Names are missing, extra or misshaped (all are listed), or a value is not finite.
    """
    state = {}
    for name, slot in fitting(network, arrays, source=source).items():
        array = np.asarray(arrays[name]).transpose(slot.axes).astype(slot.dtype)
        if not np.isfinite(array).all():
            raise WeightsError(f"{name!r} in {source!r} holds values that are not finite; the file is of no use")
        state[slot.path] = jax.device_put(array)  # jnp.asarray compiles a copy for every layout
    nnx.update(network, nnx.from_flat_state(state))


class _OneKey(nnx.Rngs):
    """Gives one key to all who ask.

    Flax counts the keys it gives in a traced variable, and each count makes JAX look through all that was traced so
    far: a ResNet of 152 layers took 8 s on one core, and takes 0.8 s without.
    """

    def __init__(self) -> None:
        super().__init__(0)

    def params(self) -> Key[jax.Array, ""]:
        return jax.random.key(0)


def abstract(make: Callable[..., nnx.Module]) -> nnx.Module:
    """The network that `make(rngs=...)` makes, with shapes in place of arrays; nothing is allocated or drawn."""
    with shapes_alone():
        network: nnx.Module = nnx.eval_shape(lambda: make(rngs=_OneKey()))
    return network
