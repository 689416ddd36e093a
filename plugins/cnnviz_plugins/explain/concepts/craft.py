"""CRAFT: concepts found by factorising activations on crops, and how much each matters (Fel et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import (
    Case,
    Dataset,
    Example,
    Fold,
    Layer,
    LayerKindError,
    Model,
    Provenance,
    SurveyPlan,
    Total,
    UsageError,
    run_survey,
    sobol_indices,
    sobol_points,
    sobol_strengths,
    targets,
)
from cnnviz_plugins.explain.concepts.directions import Directions
from cnnviz_plugins.explain.concepts.examined import examined
from cnnviz_plugins.explain.concepts.plugin import CraftConfig
from cnnviz_plugins.explain.concepts.results import ConceptBank
from cnnviz_plugins.explain.concepts.sampled_values import SampledValues
from cnnviz_plugins.explain.layer_values import values_of
from cnnviz_plugins.factors import factorised, presence

_STEP = 0.8  # of the side, as the authors' code has it


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of `share` of each side, every 0.8 of their own side, as a source of images."""

    dataset: Dataset
    ids: list[int]
    size: tuple[int, int]
    """Rows and columns of a crop."""
    corners: list[tuple[int, int]]
    """Top and left of each crop of an image."""
    input_shape: tuple[int, int, int]

    @classmethod
    def of(cls, dataset: Dataset, ids: list[int], share: float, input_shape: tuple[int, int, int]) -> "Crops":
        """Return the crops of the images with these numbers."""
        sides = [max(1, round(share * length)) for length in input_shape[:2]]
        steps = [
            range(0, length - side + 1, max(1, int(_STEP * side)))
            for length, side in zip(input_shape[:2], sides, strict=True)
        ]
        corners = [(top, left) for top in steps[0] for left in steps[1]]
        return cls(dataset, ids, (sides[0], sides[1]), corners, input_shape)

    @property
    def fields(self) -> dict[str, Any]:
        """Nothing beside the images."""
        return {}

    def __len__(self) -> int:
        return len(self.ids) * len(self.corners)

    def pixels(self, index: int) -> Float[np.ndarray, "rows cols c"]:
        """Return a crop as it lies in its image."""
        top, left = self.corners[index % len(self.corners)]
        image = self.dataset.image(self.ids[index // len(self.corners)])
        return image[top : top + self.size[0], left : left + self.size[1]]

    def __getitem__(self, index: int) -> Example:
        crop = self.pixels(index)
        rows, cols = (_enlarging(*pair) for pair in zip(self.size, self.input_shape[:2], strict=True))
        return Example(image=np.einsum("ij,jkc,lk->ilc", rows, crop, cols, optimize=True).astype(np.float32), fields={})

    def digest(self) -> str:
        """Return what identifies these crops."""
        return f"crops {self.size} of {self.dataset.source.digest()}"

    def name(self, index: int) -> str:
        """Return where a crop comes from."""
        return f"{self.dataset.source.name(self.ids[index // len(self.corners)])}, crop {index % len(self.corners)}"


def _enlarging(small: int, large: int) -> Float[np.ndarray, "large small"]:
    """Return bilinear enlargement along one axis as a matrix, pixel centres at halves."""
    at = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(small)), 0)


@dataclass(frozen=True, kw_only=True)
class ConceptSobol(Fold):
    """The total Sobol index of every concept of one image, as each fades by a random amount at all places at once.

    The layer is replaced by what the concepts make of it, so what they leave over plays no part; nothing below the
    layer is evaluated again.

    Source: Fel et al. 2023, section 3.3, with Jansen's estimator (Jansen 1999) and a Sobol sequence.
    """

    layer: str
    bank: Directions
    designs: int

    @property
    def evaluations(self) -> int:
        """Designs times matrices: A, B, and A with each concept from B."""
        return self.designs * (len(self.bank.array) + 2)

    def prepare(self, case: Case) -> Float[Array, "rows cols k"]:
        """Return how much of each concept is at each place."""
        return presence(values_of(case.model, case.image, self.layer)[self.layer], jnp.asarray(self.bank.array))

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score of row index % designs of matrix index // designs."""
        strength = sobol_strengths(sobol_points(self.designs, 2 * len(self.bank.array)), case.index)
        value = (case.context * strength) @ jnp.asarray(self.bank.array)
        return case.model.score(case.image, case.target, replace={self.layer: value})[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Float[Array, " k"]:
        """Return the indices; zeros where the score does not vary."""
        return sobol_indices(gathered, self.designs)[0]


def build(config: CraftConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for CRAFT, and how the concepts are made of it.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.
        TargetError: No such class.

    Cost: one forward pass per image; for each image of the class one per crop up to the layer, and designs x
    (concepts + 2) above it.
    Source: Fel, Picard, Béthune, Boissin, Vigouroux, Colin, Cadène, Serre 2023, section 3.
    """
    layer = model.map_layer(config.layer) if config.layer is not None else _rectified(model)
    targets.resolve_layers(targets.class_score(config.target), model)
    sampled = SampledValues(layer=layer.name, shape=layer.shape, image_count=config.image_count, wants_class=True)
    return SurveyPlan(reducers={"sampled": sampled}, finish=partial(_bank, config, model, layer))


def _rectified(model: Model) -> Layer:
    rows = [each for each in model.layers.values() if each.kind in ("relu", "relu6") and each.is_map]
    rows = [each for each in rows if each.shape[0] * each.shape[1] > 1]
    if not rows:
        raise LayerKindError(f"{model.name} has no ReLU with a map; name a layer= that is never negative")
    return rows[-1]


def _bank(
    config: CraftConfig,
    model: Model,
    layer: Layer,
    found: Mapping[str, Total],
    dataset: Dataset,
    provenance: Provenance,
) -> ConceptBank:
    sampled = found["sampled"]
    if len(sampled["values"]) and sampled["values"].min() < 0:
        raise UsageError(f"layer {layer.name!r} has negative values, and concepts add up; name one behind a ReLU")
    ids = sampled["id"][sampled["predicted"] == config.target]
    if not len(ids):
        raise UsageError(
            f"the model puts none of {len(sampled['id'])} images in class {model.class_name(config.target)}; "
            "give images of the class that target names"
        )
    crops = Crops.of(dataset, [int(i) for i in ids], config.crop, model.input_shape)
    if config.concepts > min(len(crops), layer.channels):
        raise UsageError(
            f"{config.concepts} concepts in {len(crops)} crops of {layer.channels} channels; ask for as many at most"
        )
    means = SampledValues(layer=layer.name, shape=layer.shape[-1:], image_count=len(crops), pool="mean")
    table = run_survey({"means": means}, model, Dataset(source=crops))[0]["means"]["values"]
    weights, bank = factorised(table, config.concepts, config.iterations)
    fold = ConceptSobol(layer=layer.name, bank=Directions.of(bank), designs=config.designs)
    importance = examined(fold, model, dataset, [int(i) for i in ids], config.target).mean(0)
    order = np.argsort(-importance, kind="stable")
    shown, weight = _shown(crops, weights[:, order], config.shown)
    left = np.linalg.norm(table - weights @ bank) / max(float(np.linalg.norm(table)), 1e-30)
    return ConceptBank(
        layer=layer.name,
        target=model.class_name(config.target),
        bank=bank[order].astype(np.float32),
        importance=importance[order],
        error=float(left),
        crops=shown,
        weight=weight,
        image_ids=ids,
        provenance=provenance,
        warnings=(*model.warnings, *_findings(ids, float(left), importance)),
    )


def _shown(
    crops: Crops, weights: Float[np.ndarray, "n k"], count: int
) -> tuple[Float[np.ndarray, "k shown rows cols ch"], Float[np.ndarray, "k shown"]]:
    best = np.argsort(-weights, axis=0, kind="stable")[:count].T
    first = crops.pixels(0)
    shown = np.zeros((len(best), count, *first.shape), np.float32)
    weight = np.zeros((len(best), count), np.float32)
    for k, rows in enumerate(best):
        for rank, row in enumerate(rows):
            if weights[row, k] > 0:
                shown[k, rank], weight[k, rank] = crops.pixels(int(row)), weights[row, k]
    return shown, weight


def _findings(ids: Int[np.ndarray, " n"], left: float, importance: Float[np.ndarray, " k"]) -> list[str]:
    found = []
    if len(ids) < 10:
        found.append(f"only {len(ids)} images of the class; concepts of so few are those of these images")
    if left > 0.3:
        found.append(f"the concepts leave {left:.0%} of the activations; ask for more of them")
    if not importance.any():
        found.append("the score does not vary with the concepts; nothing is known of their importance")
    return found
