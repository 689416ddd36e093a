"""What is returned about two networks, or about the checkpoints of one training, on the same images."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.similarity.answers import Flips
from cnnviz_jax.similarity.reliability import Calibration

_APART = 0.2
"""How far below its own network's a prediction lies where a concept counts as one network's alone (RSVC)."""


@dataclass(frozen=True, kw_only=True)
class LayerPair:
    """A layer of network a and its partner in network b."""

    layer_a: str
    layer_b: str
    """The layer of the same name and width, or the most alike."""


@dataclass(frozen=True, kw_only=True)
class LayerMatches(LayerPair):
    """The units of one layer matched with those of its partner in the other network, by correlation over images."""

    pairs: Int[np.ndarray, "m 2"]
    """Unit of a, unit of b, one to one."""
    correlation: Float[np.ndarray, " m"]
    """Of each pair."""
    chance: float
    """What 95 % of matched units stay below where the images of b are permuted."""
    dead_a: tuple[int, ...]
    """Units that answer alike to all images; they correlate 0."""
    dead_b: tuple[int, ...]
    only_a: tuple[int, ...]
    """Units whose best match in the other network is below 0.5."""
    only_b: tuple[int, ...]
    without_outliers: float
    """CKA of the two layers without the 1 % of images farthest out: where it falls, few images made it. nan below 8."""

    @property
    def mean(self) -> float:
        """The mean correlation of matched units."""
        return float(self.correlation.mean())


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How two networks answer about the same images and classes."""

    divergence: Float[np.ndarray, " n"]
    """Jensen-Shannon divergence of the probabilities in nats, by image; nan where it could not be read."""
    images: Int[np.ndarray, " m"]
    """Numbers of the images that were read, the most changed first."""
    best_a: Int[np.ndarray, " n"]
    """Best class by image, -1 where it could not be read."""
    best_b: Int[np.ndarray, " n"]
    churn: float
    """Share of images whose best class differs."""
    classes: tuple[str, ...]
    """Names of the classes."""
    labels: Int[np.ndarray, " n"]
    """-1 where unknown."""
    flips: Flips | None
    """Right and wrong in a and in b; `None` without labels."""
    calibration: tuple[Calibration, Calibration] | None
    """Of a and of b; `None` without labels."""
    per_class: Float[np.ndarray, "classes 6"]
    """By label: images, accuracy of a and of b, share of negative flips, of positive flips, churn; nan without one."""
    shown: Float[np.ndarray, "k h w c"]
    """The images that changed most."""
    names: tuple[str, ...]
    """Their names."""
    top_classes: Int[np.ndarray, "k 2 t"]
    """Their best classes in a and in b, best first."""
    top_probabilities: Float[np.ndarray, "k 2 t"]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Layers and kernels of one name and shape in both networks, and how far apart they are."""

    layers: tuple[str, ...]
    relative_error: Float[np.ndarray, " l"]
    """Of the layer's values over all images: |a - b| / |a|."""
    sqnr_db: Float[np.ndarray, " l"]
    """Signal to noise in dB; infinite where nothing moved."""
    kernels: tuple[str, ...]
    """Layers whose kernels have one shape."""
    kernel_error: Float[np.ndarray, " k"]
    """|Δ| / |w|."""
    kernel_cosine: Float[np.ndarray, " k"]
    kernel_newly_zero: Float[np.ndarray, " k"]
    """Share of weights that are 0 in b and not in a."""
    swap_churn: Float[np.ndarray, " l"] | None = None
    """Share of images whose best class differs between a and b run on from a's value at the layer; `None` where it was
    not asked for. Where it comes to 0, nothing behind that layer acts any more."""

    @property
    def first(self) -> str | None:
        """The first layer, in the order in which they run, whose signal to noise is below 20 dB."""
        return next((name for name, sqnr in zip(self.layers, self.sqnr_db, strict=True) if sqnr < 20), None)


@dataclass(frozen=True, kw_only=True)
class LayerConcepts(LayerPair):
    """Concepts of a layer and of its partner: how much of each is in an image, and whether the other layer tells."""

    predicted_a: Float[np.ndarray, " p"]
    """Correlation of a's concepts with what a sparse linear map of b's layer predicts of images held out."""
    own_a: Float[np.ndarray, " p"]
    """The same from a's own layer, which is the most that can be had."""
    predicted_b: Float[np.ndarray, " q"]
    own_b: Float[np.ndarray, " q"]
    ids_a: Int[np.ndarray, "p m"]
    """Numbers of the images in which each concept of a is strongest."""
    ids_b: Int[np.ndarray, "q m"]

    def gap(self, network: Literal["a", "b"]) -> Float[np.ndarray, " p"]:
        """Return by how much the other network falls short of the network itself, concept by concept."""
        return self.own_a - self.predicted_a if network == "a" else self.own_b - self.predicted_b

    @property
    def only_a(self) -> tuple[int, ...]:
        """Concepts of a that b predicts worse than a itself by more than 0.2."""
        return tuple(np.flatnonzero(self.gap("a") > _APART).tolist())

    @property
    def only_b(self) -> tuple[int, ...]:
        """Concepts of b that a predicts worse than b itself by more than 0.2."""
        return tuple(np.flatnonzero(self.gap("b") > _APART).tolist())


@dataclass(frozen=True, kw_only=True)
class AloneConcept:
    """A concept that one network has alone, with the images in which it is strongest."""

    network: Literal["a", "b"]
    layer: str
    partner: str
    """The layer of the other network that does not predict it."""
    concept: int
    predicted: float
    own: float
    ids: Int[np.ndarray, " m"]
    images: Float[np.ndarray, "m h w c"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Difference(Result):
    """Two networks compared: how alike their layers are, which units match, where their answers differ."""

    model_a: str
    model_b: str
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    cka: Float[np.ndarray, "a b"]
    """Of every pair of layers; nan where a layer hardly changes from image to image."""
    form: str
    """How it was estimated: `debiased`, `biased` or `minibatch`."""
    participation_a: Float[np.ndarray, " a"]
    """How many directions carry each layer's variance: CKA looks at these."""
    participation_b: Float[np.ndarray, " b"]
    matches: tuple[LayerMatches, ...]
    """One per layer of a."""
    answers: Answers | None
    """`None` where the networks do not score the same number of classes."""
    moved: Moved
    image_count: int
    """Images that were read."""
    provenance: Provenance
    concepts: tuple[LayerConcepts, ...] = ()
    """One per layer of a, where concepts were asked for."""
    alone: tuple[AloneConcept, ...] = ()
    """Of these, the concepts that the other network predicts worst."""
    warnings: tuple[str, ...] = ()

    @property
    def churn(self) -> float:
        """Share of images whose best class differs; nan where the classes cannot be compared."""
        return float("nan") if self.answers is None else self.answers.churn

    @property
    def images(self) -> Int[np.ndarray, " m"]:
        """Numbers of the images, those whose predictions changed most first; none without comparable classes."""
        return np.zeros(0, np.int64) if self.answers is None else self.answers.images

    def table(self) -> list[dict[str, Any]]:
        """Return one row per layer of a: its partner, their CKA, and how well their units match."""
        place = {name: k for k, name in enumerate(self.layers_b)}
        moved = dict(zip(self.moved.layers, self.moved.sqnr_db.tolist(), strict=True))
        given = self.moved.swap_churn
        swapped = {} if given is None else dict(zip(self.moved.layers, given.tolist(), strict=True))
        return [
            {
                "layer": match.layer_a,
                "partner": match.layer_b,
                "cka": float(self.cka[k, place[match.layer_b]]),
                "cka_without_outliers": match.without_outliers,
                "matched": match.mean,
                "chance": match.chance,
                "only_a": len(match.only_a),
                "only_b": len(match.only_b),
                "sqnr_db": moved.get(match.layer_a) if match.layer_a == match.layer_b else None,
                **({} if given is None else {"swap_churn": swapped.get(match.layer_a)}),
                **(
                    {
                        "concepts_only_a": len(self.concepts[k].only_a),
                        "concepts_only_b": len(self.concepts[k].only_b),
                    }
                    if self.concepts
                    else {}
                ),
            }
            for k, match in enumerate(self.matches)
        ]


@dataclass(frozen=True, kw_only=True, repr=False)
class Drift(Result):
    """The checkpoints of one training compared: how each layer moves towards what it becomes."""

    steps: tuple[int, ...]
    layers: tuple[str, ...]
    end: str
    """What `to_end` compares with: the last step, or another network."""
    to_end: Float[np.ndarray, "s l"]
    """CKA of each checkpoint with the end."""
    to_next: Float[np.ndarray, "t l"]
    """CKA of each checkpoint with the one after it."""
    same_unit: Float[np.ndarray, "t l"]
    """Mean correlation of each unit with itself at the next checkpoint."""
    own_best: Float[np.ndarray, "t l"]
    """Share of living units whose best match at the next checkpoint is themselves."""
    died: Int[np.ndarray, "t l"]
    """Units that stopped answering differently to different images."""
    revived: Int[np.ndarray, "t l"]
    churn: Float[np.ndarray, " t"] | None
    """Share of images whose best class differs at the next checkpoint; `None` without classes."""
    churn_to_end: Float[np.ndarray, " s"] | None
    accuracy: Float[np.ndarray, " s"] | None
    """`None` without labels."""
    form: str
    image_count: int
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    def table(self) -> list[dict[str, Any]]:
        """Return one row per step and layer."""
        return [
            {
                "step": step,
                "layer": layer,
                "to_end": float(self.to_end[s, k]),
                "to_next": float(self.to_next[s, k]) if s < len(self.to_next) else None,
                "same_unit": float(self.same_unit[s, k]) if s < len(self.to_next) else None,
                "own_best": float(self.own_best[s, k]) if s < len(self.to_next) else None,
            }
            for s, step in enumerate(self.steps)
            for k, layer in enumerate(self.layers)
        ]
