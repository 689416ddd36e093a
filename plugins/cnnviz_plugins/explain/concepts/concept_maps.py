"""Concept maps: where in an image each concept of a survey is (Fel et al. 2023; Kim et al. 2018)."""

import json
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, NpzFile, UsageError, reason_of
from cnnviz_plugins.explain.concepts.directions import Directions
from cnnviz_plugins.explain.concepts.plugin import ConceptMapsConfig
from cnnviz_plugins.explain.layer_values import values_and_gradients, values_of
from cnnviz_plugins.factors import presence


@dataclass(frozen=True, kw_only=True)
class ConceptMaps(Fold):
    """How much of each concept is at each place of the layer.

    For a bank of `craft`: the non-negative weights of the concepts that make the layer's value; the target plays no
    part. For one of `tcav`: the derivative of the score along each concept's direction, place by place; its sum over
    places is the derivative whose sign TCAV counts.

    Cost: one forward pass up to the layer; for `tcav` a forward and a backward pass above it.
    """

    layer: str
    directions: Directions
    is_found: bool
    """Whether the concepts were found by `craft`."""
    concept: int | None

    def evaluate(self, case: Case) -> Float[Array, "rows cols k"]:
        """Return all maps."""
        directions = jnp.asarray(self.directions.array)
        if self.is_found:
            return presence(values_of(case.model, case.image, self.layer)[self.layer], directions)
        gradient = values_and_gradients(case, self.layer)[self.layer][1]
        form = "rcd,kd->rck" if directions.ndim == 2 else "rcd,krcd->rck"
        return jnp.einsum(form, gradient, directions, precision="highest")

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return all maps, or one at the image's size."""
        maps = gathered[0]
        if self.concept is None:
            return Heatmap(values=maps)
        low_res = maps[..., self.concept]
        return Heatmap(values=jax.image.resize(low_res, case.image.shape[:2], "linear"), low_res=low_res)


def build(config: ConceptMapsConfig, model: Model) -> ConceptMaps:
    """Return the fold for `model`.

    Raises:
        UsageError: There is no such bank, or it is of another model, or has no such concept.
    """
    if not config.bank:
        raise UsageError('concept-maps needs bank=, a file: cv.render(cv.survey("craft", ...), "bank.npz") writes one')
    kind, about, array = _read(config.bank)
    layer = model.map_layer(str(about.get("layer")))
    fits = array.shape[1:] in (layer.shape, layer.shape[-1:]) if kind == "ConceptScores" else array.ndim == 2
    if not fits or array.shape[-1] != layer.channels:
        raise UsageError(
            f"{config.bank} has concepts of shape {array.shape[1:]}, and layer {layer.name!r} of {model.name} is "
            f"{layer.shape}; the survey was of another model or size"
        )
    if config.concept is not None and not 0 <= config.concept < len(array):
        raise UsageError(f"{config.bank} has concepts 0 to {len(array) - 1}, got {config.concept}")
    names = tuple(str(name) for name in about.get("concepts", ())) or tuple(map(str, range(len(array))))
    return ConceptMaps(
        layer=layer.name,
        directions=Directions.of(array),
        is_found=kind == "ConceptBank",
        concept=config.concept,
        view="maps" if config.concept is None else "heatmap",
        notes=(("concepts", names), ("bank", kind)),
    )


def _read(path: str) -> tuple[str, dict[str, Any], Float[np.ndarray, "k ..."]]:
    """Return the kind of survey, its words and its directions."""
    try:
        with NpzFile(path) as archive:
            about = json.loads(str(archive["about"]))
            kind = str(about["result"])
            name = {"ConceptBank": "bank", "ConceptScores": "vectors"}[kind]
            directions = np.asarray(archive[name], np.float32)
            if directions.ndim < 2 or not isinstance(about.get("concepts", []), list):
                raise ValueError("its concepts are no table of directions")
            return kind, about, directions
    except FileNotFoundError as error:
        raise UsageError(f"no bank {path!r}; write one with cv.render(survey, {path!r})") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} is no .npz of a survey tcav or craft: {type(error).__name__} {reason_of(error)}"
        ) from error
