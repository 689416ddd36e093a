"""The order of a training's rows, and its state on disk: after a stop it goes on and ends with the same numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from cnnviz_jax.plugin import LearnerCase, NpzFile, UsageError, reason_of, whole, write_entries
from cnnviz_plugins.dictionary.plugin import TrainedConfig
from cnnviz_plugins.dictionary.starting import generator

Notes = dict[str, np.ndarray]


@dataclass(frozen=True)
class Order:
    """Which rows each step takes: every epoch all of them, in a new order."""

    key: Key[Array, ""]
    rows: int
    batch: int

    def places(self, first: int, steps: int) -> Int[np.ndarray, "steps batch"]:
        """Return the rows of some steps, whatever steps were asked for before."""
        at = np.arange(first * self.batch, (first + steps) * self.batch)
        epochs = range(int(at[0]) // self.rows, int(at[-1]) // self.rows + 1)
        orders = np.concatenate([self._epoch(epoch) for epoch in epochs])
        return orders[at - epochs[0] * self.rows].reshape(steps, self.batch)

    def _epoch(self, number: int) -> Int[np.ndarray, " rows"]:
        return generator(jax.random.fold_in(self.key, number)).permutation(self.rows)


@dataclass(frozen=True)
class Kept:
    """One file with a training's state; nothing is written where there is no folder."""

    path: Path | None
    about: str
    """What tells this training from others."""

    @classmethod
    def of(cls, config: TrainedConfig, case: LearnerCase) -> Self:
        """Return the place for the state of a training."""
        key = np.asarray(jax.random.key_data(case.key)).tolist()
        first = np.asarray(case.rows[:4], np.float64).sum()
        about = f"{config!r} {key} {case.rows.shape} {first!r} jax {jax.__version__}"
        return cls(None if case.folder is None else case.folder / f"training-{key[0]}-{key[1]}.npz", about)

    def read(self, state: Any) -> tuple[int, Any, list[Notes]] | None:
        """Return the steps that are done, the state after them and what was noted; `None` where nothing is kept.

        Raises:
            UsageError: The file is of another training.
        """
        if self.path is None or not self.path.exists():
            return None
        leaves, tree = jax.tree.flatten(state)
        try:
            with NpzFile(self.path) as found:
                if str(found["about"]) != self.about:
                    raise UsageError(f"{self.path} is the state of another training; name another folder or remove it")
                own = [jax.numpy.asarray(found[f"state{i}"]) for i in range(len(leaves))]
                noted = {name[5:]: found[name] for name in found if name.startswith("note_")}
                if [each.shape for each in own] != [np.shape(leaf) for leaf in leaves]:
                    raise ValueError("its state is not that of this training")
                return int(found["done"]), jax.tree.unflatten(tree, own), [noted]
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(
                f"{self.path} cannot be read ({reason_of(error)}), and the training would begin anew; remove it where"
                " that is meant"
            ) from error

    def write(self, done: int, state: Any, notes: list[Notes]) -> None:
        """Write the state after so many steps; the file is whole or as it was."""
        if self.path is None:
            return
        arrays = {f"state{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        arrays |= {f"note_{name}": np.concatenate([each[name] for each in notes]) for name in notes[0]}
        arrays |= {"about": np.array(self.about), "done": np.array(done)}
        with whole(self.path) as temporary:
            write_entries(temporary, arrays)

    def remove(self) -> None:
        """Remove the file of a training that is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
