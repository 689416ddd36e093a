"""The checkpoints of one training over the same images: one forward pass each, one program for all."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.unreadable import check_some_read, unread_note
from cnnviz_jax.engine.observation import Observed, joined, observe
from cnnviz_jax.engine.progress import stage
from cnnviz_jax.errors import CnnvizWarning, ModelError, UsageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.progress.bars import Progress
from cnnviz_jax.recorder import Recorder, with_weights
from cnnviz_jax.results.difference import Drift
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.similarity.alignment import cka
from cnnviz_jax.similarity.answers import churn
from cnnviz_jax.similarity.drifting import moved
from cnnviz_jax.similarity.independence import LEAST
from cnnviz_jax.verbs.load_model import load_model


@dataclass(frozen=True)
class Checkpoints:
    """Networks of one structure, each loaded when it is asked for."""

    count: int
    at: Any
    """`at(k)`: the network of checkpoint k."""

    @property
    def first(self) -> Model:
        """The first one."""
        model: Model = self.at(0)
        return model


def checkpoints_of(training: Any, b: Model | None) -> tuple[tuple[int, ...], Checkpoints, Model | None]:
    """Return the steps of a training, its networks, and what they are compared with: `None` for the last.

    Raises:
        UsageError: It is no training, has fewer than two checkpoints, or its network is not known.
        ModelError: A checkpoint is no `cv.Model`, or of another structure.
    """
    if isinstance(training, Recorder):
        steps = training.steps
        if len(steps) < 2:
            raise UsageError(f"{training.folder} holds {len(steps)} recorded steps; two are needed")
        network = b if b is not None else load_model(training.network) if training.network else None
        if network is None:
            raise UsageError("the recorder does not name its network; give it as b, or cv.Recorder(folder, network=)")
        require_model(network)
        known = network

        def recorded(k: int) -> Model:
            return known.with_params(with_weights(known.params, training.load(steps[k])))

        return steps, Checkpoints(len(steps), recorded), None
    if isinstance(training, str | bytes) or not isinstance(training, Sequence):
        raise ModelError(
            f"a is a cv.Model, a list of them or a cv.Recorder, got {type(training).__name__}; cv.adapt(...) makes a "
            "model of any JAX model"
        )
    if len(training) < 2:
        raise UsageError(f"a training has two checkpoints or more, got {len(training)}")
    for model in training:
        require_model(model)
        if model.structure != training[0].structure:
            raise ModelError(f"the checkpoints are of one network, but {model.name} computes something else")
    if b is not None:
        require_model(b)
    return tuple(range(len(training))), Checkpoints(len(training), lambda k: training[k]), b


def drifted(
    steps: tuple[int, ...],
    models: Checkpoints,
    end: Model | None,
    dataset: Dataset,
    layers: tuple[str, ...],
    form: Literal["debiased", "biased"],
    provenance: Provenance,
    *,
    progress: Progress,
    **running: Any,
) -> Drift:
    """Return how a training moved; see `cv.diff`."""
    unreadable: dict[int, str] = {}
    stages = models.count + (end is not None)

    def rows_of(model: Model, place: int, what: str) -> Observed:
        tick = stage(progress, place, stages, what)
        parts = list(observe((model,), (dataset,), (layers,), unreadable=unreadable, progress=tick, **running))
        check_some_read(unreadable, len(dataset))
        return joined(parts)

    # The end goes first, so that every checkpoint is run once: of the others only two are held at a time.
    last = rows_of(end if end is not None else models.at(models.count - 1), 0, "the end")
    if len(last) < LEAST:
        raise UsageError(f"checkpoints are compared over {LEAST} images and more, got {len(last)}")

    def checkpoints() -> Iterator[Observed]:
        for k in range(models.count):
            is_end = end is None and k == models.count - 1
            yield last if is_end else rows_of(models.at(k), k + 1, f"step {steps[k]}")

    table: dict[str, list[Any]] = {}
    old: Observed | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnvizWarning)  # layers that never change are nan, which the result says
        for k, new in enumerate(checkpoints()):
            _finite(new, steps[k])
            pairs = list(zip(new.rows[0], last.rows[0], strict=True))
            table.setdefault("to_end", []).append([cka(x, y, form) for x, y in pairs])
            _answers(table, old, new, last)
            for x, y in zip(old.rows[0], new.rows[0], strict=True) if old is not None else ():
                found = moved(x, y, form=form)
                for name in ("cka", "same_unit", "own_best", "died", "revived"):
                    table.setdefault(name, []).append(getattr(found, name))
            old = new
    progress(1000 * stages, 1000 * stages, "done")

    def of_steps(name: str) -> np.ndarray:
        return np.array(table[name]).reshape(models.count - 1, len(layers))

    told = [*unread_note(unreadable.values())]
    to_end = np.array(table["to_end"])
    flat = [name for name, gone in zip(layers, np.isnan(to_end).any(0), strict=True) if gone]
    if flat:
        told.append(f"CKA is not defined where a layer hardly changes from image to image: {', '.join(flat[:6])}")
    return Drift(
        steps=steps,
        layers=layers,
        end=end.name if end is not None else f"step {steps[-1]}",
        to_end=to_end,
        to_next=of_steps("cka"),
        same_unit=of_steps("same_unit"),
        own_best=of_steps("own_best"),
        died=of_steps("died"),
        revived=of_steps("revived"),
        churn=_or_none(table, "churn"),
        churn_to_end=_or_none(table, "churn_to_end"),
        accuracy=_or_none(table, "accuracy"),
        form=form,
        image_count=len(last),
        provenance=provenance,
        warnings=tuple(dict.fromkeys((*models.first.warnings, *told))),
    )


def _finite(found: Observed, step: int) -> None:
    if not all(np.isfinite(table).all() for table in found.rows[0]):
        raise UsageError(f"step {step} has values that are not finite: its weights, or an image, are broken")


def _answers(table: dict[str, list[Any]], old: Observed | None, new: Observed, last: Observed) -> None:
    """Add how predictions changed, where there are comparable ones."""
    (logits,), (ended,) = new.logits, last.logits
    if logits is None:
        return
    if ended is not None and ended.shape == logits.shape:
        table.setdefault("churn_to_end", []).append(churn(logits, ended))
    if old is not None and old.logits[0] is not None:
        table.setdefault("churn", []).append(churn(old.logits[0], logits))
    known = new.labels >= 0
    if known.any():
        table.setdefault("accuracy", []).append(float((logits.argmax(1)[known] == new.labels[known]).mean()))


def _or_none(table: dict[str, list[Any]], name: str) -> Float[np.ndarray, " s"] | None:
    return np.array(table[name]) if name in table else None
