"""Options of the measures that compare a map with the object's mask; imports nothing heavy."""

from typing import Literal

from cnnviz_jax.plugin import check_at_least, technique

_HERE = "cnnviz_plugins.measure.localization"


@technique(
    "top-k-intersection",
    "measure",
    f"{_HERE}.measures:TopKIntersection.build",
    "Theiner, Müller-Budack, Ewerth 2021, arXiv:2107.01220",
)
class TopKIntersectionConfig:
    """Share of the strongest pixels that lies on the object."""

    k: int | None = None
    """How many pixels; `None` for 1000, or a tenth of a smaller image's."""
    concept_influence: bool = False
    """Whether to divide by the object's share of the image, so that chance is 1."""

    def __post_init__(self) -> None:
        check_at_least(1, k=self.k)


@technique(
    "relevance-rank-accuracy",
    "measure",
    f"{_HERE}.measures:RelevanceRankAccuracy.build",
    "Arras, Osman, Samek 2022, arXiv:2003.07258, section 3.2",
)
class RelevanceRankAccuracyConfig:
    """Share of the strongest pixels, as many as the object has, that lies on the object."""


@technique(
    "relevance-mass-accuracy",
    "measure",
    f"{_HERE}.measures:RelevanceMassAccuracy.build",
    "Arras, Osman, Samek 2022, arXiv:2003.07258, section 3.2",
)
class RelevanceMassAccuracyConfig:
    """Share of the map's sum that lies on the object."""

    part: Literal["refuse", "positive", "abs", "signed"] = "refuse"
    """What is summed where a map has negative values: its `positive` part, its `abs` values, or the values as they are,
    `signed`, whose share may leave 0 to 1. `refuse`: such a map is an error."""


@technique(
    "attribution-localisation",
    "measure",
    f"{_HERE}.measures:AttributionLocalisation.build",
    "Kohlbrenner et al. 2020, arXiv:1910.09840, section IV",
)
class AttributionLocalisationConfig:
    """Share of the map's absolute values that lies on the object."""

    weighted: bool = False
    """Whether to divide by the object's share of the image, so that chance is 1."""


@technique(
    "auc",
    "measure",
    f"{_HERE}.measures:Auc.build",
    "Fawcett 2006, doi:10.1016/j.patrec.2005.10.010",
)
class AucConfig:
    """How well the map tells object from background: area under the ROC curve."""


@technique(
    "focus",
    "measure",
    f"{_HERE}.grid:Focus.build",
    "Arias-Duart et al. 2022, arXiv:2109.15035, section 3",
)
class FocusConfig:
    """Share of the map's positive part that lies on the cells of a mosaic that show the class."""


@technique(
    "grid-pointing-game",
    "measure",
    f"{_HERE}.grid:GridPointingGame.build",
    "Böhle, Fritz, Schiele 2021, arXiv:2104.00032",
    "Rao, Böhle, Schiele 2022, arXiv:2205.10435",
)
class GridPointingGameConfig:
    """Share of the map's positive part in the cell of a mosaic that shows the class, beside that of every cell."""

    cells: int = 2
    """Rows, and columns, of the mosaic."""

    def __post_init__(self) -> None:
        check_at_least(2, cells=self.cells)
