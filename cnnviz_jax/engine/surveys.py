"""Several surveys in one pass: any techniques at any layers share one forward pass of every image.

Reducers that are equal, such as the class means that two techniques ask for, are gathered once.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.reducers import Reducer, Total
from cnnviz_jax.engine.survey import SurveyPlan
from cnnviz_jax.engine.techniques import build, layer_note, running
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.provenance import Call, Provenance

Found = dict[str, Total]
"""What each reducer of a survey finished with, by its name in the plan."""
Pass = Callable[..., tuple[dict[str, Total], dict[int, str]]]
"""`run_survey`, or the like: reducers by name, `model` and `dataset` to totals by name and why images were left out."""


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """One survey technique at one layer: what it gathers, and how its result is made of it."""

    spec: TechniqueSpec
    config: Any
    plan: SurveyPlan

    @classmethod
    def of(cls, spec: TechniqueSpec, config: Any, model: Model) -> "Surveyed":
        """Return the technique with what it built for the model.

        Raises:
            CnnvizError: The technique's own reason to refuse the model, the layer or an option.
        """
        return cls(spec=spec, config=config, plan=build(spec, config, model))

    def reducers(self, dataset: Dataset, model: Model) -> dict[str, Reducer]:
        """Return what is gathered in the first pass: more where the images have labels."""
        with running(self.spec):
            found = dict(self.plan.reducers)
            if dataset.is_labelled:
                found |= self.plan.labelled(len(dataset.class_names) or model.class_count)
            return found

    @property
    def layer(self) -> str | None:
        """The first layer that is read."""
        return next((layer for reducer in self.plan.reducers.values() for layer in reducer.layers), None)

    def result(
        self, found: Found, dataset: Dataset, model: Model, unreadable: Mapping[int, str], call: Call | None = None
    ) -> Any:
        """Return the result of what was gathered.

        Args:
            found: By the reducers' names.
            dataset: The images.
            model: The model.
            unreadable: Why images were left out, by their number.
            call: What the verb was called with.
        """
        notes = (
            ("images", len(dataset) - len(unreadable)),
            ("unreadable", tuple(unreadable.values())),
            ("dataset", dataset.source.digest()),
            *layer_note(model, self.config, self.layer),
        )
        provenance = Provenance.of(self.spec.name, model, self.config, layer=self.layer, notes=notes, call=call)
        with running(self.spec):
            return self.plan.finish(found, dataset, provenance)


def gathered(
    surveys: Sequence[Surveyed],
    model: Model,
    dataset: Dataset,
    run: Pass,
    *,
    more: Mapping[str, Reducer] | None = None,
) -> tuple[list[Found], Found, dict[int, str]]:
    """Return what every survey found, what `more` found, and why images were left out, by their number.

    Args:
        surveys: Run in one pass; those that read the images again share their further passes too.
        model: The model.
        dataset: The images.
        run: One pass with reducers over a data set: `run_survey`, told what memory and progress it has.
        more: Further reducers of the first pass.
    """
    found: list[Found] = [{} for _ in surveys]
    asked = [survey.reducers(dataset, model) for survey in surveys]
    one_pass = partial(run, model=model, dataset=dataset)
    totals, unreadable = _together([*asked, dict(more or {})], one_pass)
    extra = totals.pop()
    turn = 0
    while True:
        for own, total in zip(found, totals, strict=True):
            own |= total
        pending = [_further(survey, turn, own, dataset) for survey, own in zip(surveys, found, strict=True)]
        if not any(pending) or len(unreadable) == len(dataset):
            return found, extra, unreadable
        totals, _ = _together(pending, one_pass)
        turn += 1


def _further(survey: Surveyed, turn: int, found: Found, dataset: Dataset) -> dict[str, Reducer]:
    with running(survey.spec):
        return dict(survey.plan.then[turn](found, dataset)) if turn < len(survey.plan.then) else {}


def _together(asked: Sequence[Mapping[str, Reducer]], run: Pass) -> tuple[list[Found], dict[int, str]]:
    names: dict[Reducer, str] = {}
    for reducers in asked:
        for name, reducer in reducers.items():
            # Equal reducers fall together; unequal ones that two techniques call alike are told apart by a number.
            names.setdefault(reducer, f"{len(names)} {name}")
    totals, unreadable = run({name: reducer for reducer, name in names.items()})
    return [{name: totals[names[each]] for name, each in reducers.items()} for reducers in asked], unreadable


def at_layers(config: Any, layers: Sequence[str]) -> list[Any]:
    """Return a technique's config once for every layer."""
    return [dataclasses.replace(config, layer=layer) for layer in layers]
