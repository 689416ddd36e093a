"""`cv.rerun`: a result once more, from its provenance."""

import dataclasses
from collections.abc import Callable
from typing import Any

from cnnviz_jax.data.given import Images
from cnnviz_jax.engine import Progress, as_callable, key_of
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import Kind
from cnnviz_jax.results.provenance import Call, Provenance, Unstored
from cnnviz_jax.verbs.compare import compare
from cnnviz_jax.verbs.diff import diff
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.find_shortcuts import find_shortcuts
from cnnviz_jax.verbs.inspect import inspect
from cnnviz_jax.verbs.intervene import intervene
from cnnviz_jax.verbs.learn_dictionary import learn_dictionary
from cnnviz_jax.verbs.measure import measure
from cnnviz_jax.verbs.name_units import name_units
from cnnviz_jax.verbs.outermost import verb
from cnnviz_jax.verbs.survey import survey
from cnnviz_jax.verbs.synthesize import synthesize


@verb
def rerun(
    provenance: Provenance,
    model: Any,
    images: Images | None = None,
    *,
    progress: Progress | bool | None = None,
    **data: Any,
) -> Any:
    """Return what a verb returns when it is called again as the provenance says.

    On the same machine, with the same versions, model and images it is the same bit by bit. Another model or other
    images answer the same question anew: the options, the seed and the targets stay, and where each image's top class
    was explained, so it is again.

    Args:
        provenance: Of a result, one that `cv.load` read too.
        model: As for the verb; for an inspect technique of an image or a training, that.
        images: As for the verb; `None` for one that takes none.
        progress: As for the verb.
        **data: Other data that the verb was given and that a provenance does not keep, by the verb's own names:
            `labels`, `names`, `fields`, `mask`, `masks`, `embeddings`, `exemplars`, `attribution`, `b`, `source`,
            `reference`.

    Raises:
        UsageError: The provenance does not say how the verb was called, or data is missing.
        CnnvizError: As for the verb.

    Cost: as for the verb; of a measurement, that of its explanation too.
    """
    call = provenance.call
    if call is None:
        raise UsageError(f"the provenance of this {provenance.technique} does not say how it was called; call it again")
    _check(provenance.technique, call, images, data)
    if provenance.technique == "compare" and isinstance(provenance.config, dict):
        arguments: dict[str, Any] = {"options": provenance.config, "key": key_of(provenance.seed)}
        return compare(model, images, progress=as_callable(progress), **dict(call.arguments), **arguments, **data)  # type: ignore[arg-type]
    if provenance.technique == "diff" and isinstance(provenance.config, dict):
        arguments = {**call.arguments, **provenance.config, "key": key_of(provenance.seed)}
        return diff(model, data.pop("b", None), images, progress=as_callable(progress), **arguments, **data)
    if provenance.technique == "intervene" and isinstance(provenance.config, dict):
        return intervene(model, images, progress=as_callable(progress), **dict(call.arguments), **data)  # type: ignore[arg-type]
    if provenance.technique == "find_shortcuts" and isinstance(provenance.config, dict):
        arguments = {**call.arguments, **provenance.config, **data}
        return find_shortcuts(model, images=images, progress=as_callable(progress), **arguments)  # type: ignore[arg-type]
    if provenance.technique == "name_units" and isinstance(provenance.config, dict):
        arguments = {**provenance.config, "key": key_of(provenance.seed), **data}
        return name_units(model, images, progress=as_callable(progress), **arguments)
    kind = plugins().technique(provenance.technique).kind
    return _RUNS[kind](provenance, call, model, images, data, as_callable(progress))


def _check(technique: str, call: Call, images: Any, data: dict[str, Any]) -> None:
    """Raise `UsageError` where data is missing, or something was lost when the result was stored."""
    missing = [name for name in call.data if name not in data and not (name == "images" and images is not None)]
    if missing:
        raise UsageError(
            f"{technique} was given {' and '.join(missing)}, which a provenance does not keep; pass it again"
        )
    lost = [value.what for value in call.arguments.values() if isinstance(value, Unstored)]
    if lost:
        raise UsageError(f"{technique} was called with {lost[0]}, which a file cannot hold; call it again with yours")


def _arguments(call: Call) -> dict[str, Any]:
    """Return the arguments as `explain` and `measure` take them."""
    ids = call.arguments.get("ids")
    return {**call.arguments, "ids": None if ids is None else ids.tolist()}


def _explain(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    return explain(
        provenance.technique, model, images, key=key_of(provenance.seed), progress=progress,
        **{**_options(provenance), **_arguments(call)}, **data,
    )  # fmt: skip


def _synthesize(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    return synthesize(
        provenance.technique, model, images=images, key=key_of(provenance.seed), progress=progress,
        **{**_options(provenance), **_present(call)}, **data,
    )  # fmt: skip


def _inspect(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    return inspect(provenance.technique, model, **_options(provenance), **data)


def _survey(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    return survey(provenance.technique, model, images, progress=progress, **_options(provenance), **data)


def _dictionary(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    return learn_dictionary(
        provenance.technique, model, images, key=key_of(provenance.seed), progress=progress,
        **_options(provenance), **_present(call), **data,
    )  # fmt: skip


def _measure(provenance: Provenance, call: Call, model: Any, images: Any, data: Any, progress: Progress) -> Any:
    arguments = _arguments(call)
    explained = arguments.pop("explained", None)
    if explained is not None and "attribution" not in data:
        data = {**data, "attribution": rerun(explained, model, images)}
    return measure(
        provenance.technique, model, images, key=key_of(provenance.seed), progress=progress,
        **arguments, **_options(provenance), **data,
    )  # fmt: skip


_RUNS: dict[Kind, Callable[..., Any]] = {
    "explain": _explain,
    "synthesize": _synthesize,
    "inspect": _inspect,
    "survey": _survey,
    "measure": _measure,
    "dictionary": _dictionary,
}


def _options(provenance: Provenance) -> dict[str, Any]:
    config = provenance.config
    if isinstance(config, dict):
        return dict(config)
    return {each.name: getattr(config, each.name) for each in dataclasses.fields(config) if each.init}


def _present(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.arguments.items() if value is not None}
