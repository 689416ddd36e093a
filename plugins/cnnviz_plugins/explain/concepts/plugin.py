"""The concept family: directions in a layer that stand for a concept, learnt by surveys and shown in images."""

from typing import Literal

from cnnviz_jax.plugin import (
    UsageError,
    check_at_least,
    check_positive,
    technique,
    techniques_hook,
)
from cnnviz_plugins.explain.declaring import explains, figure_hook


@technique("tcav", "survey", ".tcav:build", "Kim et al. 2018, arXiv:1711.11279",
           result=".results:ConceptScores")  # fmt: skip
class TcavConfig:
    """How often a class's score rises towards each concept that images show."""

    layer: str | None = None
    """Layer whose activations are told apart; the last one with more than one position when not given."""
    target: int = 0
    """Index of the class whose score is asked about."""
    examined: str = "examined"
    """Label, by name or number, of the images on which the class is asked about."""
    random: str = "random"
    """Label of the images that show nothing in particular. Every other label is a concept."""
    label_names: tuple[str, ...] = ()
    """Names of the labels 0, 1, 2, ...; a folder's own, or the model's classes, when not given."""
    pool: Literal["none", "mean"] = "none"
    """`none`: a direction has a number for every place and channel, as in the paper. `mean`: one per channel, of means
    over places."""
    runs: int = 20
    """Random sets with which each concept is told apart; the paper has up to 500."""
    penalty: float = 0.01
    """Weight of the squared direction against the mean loss of the classifier, activations scaled to size 1."""
    image_count: int = 800
    """Most images kept, of all labels together; chosen by their number where there are more."""
    seed: int = 0
    """Decides the random sets."""

    def __post_init__(self) -> None:
        if self.runs < 2:
            raise UsageError(f"runs is at least 2, got {self.runs}; a t-test needs a spread")
        check_positive(penalty=self.penalty)
        check_at_least(8, image_count=self.image_count)


@technique("craft", "survey", ".craft:build", "Fel et al. 2023, arXiv:2211.10154",
           result=".results:ConceptBank")  # fmt: skip
class CraftConfig:
    """Concepts found in a layer's activations on a class, and how much each matters."""

    layer: str | None = None
    """A layer without negative values, such as a ReLU; the last ReLU with more than one position when not given."""
    target: int = 0
    """Index of the class; of the images only those that the model puts there are used."""
    concepts: int = 10
    """How many concepts are looked for."""
    crop: float = 0.35
    """Side of the crops as a share of the image's; 80 px of 224, as the authors have it."""
    image_count: int = 100
    """Most images used."""
    iterations: int = 300
    """Rounds of the factorisation."""
    designs: int = 32
    """Rows of the sampling matrices for the Sobol indices; a power of two."""
    shown: int = 6
    """Crops kept for each concept."""

    def __post_init__(self) -> None:
        check_at_least(
            1, concepts=self.concepts, image_count=self.image_count, iterations=self.iterations, shown=self.shown
        )
        check_at_least(2, designs=self.designs)
        if self.designs & (self.designs - 1):
            raise UsageError(f"designs is a power of two, got {self.designs}")
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop is a share above 0 and up to 1, got {self.crop}")


@explains("concept-maps", ".concept_maps:build", "Fel et al. 2023, arXiv:2211.10154",
          "Kim et al. 2018, arXiv:1711.11279")  # fmt: skip
class ConceptMapsConfig:
    """Where in an image each concept of a survey is."""

    bank: str = ""
    """The `.npz` that a survey `craft` or `tcav` was written to."""
    concept: int | None = None
    """Number of one concept, as a map at the image's size; all, each at the layer's size, when not given."""


cnnviz_techniques = techniques_hook(__name__)
cnnviz_renderers = figure_hook(
    "concept-figure",
    "scores of concepts as bars; concepts found, each by its crops",
    "ConceptScores",
    "ConceptBank",
    module="cnnviz_plugins.explain.concepts.figure",
)
