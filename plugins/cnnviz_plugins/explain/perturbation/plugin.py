"""The perturbation family: what the score does when parts of the image are occluded, masked or kept."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from cnnviz_jax.plugin import (
    UsageError,
    WindowError,
    check_at_least,
    check_fill,
    check_positive,
    check_size,
    technique,
    techniques_hook,
    word_and_number,
)

FILLS = {"mean": False, "model-mean": False, "blur": True, "noise": False}
"""Words that `fill` may be, and whether each takes a number."""

SEGMENT_FILLS = {**FILLS, "segment-mean": False}
"""The same for techniques that occlude segments."""

SEGMENTERS = {"grid": True, "slic": True, "quickshift": True, "felzenszwalb": True}
"""Words that `segments` may be, each with a number."""

Usual = dict[str, dict[str, Any]]
Segmentation = str | tuple[tuple[int, ...], ...]


SitePart = str | tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...]
"""The parts of the image or of a layer: words, or the number of each value's part."""


class Conventional:
    """A config whose options of `None` take what its convention has."""

    usual: ClassVar[Usual]
    """By the name of the convention; `paper` where there is no choice."""

    def resolved(self) -> Self:
        """Return the same with nothing left open."""
        usual = self.usual[getattr(self, "convention", "paper")]
        missing = {name: value for name, value in usual.items() if getattr(self, name) is None}
        return replace(self, **missing)  # type: ignore[type-var]  # every config is a dataclass


@technique("occlusion", "explain", ".occlusion:Occlusion.build", "Zeiler, Fergus 2013, arXiv:1311.2901, section 4.2")
class OcclusionConfig(Conventional):
    """How much the score falls when each window of the image is occluded."""

    usual: ClassVar[Usual] = {
        "paper": {"edge": "full", "score": "drop", "gather": "grid"},
        "captum": {"edge": "truncate", "score": "drop", "gather": "average"},  # captum/attr/_core/occlusion.py
        "pair": {"edge": "full", "score": "drop", "gather": "sum"},  # PAIR saliency/core/occlusion.py
        # tf_explain/core/occlusion_sensitivity.py
        "tf-explain": {"edge": "truncate", "score": "one_minus", "gather": "grid"},
        "xplique": {"edge": "full", "score": "drop", "gather": "sum"},  # xplique/attributions/occlusion.py
    }

    window: int | tuple[int, ...] | None = None
    """Height and width of a window in pixels (one number for both); a seventh of the short side when not given. Of a
    series one number, of a volume depth, height and width."""
    stride: int | tuple[int, ...] | None = None
    """Step between neighbouring windows in pixels; a quarter of the window when not given."""
    fill: float | tuple[float, ...] | str = 0.5
    """What occludes: a pixel value, one per channel, or `mean` (of the image), `model-mean` (what the model
    subtracts), `blur(sigma in pixels)`, `noise` (uniform); in Python an array, (h, w, c) or one per image."""
    edge: Literal["full", "truncate"] | None = None
    """`full`: only whole windows. `truncate`: one more at the border, cut off there, as Captum does. As the
    convention has it when not given; the paper's is `full`."""
    score: Literal["drop", "raw", "one_minus", "distribution"] | None = None
    """`drop`: score less occluded score. `raw`: the occluded score. `one_minus`: 1 less it. `distribution`: total
    variation distance between the predicted distributions. As the convention has it when not given; the paper's is
    `drop`."""
    gather: Literal["grid", "average", "sum"] | None = None
    """`grid`: one number per window, enlarged. `average` or `sum`: per pixel, over the windows that occlude it. As the
    convention has it when not given; the paper's is `grid`."""
    channels: tuple[int, ...] | None = None
    """Which channels are occluded; all when not given."""
    engine: Literal["auto", "dense", "incremental"] = "auto"
    """`dense`: every occluded image is run whole. `incremental`: only what its window reaches is recomputed, with the
    same result. `auto`: whichever is predicted to be faster."""
    adaptive: float | None = None
    """Share of the windows to compute, such as 0.25: a coarse grid first, then where it changes most; the others are
    interpolated, and the result says which. All are computed when not given."""
    convention: Literal["paper", "captum", "pair", "tf-explain", "xplique"] = "paper"
    """Whose edge, score and gather. `captum`: truncate, drop, average. `pair` and `xplique`: full, drop, sum.
    `tf-explain`: truncate, one_minus, grid."""

    def __post_init__(self) -> None:
        check_size("window", self.window, most=3, error=WindowError)
        check_size("stride", self.stride, most=3, error=WindowError)
        check_fill(self.fill, "fill", FILLS, arrays=True)
        if self.adaptive is not None and not 0 < self.adaptive <= 1:
            raise UsageError(f"adaptive is a share of the windows above 0 and at most 1, got {self.adaptive}")


@technique("rise", "explain", ".rise:Rise.build", "Petsiuk, Das, Saenko 2018, arXiv:1806.07421", in_report=False)
class RiseConfig:
    """Mean score over random masks that keep a pixel."""

    masks: int = 4000
    """Random masks per image."""
    grid: int | tuple[int, int] = 7
    """Cells of a mask along each axis, before it is enlarged."""
    probability: float = 0.5
    """Chance that a cell is kept."""
    fill: float | tuple[float, ...] | str = "model-mean"
    """What shows where a mask is 0: as for `occlusion`. The paper multiplies the network's own input, so that what
    the model subtracts shows."""
    convention: Literal["paper", "xplique"] = "paper"
    """`paper` divides by masks x probability, `xplique` by how often each pixel was kept."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... masks, `masks` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `masks` when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, masks=self.masks)
        check_positive(tolerance=self.tolerance)
        if self.tolerance is not None and self.convention == "xplique":
            raise UsageError("rise takes a tolerance by the convention 'paper' only: xplique's is no mean of its masks")
        check_size("grid", self.grid, unit="cells")
        if not 0 < self.probability <= 1:
            raise UsageError(f"probability is above 0 and at most 1, got {self.probability}")
        check_fill(self.fill, "fill", FILLS, arrays=True)


@dataclass(frozen=True, kw_only=True)
class SegmentConfig(Conventional):
    """What the parts of an image are, and what occludes them."""

    usual: ClassVar[Usual] = {"paper": {"fill": "segment-mean"}}

    segments: str | tuple[tuple[int, ...], ...] = "grid(8)"
    """The parts: `grid(cells along each axis)`, a mask of part numbers from 0 as large as the images, or superpixels
    of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`, `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given and
    no convention says otherwise."""

    def __post_init__(self) -> None:
        if self.fill is not None:
            check_fill(self.fill, "fill", SEGMENT_FILLS, arrays=True)
        if not isinstance(self.segments, str):
            object.__setattr__(self, "segments", _mask(self.segments))
            return
        _, number = word_and_number(self.segments, "segments", SEGMENTERS)
        if not number or number != int(number) or number < 1:
            raise UsageError(f"segments takes a positive whole number, got {self.segments!r}")


@technique("feature-ablation", "explain", ".feature_ablation:FeatureAblation.build",
           "Zeiler, Fergus 2013, arXiv:1311.2901, section 4.2, over parts in place of windows",
           in_report=False)  # fmt: skip
class FeatureAblationConfig(SegmentConfig):
    """How much the score falls when each part of the image, or of a layer, is occluded."""

    at: str | None = None
    """Layer whose parts are set to `fill`, with its axes; the image when not given."""
    segments: SitePart | None = None  # type: ignore[assignment]  # a layer may have numbers along one axis, too
    """The parts of the image as for `lime`; `grid(8)` when not given. Those of a layer: `channels`, `pixels` (places),
    `elements` (every value for itself), `grid(cells along each axis)`, or numbers as large as the layer; `channels`
    when not given."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour; 0.5 when not given. Captum's
    is 0 in the network's own input, which is `model-mean` here. At a layer a number, one per channel or in Python an
    array like it; 0 when not given."""
    engine: Literal["auto", "dense", "incremental"] = "auto"
    """As for `occlusion`; `incremental` needs parts that are boxes, as those of `grid(8)` are."""

    def __post_init__(self) -> None:
        is_image = self.at in (None, "input")
        usual = {"segments": "grid(8)" if is_image else "channels", "fill": 0.5 if is_image else 0.0}
        for name, value in usual.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if is_image:
            super().__post_init__()


@technique("feature-permutation", "explain", ".site_parts:FeaturePermutation.build",
           "Breiman 2001, doi:10.1023/A:1010933404324, section 10", in_report=False)  # fmt: skip
class FeaturePermutationConfig:
    """How much the score falls when each part of the image, or of a layer, is that of another image."""

    at: str | None = None
    """Layer whose parts are exchanged, with its axes; the image when not given."""
    segments: SitePart | None = None
    """The parts: `grid(cells along each axis)`, `pixels` (places), `channels`, `elements` (every value for itself), or
    part numbers from 0 as large as the image or the layer; `grid(8)`, at a layer `channels`, when not given."""
    order: Literal["roll", "random"] = "roll"
    """`roll`: each image takes from the one before it, the first from the last. `random`: from another by chance; none
    keeps its own."""


@technique("lime", "explain", ".lime:Lime.build", "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938", in_report=False)
class LimeConfig(SegmentConfig):
    """Weights of a linear model of which parts are occluded, fitted near the image."""

    usual: ClassVar[Usual] = {
        # marcotcr/lime lime_image.py
        "paper": {"samples": 1000, "distance": "cosine", "kernel_width": 0.25, "ridge": 1.0, "fill": "segment-mean"},
        # xplique/attributions/lime.py, images of three channels
        "xplique": {"samples": 150, "distance": "euclidean", "kernel_width": 45.0, "ridge": 2.0, "fill": 0.5},
    }

    samples: int | None = None
    """Random images with half of their parts occluded, per image; 1000, or the convention's (Xplique: 150), when
    not given."""
    distance: Literal["cosine", "euclidean"] | None = None
    """How far a sample is: `cosine` of which parts are kept, or `euclidean` over the pixels, as Xplique has it."""
    kernel_width: float | None = None
    """Width of the kernel that weights a sample by its distance; 0.25, or the convention's (Xplique: 45)."""
    ridge: float | None = None
    """Penalty on the squared weights of the linear model; 1, or the convention's (Xplique: 2)."""
    convention: Literal["paper", "xplique"] = "paper"
    """Whose numbers. `paper`: those of the authors' lime_image.py. `xplique`: also occludes by 0.5, takes every sample
    at random, and does not take the square root of the kernel."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(samples=self.samples, kernel_width=self.kernel_width)
        if self.ridge is not None and self.ridge < 0:
            raise UsageError(f"ridge is not negative, got {self.ridge}")


@technique(
    "kernel-shap", "explain", ".kernel_shap:KernelShap.build", "Lundberg, Lee 2017, arXiv:1705.07874", in_report=False
)
class KernelShapConfig(SegmentConfig):
    """The Shapley values of the image's parts."""

    usual: ClassVar[Usual] = {
        "paper": {"samples": 2048, "fill": "segment-mean"},
        "xplique": {"samples": 800, "fill": 0.5},
    }

    samples: int | None = None
    """Coalitions per image; 2048, or the convention's (Xplique: 800), when not given. If there are no more than so
    many, all are asked and the values are exact."""
    convention: Literal["paper", "xplique"] = "paper"
    """`xplique`: coalitions are always drawn, one by one, and a plain regression is fitted to them, so that the values
    only come near those that sum to the difference of scores; occludes by 0.5."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(4, samples=self.samples)


@technique("sobol", "explain", ".sobol:Sobol.build", "Fel et al. 2021, arXiv:2111.04138", in_report=False)
class SobolConfig(SegmentConfig):
    """Share of the score's variance in which each part has a hand."""

    fill: float | tuple[float, ...] | str | None = "model-mean"
    """What shows as a part fades: as for `occlusion`, or `segment-mean`. The paper multiplies the network's own
    input."""
    designs: int = 32
    """Rows of each sampling matrix; a power of two for `sampler="sobol"`."""
    sampler: Literal["sobol", "random"] = "sobol"
    """`sobol`: the same low-discrepancy points for every image. `random`: uniform from the key."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, designs=self.designs)
        if self.sampler == "sobol" and self.designs & (self.designs - 1):
            raise UsageError(f"designs is a power of two for sampler='sobol', got {self.designs}")


@technique("extremal-perturbation", "explain", ".extremal_perturbation:ExtremalPerturbation.build",
           "Fong, Patrick, Vedaldi 2019, arXiv:1910.08485", in_report=False)  # fmt: skip
class ExtremalPerturbationConfig:
    """The smooth mask of a given area that raises the score most."""

    areas: tuple[float, ...] = (0.1,)
    """Shares of the image to keep; one mask is found for each, and the map is their mean."""
    game: Literal["preserve", "delete", "dual"] = "preserve"
    """`preserve`: what is kept raises the score. `delete`: what is lost lowers it. `dual`: both at once."""
    steps: int = 800
    """Steps of gradient ascent per mask."""
    fill: float | tuple[float, ...] | str | None = None
    """What shows where the mask is 0: as for `occlusion`; `blur` of 20 pixels in 224 when not given."""
    levels: int = 8
    """Strengths of blur between which the mask chooses; 2 mixes image and fill."""
    step_px: int | None = None
    """Spacing of the mask's parameters in pixels; 7 in 224 when not given."""
    sigma_px: float | None = None
    """Smoothness of the mask in pixels; 21 in 224 when not given."""
    rate: float = 0.01
    """Step length."""
    momentum: float = 0.9
    """Share of the last direction that is kept."""
    area_weight: float = 300.0
    """Weight of the area constraint at the first step."""
    area_growth: float = 1.0035
    """Factor on that weight at every step."""
    flip: bool = True
    """Look at every second step's image in the mirror, as the authors' code does."""

    def __post_init__(self) -> None:
        if not self.areas or any(not 0 < area < 1 for area in self.areas):
            raise UsageError(f"areas are shares between 0 and 1, got {self.areas!r}")
        check_positive(
            steps=self.steps,
            rate=self.rate,
            area_weight=self.area_weight,
            area_growth=self.area_growth,
            step_px=self.step_px,
            sigma_px=self.sigma_px,
        )
        check_at_least(2, levels=self.levels)
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum is at least 0 and below 1, got {self.momentum}")
        if self.fill is not None:
            check_fill(self.fill, "fill", FILLS, arrays=True)


def _mask(rows: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    mask = tuple(tuple(row) if isinstance(row, list | tuple) else () for row in rows)
    if not mask or not mask[0] or len({len(row) for row in mask}) != 1:
        raise UsageError("segments is a word or a mask of height x width part numbers")
    if any(number != int(number) or number < 0 for row in mask for number in row):
        raise UsageError("the part numbers of segments are whole and count from 0")
    return tuple(tuple(int(number) for number in row) for row in mask)


cnnviz_techniques = techniques_hook(__name__)
