"""The one pass over the images, kept in a file until every page is written: what is killed then begins behind it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.reducers import Reducer, Total
from cnnviz_jax.engine.surveys import Found, Pass, Surveyed, gathered
from cnnviz_jax.files import whole
from cnnviz_jax.model.model import Model
from cnnviz_jax.reading.numpy_files import NpzFile
from cnnviz_jax.site.answers import Answers, Labels

_ANSWERS = 5


@dataclass(frozen=True)
class Gathered:
    """What the pass found."""

    surveys: list[Found]
    """By survey, in the order asked for."""
    labels: np.ndarray
    """Of every image, -1 where unknown."""
    answers: Total | None
    """See `Answers`; `None` where the model gives no scores of classes."""
    unreadable: dict[int, str]
    """Why images were left out, by their number."""


def class_count(model: Model) -> int:
    """Return how many classes a classifier scores; 0 where the outputs are not one row of scores per image."""
    image = jax.ShapeDtypeStruct(model.input_shape, jnp.float32)
    outputs = jax.eval_shape(lambda adapted, one: adapted.run(one)[0], model, image)
    is_row = hasattr(outputs, "shape") and len(outputs.shape) == 1 and outputs.shape[0] > 1
    return int(outputs.shape[0]) if is_row else 0


def gather(
    path: Path,
    identity: str,
    surveys: Sequence[Surveyed],
    model: Model,
    dataset: Dataset,
    run: Pass,
) -> Gathered:
    """Return what the pass finds, from the file where an earlier start wrote it.

    Args:
        path: The file.
        identity: Of what is asked for: a file of something else is not read.
        surveys: What is gathered.
        model: The model.
        dataset: The images.
        run: As for `gathered`.

    Cost: one forward pass per image; more where a technique reads the images again.
    """
    kept = _read(path, identity, len(surveys))
    if kept is not None:
        return kept
    more: dict[str, Reducer] = {"labels": Labels(count=len(dataset))}
    if classes := class_count(model):
        more["answers"] = Answers(count=len(dataset), k=min(_ANSWERS, classes))
    found, extra, unreadable = gathered(surveys, model, dataset, run, more=more)
    made = Gathered(found, extra["labels"]["label"], extra.get("answers"), unreadable)
    _write(path, identity, made)
    return made


def _write(path: Path, identity: str, found: Gathered) -> None:
    arrays = {
        f"{place}/{name}/{array}": leaf
        for place, own in enumerate(found.surveys)
        for name, total in own.items()
        for array, leaf in total.items()
    }
    arrays |= {f"answers/{name}": leaf for name, leaf in (found.answers or {}).items()}
    told = json.dumps({"identity": identity, "unreadable": found.unreadable})
    with whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, labels=found.labels, told=np.array(told), **arrays)


def _read(path: Path, identity: str, surveys: int) -> Gathered | None:
    try:
        with NpzFile(path) as archive:
            told: dict[str, Any] = json.loads(str(archive["told"]))
            if told["identity"] != identity:
                return None
            found: list[Found] = [{} for _ in range(surveys)]
            answers: Total = {}
            for entry in archive:
                place, *names = entry.split("/")
                if place == "answers":
                    answers[names[0]] = archive[entry]
                elif names:
                    found[int(place)].setdefault(names[0], {})[names[1]] = archive[entry]
            unreadable = {int(number): reason for number, reason in told["unreadable"].items()}
            return Gathered(found, archive["labels"], answers or None, unreadable)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None  # not there, or damaged: it is gathered again
