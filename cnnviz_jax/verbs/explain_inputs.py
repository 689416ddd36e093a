"""Several inputs explained one at a time, the others as given, where a technique looks at the places of one input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax import targets
from cnnviz_jax.data.given import check_images, image_names
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, RuleError, UsageError, WindowError
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.one_input import with_others
from cnnviz_jax.model.several_inputs import SeveralInputs
from cnnviz_jax.options.building import name_of
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.provenance import Call, Provenance


def looks_at_one(technique: Any, model: Any) -> bool:
    """Return whether a model takes several inputs and a technique's folds say that they take one."""
    if not isinstance(model, Model) or not isinstance(model.structure.space, SeveralInputs):
        return False
    axes = getattr(_fold_class(technique), "axes", None)
    return axes is not None and 0 not in axes


def _fold_class(technique: Any) -> Any:
    """The class whose method builds a technique's fold; `None` where it is built otherwise."""
    spec = plugins().technique(technique, "explain") if isinstance(technique, str) else technique
    spec = spec if isinstance(spec, TechniqueSpec) else getattr(spec, "__technique__", None)
    return None if spec is None else getattr(load(spec.build), "__self__", None)


def explained_apart(
    run: Callable[..., Attribution],
    technique: Any,
    model: Model,
    inputs: Any,
    target: Any,
    *,
    ids: Sequence[int] | None,
    names: Sequence[str] | None,
    options: Mapping[str, Any],
) -> Attribution:
    """Return a result whose `inputs` have a map each, of that input alone.

    Args:
        run: `cv.explain`.
        technique: As for `explain`, and so the rest.
        model: A model of several inputs.
        inputs: Arrays by name.
        target: As for `explain`; the same for all inputs.
        ids: One number per example.
        names: One name per example.
        options: All else that `explain` takes; a mapping of inputs' names to values is each input's own.

    Raises:
        LayerKindError: No input has what the technique looks at, or it looks at several examples together.
        CnnvizError: As `explain`; the input is named.

    Cost: one trace and compilation per input; the technique's cost for each example and input.
    """
    if getattr(_fold_class(technique), "mixes_images", False):
        raise LayerKindError(
            f"{name_of(technique)} takes parts of one example from another, and several inputs are explained one "
            "example at a time; feature-ablation does without"
        )
    space: Any = model.structure.space
    packed = np.asarray(check_images(inputs, model.input_shape, space=space))
    own, count = space.own(packed), len(packed)
    probabilities, is_top = None, target is None
    if is_top:
        target, probabilities = targets.top_classes(model, packed)
    resolved = targets.resolve(target, model, packed)
    parts: dict[str, Attribution] = {}
    left_out: list[str] = []
    refusal: Exception | None = None
    for name in space.shape:
        others = [{each: own[each][i] for each in space.shape if each != name} for i in range(count)]
        alone = model.of_input(name, others[0])
        kept = {key: value for key, value in options.items() if not _is_by_input(value, space) or name in value}
        mine = {key: value[name] if _is_by_input(value, space) else value for key, value in kept.items()}
        try:
            rows = [
                run(
                    technique, with_others(alone, others[i]), own[name][i : i + 1], _row(resolved, i),
                    ids=None if ids is None else [ids[i]], names=None if names is None else names[i : i + 1], **mine,
                )
                for i in range(count)
            ]  # fmt: skip
        except (LayerKindError, LayerNotFoundError, RuleError) as error:
            refusal = refusal or error
            left_out.append(f"input {name!r} is left out: {error}")
            continue
        except (UsageError, WindowError) as error:
            raise type(error)(f"input {name!r}: {error}") from error
        parts[name] = _joined(rows)
    if not parts:
        raise LayerKindError(f"no input of {model.name} can be explained so: {refusal}") from refusal
    parts = _with_shares(parts)
    first = next(iter(parts.values()))
    is_class = isinstance(resolved, targets.ClassScore) and resolved.of == "logit"
    plain = np.asarray(resolved.index, np.int32) if is_class else resolved  # type: ignore[attr-defined]
    call = Call.of(
        {
            "target": None if is_top else plain,
            "ids": None if ids is None else np.asarray(ids, np.uint32),
            "names": names,
        },
        {"images": inputs},
    )
    is_one_call = not any(_is_by_input(value, space) for value in options.values())
    return Attribution(
        values=_row_of(parts, space, count),
        low_res=None,
        scores=first.scores,
        target=plain,
        images=space.flat(packed),
        probabilities=probabilities,
        axes=space.inputs,
        parts=parts,
        view="pixels",
        names=() if names is None else image_names(names, count),
        provenance=replace(
            Provenance.of(
                first.provenance.technique, model, first.provenance.config, resolved, seed=first.provenance.seed,
                notes=(("inputs", "each alone, the others as given"),),
            ),
            call=call if is_one_call else None,
        ),
        warnings=(*model.warnings, *left_out),
    )  # fmt: skip


def _is_by_input(value: Any, space: SeveralInputs) -> bool:
    return isinstance(value, Mapping) and bool(value) and set(value) <= set(space.shape)


def _row(resolved: targets.Target, i: int) -> Any:
    if isinstance(resolved, targets.ClassScore) and resolved.of == "logit":
        return int(np.asarray(resolved.index)[i])
    return jax.tree.map(lambda leaf: leaf[i], resolved)


def _joined(rows: Sequence[Attribution]) -> Attribution:
    """The results of single examples as one."""
    first = rows[0]

    def join(name: str) -> Any:
        if getattr(first, name) is None:
            return None
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *(getattr(row, name) for row in rows))

    fields = {name: join(name) for name in ("values", "low_res", "scores", "target", "images", "extras")}
    words = tuple(text for row in rows for text in row.provenance.targets)
    names = tuple(name for row in rows for name in row.names)
    warnings = tuple(dict.fromkeys(text for row in rows for text in row.warnings))
    provenance = replace(first.provenance, targets=words, call=None)
    return replace(first, **fields, names=names, warnings=warnings, provenance=provenance)


def _with_shares(parts: Mapping[str, Attribution]) -> dict[str, Attribution]:
    sizes = {name: np.abs(np.asarray(part.values)).reshape(len(part.values), -1).sum(1) for name, part in parts.items()}
    total = sum(sizes.values())
    return {
        name: replace(part, extras={**part.extras, "share": sizes[name] / np.where(total == 0, 1, total)})
        for name, part in parts.items()
    }


def _row_of(parts: Mapping[str, Attribution], space: SeveralInputs, count: int) -> Float[np.ndarray, "n numbers"]:
    """All maps as one row of numbers: an input's channels share its map, and one that is left out has zeros."""
    rows = []
    for name, shape in space.shape.items():
        values = np.zeros((count, *shape), np.float32)
        if name in parts:
            found = np.asarray(parts[name].values, np.float32)
            if found.shape[1:] in (shape, shape[:-1]):
                values = values + (found if found.shape == values.shape else found[..., None])
        rows.append(values.reshape(count, -1))
    return np.concatenate(rows, 1)
