"""Puts the arrays of a checkpoint into a network of the user's own, whatever framework it is written in."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.faults import faults
from cnnviz_plugins.models.checkpoints.headers import Headers
from cnnviz_plugins.models.checkpoints.reading import read_weights


def restore(like: Any, path: str | Path) -> Any:
    """The tree `like` with the arrays of the checkpoint at `path` in place of its own.

    `like` is what holds the parameters: the variables of a Linen or Haiku model, the state of an NNX one
    (`nnx.state(module)`), an Equinox module, a dictionary. Its arrays may be abstract, as `jax.eval_shape` gives them.
    Arrays go by name: the keys on the way to them joined by dots, or by slashes in the file. Those of a file without
    names (`.eqx`) go by order.
    They take the element type that `like` has.

    Args:
        like: The tree to fill; it is left as it is.
        path: Any file or folder that `read_weights` reads.

    Raises:
        WeightsError: The file cannot be read; or names are missing, extra or misshaped, all of which are listed.

    Example:
        variables = restore(jax.eval_shape(module.init, key, images), "run/checkpoint")
    """
    entries, tree = jax.tree_util.tree_flatten_with_path(like)
    wanted = [(_name(keys), leaf) for keys, leaf in entries if _is_number(leaf)]
    names = [name for name, _ in wanted]
    places = dict(wanted)
    if len(places) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise WeightsError(f"two parameters have the name {twice[0]!r}; rename a key that has a dot in it")
    # Files keep a Python number as an array without axes.
    places = {
        name: np.asarray(leaf) if isinstance(leaf, bool | int | float | complex) else leaf
        for name, leaf in places.items()
    }

    def choose(headers: Headers) -> Iterable[str]:
        found = faults(places, _by_order(headers, names, str(path)) if _is_unnamed(headers) else _dotted(headers))
        if found:
            raise WeightsError(f"the weights in {str(path)!r} do not fit {type(like).__name__}: {'; '.join(found)}")
        return headers

    arrays = read_weights(path, choose)
    arrays = _by_order(arrays, names, str(path)) if _is_unnamed(arrays) else _dotted(arrays)
    filled = [_filled(leaf, arrays[_name(keys)]) if _is_number(leaf) else leaf for keys, leaf in entries]
    return jax.tree.unflatten(tree, filled)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float | complex) or (hasattr(leaf, "shape") and hasattr(leaf, "dtype"))


def _filled(leaf: Any, array: Shaped[np.ndarray, "..."]) -> Any:
    return type(leaf)(array) if isinstance(leaf, bool | int | float | complex) else jnp.asarray(array, leaf.dtype)


def _name(keys: tuple[Any, ...]) -> str:
    words = [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in keys]
    return ".".join(words[:-1] if words[-1:] == ["value"] else words)  # an nnx.Variable is a branch with one leaf


def _dotted(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays under names joined by dots; those of HDF5, and big_vision's, are joined by slashes."""
    return {name.replace("/", "."): array for name, array in arrays.items()}


def _is_unnamed(arrays: Mapping[str, Any]) -> bool:
    return list(arrays) == [str(number) for number in range(len(arrays))]


def _by_order(arrays: Mapping[str, Any], names: list[str], source: str) -> dict[str, Any]:
    if len(arrays) != len(names):
        raise WeightsError(
            f"{source!r} holds {len(arrays)} arrays without names, and the network has {len(names)}: it was saved from"
            " another one"
        )
    return dict(zip(names, arrays.values(), strict=True))
