"""Options of the measures of a map's complexity; imports nothing heavy."""

from cnnviz_jax.plugin import check_positive, technique

_HERE = "cnnviz_plugins.measure.complexity"


@technique(
    "complexity",
    "measure",
    f"{_HERE}.measures:Complexity.build",
    "Bhatt, Weller, Moura 2020, arXiv:2005.00631",
)
class ComplexityConfig:
    """The entropy of the map's absolute values: 0 on one pixel, the logarithm of their number evenly spread."""


@technique(
    "effective-complexity",
    "measure",
    f"{_HERE}.measures:EffectiveComplexity.build",
    "Nguyen, Martínez 2020, arXiv:2007.07584",
)
class EffectiveComplexityConfig:
    """How many pixels the map does not call negligible."""

    eps: float = 1e-5
    """The share of the map's largest absolute value up to which a pixel is negligible."""

    def __post_init__(self) -> None:
        check_positive(eps=self.eps)
