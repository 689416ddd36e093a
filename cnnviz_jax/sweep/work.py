"""A specification resolved against a model and a source: what is computed per image, and what identifies it."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from cnnviz_jax import targets
from cnnviz_jax.data.source import Source, image_dtype
from cnnviz_jax.engine import Fold
from cnnviz_jax.engine.device_batch import inner_chunk_for
from cnnviz_jax.engine.reducers import Reducer, fields_of
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.errors import CnnvizError, TargetError
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.arrays import arrays_in
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.layout import FORMAT
from cnnviz_jax.sweep.reductions import reducers_of
from cnnviz_jax.sweep.spec import Explanation, SweepSpec
from cnnviz_jax.targets.parsing import class_named, target_in_table

# Ids are uint32, and 2**32 - 1 marks an empty slot of a top-k.
_LARGEST_ID = 2**32 - 2


@dataclass(frozen=True)
class Planned:
    """One explanation, built for the model."""

    asked: Explanation
    config: Any
    fold: Fold

    def target(self, top: Int[Array, " b"], label: Any) -> targets.Target:
        """Return the batched target of a device batch; traceable."""
        chosen = self.asked.target
        if chosen is None:
            return targets.ClassScore(top)
        if chosen == "label":
            return targets.ClassScore(jnp.maximum(label, 0))  # -1, unknown, is no index; its map is that of class 0
        return target_in_table(chosen).batched(len(top))


@dataclass(frozen=True)
class Work:
    """Everything the step computes, in order."""

    model: Model
    explanations: tuple[Planned, ...]
    reducers: dict[str, Reducer]
    """By `name/layer`."""
    fields: dict[str, tuple[tuple[int, ...], str]]
    """Shape and dtype of the source's fields that are fed to the step."""
    has_classes: bool
    """Whether the model returns class scores, so that there are predictions."""
    image_dtype: str
    """What images are fed to the step as: `float32` in [0, 1], or `uint8`, which the step divides by 255."""

    @classmethod
    def plan(cls, spec: SweepSpec, model: Model, source: Source) -> "Work":
        """Return the work.

        Raises:
            SweepUsageError: A technique, option, target or field does not exist or does not fit.
        """
        try:
            explanations = tuple(_planned(asked, model) for asked in spec.explain)
            reducers = {
                f"{survey.name}/{key}": reducer
                for survey in spec.survey
                for key, reducer in reducers_of(survey, model, source).items()
            }
        except SweepUsageError:
            raise
        except CnnvizError as error:
            raise SweepUsageError(str(error)) from error
        has_classes = _has_classes(model)
        wanted = dict.fromkeys(fields_of(tuple(reducers.values())))
        for planned in explanations:
            if planned.asked.target == "label":
                wanted["label"] = None
            if planned.asked.target in (None, "label") and not has_classes:
                raise SweepUsageError(f"{planned.asked.name}: {model.name} has no class scores; name another target")
        missing = [name for name in wanted if name not in source.fields]
        if missing:
            known = ", ".join(source.fields) or "none"
            raise SweepUsageError(f"the source gives no {missing[0]!r}, which this sweep needs; it gives: {known}")
        if "label" in source.fields:
            wanted["label"] = None  # costs nothing, and results can be read by class
        if len(source) - 1 > _LARGEST_ID:
            raise SweepUsageError(f"{len(source)} images; a sweep takes at most {_LARGEST_ID + 1}")
        fields = {name: source.fields[name] for name in wanted}
        return cls(model, explanations, reducers, fields, has_classes, image_dtype(source))

    @property
    def key(self) -> Any:
        """Equal for work that one compiled step can do: the model's numbers do not matter."""
        # repr, because options may be lists and dicts, which have no hash.
        explanations = tuple((repr(planned.asked), planned.fold) for planned in self.explanations)
        fields = tuple(sorted(self.fields.items()))
        reducers = tuple(self.reducers.items())
        return self.model.structure, explanations, reducers, fields, self.has_classes, self.image_dtype

    @property
    def capacity(self) -> int:
        """Images that the deltas of one device can hold before they must be flushed."""
        return min([2**31 - 1, *(reducer.capacity for reducer in self.reducers.values())])

    def inner_chunks(self, device_batch: int, asked: int | str) -> tuple[int, ...]:
        """Return the inner chunk of every explanation."""
        counts = [planned.fold.evaluations for planned in self.explanations]
        if asked == "auto":
            return tuple(inner_chunk_for(count, device_batch) for count in counts)
        return tuple(min(int(asked), count) for count in counts)

    def identity(self, spec: SweepSpec, source: Source, count: int) -> dict[str, Any]:
        """Return everything that decides results, but for device batch and chunks, as plain JSON."""
        structure = self.model.structure
        is_partitionable = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
        # Whatever changes a number in the results stands here, and nothing else: not devices, workers, checkpoints or
        # the folder's name. Versions and the kind of device do not either, as they change the last bits only;
        # `run.json` has them, and the manifest says whether they changed.
        identity = {
            "format": FORMAT,
            "model": self.model.name,
            "layers": [(layer.name, layer.kind, list(layer.shape)) for layer in self.model.layers.values()],
            "weights_sha256": weights_digest(self.model),
            "preprocess": {
                "input_shape": list(structure.input_shape),
                "mean": list(structure.mean),
                "std": list(structure.std),
            },
            "source_digest": source.digest(),
            "images": count,
            "seed": spec.seed,
            "rng": "threefry2x32/" + ("partitionable" if is_partitionable else "sequential"),
            "explain": [
                {name: getattr(planned.asked, name) for name in ("technique", "name", "target", "keep", "dtype")}
                | {"config": dataclasses.asdict(planned.config)}
                for planned in self.explanations
            ],
            "survey": {
                name: {"reducer": f"{type(reducer).__module__}:{type(reducer).__qualname__}", **_described(reducer)}
                for name, reducer in self.reducers.items()
            },
        }
        return json.loads(json.dumps(identity, default=str))


def _planned(asked: Explanation, model: Model) -> Planned:
    found = resolve_technique(asked.technique, "explain", dict(asked.options), model)
    if arrays := arrays_in(found.config):
        raise SweepUsageError(
            f"{asked.technique}: {', '.join(arrays)} is an array, which a sweep cannot keep; use words"
        )
    if isinstance(asked.target, str) and asked.target != "label":
        asked = dataclasses.replace(asked, target=class_named(asked.target, model))
    if asked.target not in (None, "label"):
        targets.resolve_layers(target_in_table(asked.target), model)
    return Planned(asked, found.config, found.built)


def _has_classes(model: Model) -> bool:
    try:
        return model.class_count > 0
    except TargetError:
        return False


def _described(reducer: Reducer) -> dict[str, Any]:
    return {field.name: getattr(reducer, field.name) for field in dataclasses.fields(reducer)}
