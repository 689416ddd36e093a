"""A recorder that a training loop calls: parameters step by step in one folder, for `cnnviz inspect evolution`."""

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.errors import UsageError, WeightsError, reason_of
from cnnviz_jax.files import read_json, write_json
from cnnviz_jax.reading.bounds import check_total, folder_bytes, told
from cnnviz_jax.reading.forms import check_entries

_ABOUT = "recorder.json"
_FORM = {"shapes": dict[str, list[int]], "network": str | None}

Weights = dict[str, Shaped[np.ndarray, "..."]]
"""Arrays by the way to them, joined by dots, such as `conv1.kernel`."""


class Recorder:
    """Parameters of one training in one folder, a step each, as Orbax checkpoints.

    Example:
        recorder = cv.Recorder("my-training", network="my_package.my_module:make_model")
        for step in range(steps):
            params = update(params)
            if step % 100 == 0:
                recorder.save(step, params)

    As a callback, `recorder = cv.Recorder("my-training", every=100)` and `recorder(step, params)` at every step do the
    same.
    """

    def __init__(self, folder: str | Path, *, network: str | None = None, every: int = 1) -> None:
        """Open the folder of a training; `save` makes it where there is none.

        Args:
            folder: Where the steps are, or will be.
            network: `package.module:factory` that returns the network (anything that `cv.adapt` or a `cv.Model`
                is), for what needs more than its weights; kept with the first step.
            every: Steps from one that a call keeps to the next.

        Raises:
            UsageError: `every` is below 1.
        """
        if every < 1:
            raise UsageError(f"every is a number of steps, 1 or more, got {every}")
        self.folder = Path(folder)
        self._network, self._every = network, every

    def __call__(self, step: int, params: Any) -> bool:
        """Keep the parameters if the step is a multiple of `every`; return whether it was. See `save`."""
        if step % self._every:
            return False
        self.save(step, params)
        return True

    def save(self, step: int, params: Any) -> None:
        """Keep the parameters of a step: any pytree of arrays, such as `nnx.state(model, nnx.Param)`.

        A step appears under its number only when it is whole.

        Raises:
            UsageError: The step is kept already or below 0, or the parameters hold no arrays or others than before.
        """
        import orbax.checkpoint as ocp

        if step < 0 or (self.folder / str(step)).exists():
            raise UsageError(f"step {step} " + ("is below 0" if step < 0 else f"is kept in {self.folder} already"))
        weights = weights_of(params)
        if not weights:
            raise UsageError(f"the parameters of step {step} hold no arrays")
        shapes = {name: list(array.shape) for name, array in weights.items()}
        known = self._about().get("shapes", shapes)
        if known != shapes:
            differ = sorted(name for name in {*known, *shapes} if known.get(name) != shapes.get(name))
            raise UsageError(f"step {step} has other parameters than the steps before: {', '.join(differ[:4])}")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / _ABOUT).exists():
            about = {"network": self._network, "shapes": shapes}  # unsorted: `load` returns parameters in this order
            write_json(self.folder / _ABOUT, about, sort_keys=False)
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save((self.folder / str(step)).absolute(), weights)

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps that are kept, rising."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(int(child.name) for child in self.folder.iterdir() if child.name.isdecimal()))

    @property
    def network(self) -> str | None:
        """The network's factory, where one was named."""
        return self._about().get("network") or self._network

    def load(self, step: int) -> Weights:
        """Return the parameters of a step.

        Raises:
            UsageError: There is no such step.
            WeightsError: Its files are damaged.
        """
        import orbax.checkpoint as ocp

        if step not in self.steps:
            listed = ", ".join(map(str, self.steps)) or "none"
            raise UsageError(f"no step {step} in {self.folder}; there are {listed}")
        shapes, place = self._about().get("shapes", {}), (self.folder / str(step)).absolute()
        try:
            with told(), ocp.PyTreeCheckpointer() as checkpointer:
                size = folder_bytes(place)
                promised = checkpointer.metadata(place).item_metadata.tree
                check_total(sum(_promised_bytes(promised[name]) for name in shapes), size)
                as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in shapes}
                restored = checkpointer.restore(place, restore_args=as_numpy)
                return {name: np.asarray(restored[name]) for name in shapes}
        except (OSError, ValueError) as error:
            raise WeightsError(f"step {step} of {self.folder} is damaged: {reason_of(error)}") from error

    def _about(self) -> dict[str, Any]:
        path = self.folder / _ABOUT
        if not path.exists():
            return {}
        try:
            about = read_json(path)
            check_entries(about, _FORM, "it")
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} is none of a recorder's: {reason_of(error)}") from error
        return dict(about)


def _promised_bytes(leaf: Any) -> int:
    """Return what an array takes that Orbax describes so."""
    chunks = getattr(getattr(leaf, "storage", None), "chunk_shape", None) or ()
    return max(math.prod(leaf.shape), math.prod(chunks)) * np.dtype(leaf.dtype).itemsize


def weights_of(params: Any) -> Weights:
    """Return the arrays of a pytree by the way to them, in its own order."""
    found: Weights = {}
    for way, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        if hasattr(leaf, "shape") and not jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            name = jax.tree_util.keystr(way, simple=True, separator=".")
            found[name.removesuffix(".value") or "params"] = np.asarray(leaf)
    return found


def with_weights(params: Any, weights: Weights) -> Any:
    """Return the pytree with recorded arrays in place of its own; what was not recorded stays.

    Raises:
        UsageError: Nothing of what was recorded is in the pytree.
    """
    ways, structure = jax.tree_util.tree_flatten_with_path(params)
    names = [jax.tree_util.keystr(way, simple=True, separator=".").removesuffix(".value") for way, _ in ways]
    if not set(names) & set(weights):
        raise UsageError(
            f"the recorded parameters {', '.join(list(weights)[:4])} are none of the network's: {', '.join(names[:4])}"
        )
    return jax.tree.unflatten(structure, [weights.get(name, leaf) for name, (_, leaf) in zip(names, ways, strict=True)])
