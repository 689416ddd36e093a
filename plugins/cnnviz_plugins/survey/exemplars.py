"""Exemplars: the images that fire each unit most, and the part of each that the unit sees."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz_jax.plugin import (
    Dataset,
    Exemplars,
    Layer,
    Model,
    Provenance,
    SurveyPlan,
    TopK,
    Total,
    in_few,
    kept_images,
    surveyed_layer,
)
from cnnviz_plugins.strongest import located, strongest
from cnnviz_plugins.survey.levels import MaximumSample, at_levels, check_levels
from cnnviz_plugins.survey.per_class import ClassMeans, ImagesFired, by_class, unread
from cnnviz_plugins.survey.plugin import ExemplarsConfig

_SHOWN = 6


def build(config: ExemplarsConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for exemplars, and how the result is made of it.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: No such unit, or k below 1.

    Cost: one forward pass per image up to the layer; a few percent more for the best k, more where
    the network is as small as LeNet (CPU). The images of the units that are drawn are read a second time at the end.
    """
    layer = surveyed_layer(model, config.layer, config.units)
    check_levels(config.levels, config.level_k, config.sample)
    where: Any = {"layer": layer.name, "shape": layer.shape}
    space = model.structure.one_space

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Exemplars:
        top, fired = found["top"], found["fired"]
        levels = _levels(layer, config, found, model)
        units = config.units or tuple(int(unit) for unit in np.flatnonzero(fired["fired"])[:_SHOWN]) or (0,)
        ids = [top["id"], *([levels["level_id"].reshape(len(top["id"]), -1)] if config.levels else [])]
        shown = np.concatenate(ids, 1)[list(units)]
        return Exemplars(
            **strongest(layer, model, top),
            threshold=config.threshold,
            fired=fired["fired"],
            image_count=int(fired["images"][0]),
            units=tuple(units),
            **kept_images(dataset, shown, model.input_shape, space),
            **by_class(found, dataset),
            **levels,
            provenance=provenance,
            warnings=(*model.warnings, *_findings(layer, config, top, fired, provenance)),
        )

    return SurveyPlan(
        reducers={
            "top": TopK(**where, k=config.k, entries=config.entries),
            "fired": ImagesFired(**where, threshold=config.threshold),
            **({"maxima": MaximumSample(**where, image_count=config.sample)} if config.levels else {}),
        },
        labelled=lambda classes: {"classes": ClassMeans(**where, classes=classes)},
        finish=finish,
        axes=(1, 2, 3),
    )


def _levels(layer: Layer, config: ExemplarsConfig, found: Mapping[str, Total], model: Model) -> dict[str, Any]:
    """Return the fields of a result that speak of levels; none where none is asked for."""
    if not config.levels:
        return {}
    each = at_levels(found["maxima"], config.levels, config.level_k)
    place, box = located(layer, model, each)
    return {
        "levels": config.levels,
        "level_quantile": each["quantile"],
        "level_value": each["value"],
        "level_id": each["id"],
        "level_place": place,
        "level_box": box,
        "sampled": len(found["maxima"]["id"]),
    }


def _findings(
    layer: Layer, config: ExemplarsConfig, top: Total, fired: Total, provenance: Provenance
) -> tuple[str, ...]:
    found = []
    silent = np.flatnonzero(fired["fired"] == 0)
    if len(silent):
        found.append(
            f"{len(silent)} of {len(fired['fired'])} units of {layer.name} never exceed {config.threshold:g}: "
            f"{in_few(silent, 8)}"
        )
    if (top["nonfinite"] > 0).any():
        found.append(f"{int(top['nonfinite'].max())} images were left out: values that are not finite")
    return (*found, *unread(provenance))
