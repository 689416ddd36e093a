"""Options of games over parts, Shapley's and their kin, and of HSIC; imports nothing heavy."""

from typing import ClassVar, Literal

from cnnviz_jax.plugin import UsageError, check_at_least, check_positive
from cnnviz_plugins.explain.declaring import explains
from cnnviz_plugins.explain.perturbation.part_options import SegmentConfig, Usual


@explains("kernel-shap", ".kernel_shap:KernelShap.build", "Lundberg, Lee 2017, arXiv:1705.07874", evidence="removal")
class KernelShapConfig(SegmentConfig):
    """The Shapley values of the image's parts."""

    usual: ClassVar[Usual] = {
        "paper": {"samples": 2048, "fill": "segment-mean"},
        "captum": {"samples": 25, "fill": "model-mean"},  # captum/attr/_core/kernel_shap.py
        "xplique": {"samples": 800, "fill": 0.5},
    }

    samples: int | None = None
    """Coalitions per image; 2048, or the convention's (Captum: 25, Xplique: 800), when not given. If there are no more
    than so many, all are asked and the values are exact."""
    convention: Literal["paper", "captum", "xplique"] = "paper"
    """`captum`: all parts, none, then coalitions drawn one by one, without their complements, never all of them;
    occludes by 0 in the network's own input. `xplique`: coalitions are always drawn, one by one, and a plain regression
    is fitted to them, so that the values only come near those that sum to the difference of scores; occludes by
    0.5."""
    tolerance: float | None = None
    """Stop each image after 4, 8, 16, ... times as many coalitions as there are parts, `samples` at most, once the
    values' standard error is at most this share of their size, both as root mean squares over the parts; all `samples`
    when not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(4, samples=self.samples)
        check_positive(tolerance=self.tolerance)


@explains("shapley", ".shapley:Shapley.build", "Shapley 1953; Lundberg, Lee 2017, arXiv:1705.07874", evidence="removal")
class ShapleyConfig(SegmentConfig):
    """The Shapley values of up to 16 parts of the image, exactly: all coalitions are asked."""

    segments: str | tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...] = "grid(3)"
    """The parts, at most 16: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself),
    a mask of part numbers from 0 as large as the images (height x width, or height x width x channels) or as the
    vector, series or volume, or superpixels of scikit-image, made for each image: `slic(number)`,
    `quickshift(at most)`, `felzenszwalb(at most)`."""


@explains("permutation-shap", ".permutation_shap:PermutationShap.build",
          "Castro, Gómez, Tejada 2009, doi:10.1016/j.cor.2008.04.004", "Štrumbelj, Kononenko 2010, JMLR 11",
          evidence="removal")  # fmt: skip
class PermutationShapConfig(SegmentConfig):
    """The mean contribution of each part of the image over random orders in which parts appear."""

    samples: int = 25
    """Random orders per image."""
    antithetic: bool = False
    """Follow each order by its reverse, so that `samples` is even: less noise where contributions grow or shrink with
    what is there already."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, samples=self.samples)
        if self.antithetic and self.samples % 2:
            raise UsageError(f"antithetic orders come in pairs, so that samples is even; got {self.samples}")


@explains("partition-shap", ".partition_shap:PartitionShap.build", "Owen 1977, doi:10.1007/978-3-642-45494-3_7",
          "Lundberg, Lee 2017, arXiv:1705.07874", evidence="removal")  # fmt: skip
class PartitionShapConfig(SegmentConfig):
    """Owen values: Shapley values in which boxes of the image appear as one before they are split."""

    segments: str | tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...] = "pixels"
    """The parts at the ends of the tree, known beforehand: `grid(cells along each axis)`, `pixels`, `channels`,
    `elements` (every value for itself), or a mask of part numbers from 0 as large as the images (height x width, or
    height x width x channels) or as the vector, series or volume."""
    fill: float | tuple[float, ...] | str | None = 0.5
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour."""
    evaluations: int | None = 500
    """Forward passes per image at most, two for each group that is split; the groups whose halves matter most are split
    first, and what is left of a group is spread evenly over its pixels. `None` splits the whole tree."""
    context: Literal["both", "off", "on"] = "both"
    """Next to what a group's halves are judged: with the other half absent and present, each half the time, which makes
    them Owen values; or with it always absent (`off`) or always present (`on`), which takes fewer evaluations and gives
    other values of the same sum."""
    tree: str | None = None
    """A tree of your own over the part numbers, such as `((0,1),(2,3))`. Boxes halved along their longer side, channels
    last, when not given."""
    at_once: int = 16
    """Groups that are split together before the next are chosen; 5 is shap's batch_size of 10."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, evaluations=self.evaluations)
        check_at_least(1, at_once=self.at_once)


@explains("hsic", ".hsic:Hsic.build", "Novello, Fel, Vigouroux 2022, arXiv:2206.06219", evidence="removal")
class HsicConfig(SegmentConfig):
    """How much the score depends on each part of the image being there, whatever the shape of the dependence."""

    usual: ClassVar[Usual] = {"paper": {}, "xplique": {}}

    fill: float | tuple[float, ...] | str | None = "model-mean"
    """What shows where a part is absent: as for `occlusion`, or `segment-mean`. The paper multiplies the network's own
    input."""
    masks: int = 500
    """Masks per image, the first points of a Sobol sequence; all 2^parts if there are no more."""
    convention: Literal["paper", "xplique"] = "paper"
    """Width of the kernel over scores. `paper`: the median difference of two scores, so that a constant added to all
    changes nothing. `xplique`: the median score."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, masks=self.masks)
