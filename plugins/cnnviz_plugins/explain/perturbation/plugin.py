"""The perturbation family: what the score does when parts of the image are occluded, masked or kept."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from cnnviz_jax.plugin import (
    TechniqueSpec,
    UsageError,
    WindowError,
    check_at_least,
    check_fill,
    check_positive,
    check_size,
    hookimpl,
    techniques_in,
)
from cnnviz_plugins.explain.declaring import explains
from cnnviz_plugins.explain.perturbation import game_options
from cnnviz_plugins.explain.perturbation.part_options import (
    FILLS,
    SEGMENT_FILLS,
    Conventional,
    Segmentation,
    SegmentConfig,
    Usual,
)


@explains(
    "occlusion",
    ".occlusion:Occlusion.build",
    "Zeiler, Fergus 2013, arXiv:1311.2901, section 4.2",
    evidence="removal",
    in_report=True,
)
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
    series one number, of a volume depth, height and width. One number more is how many channels it occludes: then
    windows go over channels too, and every value of the input has a number of its own."""
    stride: int | tuple[int, ...] | None = None
    """Step between neighbouring windows in pixels, a quarter of the window when not given; one number more is that in
    channels, the window's when not given."""
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
        check_size("window", self.window, most=4, error=WindowError)
        check_size("stride", self.stride, most=4, error=WindowError)
        check_fill(self.fill, "fill", FILLS, arrays=True)
        if self.adaptive is not None and not 0 < self.adaptive <= 1:
            raise UsageError(f"adaptive is a share of the windows above 0 and at most 1, got {self.adaptive}")


@explains("rise", ".rise:Rise.build", "Petsiuk, Das, Saenko 2018, arXiv:1806.07421", evidence="removal")
class RiseConfig:
    """Mean score over random masks that keep a pixel."""

    masks: int = 4000
    """Random masks per image."""
    grid: int | tuple[int, ...] = 7
    """Cells of a mask along each axis (one number for all), before it is enlarged."""
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
        check_size("grid", self.grid, unit="cells", most=3)
        if not 0 < self.probability <= 1:
            raise UsageError(f"probability is above 0 and at most 1, got {self.probability}")
        check_fill(self.fill, "fill", FILLS, arrays=True)


@explains("feature-ablation", ".feature_ablation:FeatureAblation.build",
          "Zeiler, Fergus 2013, arXiv:1311.2901, section 4.2, over parts in place of windows",
          evidence="removal")  # fmt: skip
class FeatureAblationConfig(SegmentConfig):
    """How much the score falls when each part of the image, or of a layer, is occluded."""

    at: str | None = None
    """Layer whose parts are set to `fill`, with its axes; the image when not given."""
    segments: Segmentation | None = None  # type: ignore[assignment]  # a layer may have numbers along one axis, too
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
        # What is not given stays open: the image and a layer take different things for it.
        if self.segments is not None and self.at in (None, "input"):
            super().__post_init__()
        elif self.fill is not None:
            check_fill(self.fill, "fill", SEGMENT_FILLS, arrays=True)


@explains("feature-permutation", ".site_parts:FeaturePermutation.build",
          "Breiman 2001, doi:10.1023/A:1010933404324, section 10", evidence="removal")  # fmt: skip
class FeaturePermutationConfig:
    """How much the score falls when each part of the image, or of a layer, is that of another image."""

    at: str | None = None
    """Layer whose parts are exchanged, with its axes; the image when not given."""
    segments: Segmentation | None = None
    """The parts: `grid(cells along each axis)`, `pixels` (places), `channels`, `elements` (every value for itself), or
    part numbers from 0 as large as the image or the layer; `grid(8)`, at a layer `channels`, when not given."""
    order: Literal["roll", "random"] = "roll"
    """`roll`: each image takes from the one before it, the first from the last. `random`: from another by chance; none
    keeps its own."""


@explains("lime", ".lime:Lime.build", "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938", evidence="removal")
class LimeConfig(SegmentConfig):
    """Weights of a linear model of which parts are occluded, fitted near the image."""

    usual: ClassVar[Usual] = {
        # marcotcr/lime lime_image.py
        "paper": {"samples": 1000, "distance": "cosine", "kernel_width": 0.25, "ridge": 1.0, "fill": "segment-mean"},
        # captum/attr/_core/lime.py: SkLearnLasso(alpha=0.01), get_exp_kernel_similarity_function()
        "captum": {"samples": 25, "distance": "input-cosine", "kernel_width": 1.0, "ridge": 0.0, "lasso": 0.01,
                   "fill": "model-mean"},
        # xplique/attributions/lime.py, images of three channels
        "xplique": {"samples": 150, "distance": "euclidean", "kernel_width": 45.0, "ridge": 2.0, "fill": 0.5},
    }  # fmt: skip

    samples: int | None = None
    """Random images with half of their parts occluded, per image; 1000, or the convention's (Captum: 25, Xplique:
    150), when not given."""
    distance: Literal["cosine", "euclidean", "input-cosine"] | None = None
    """How far a sample is: `cosine` of which parts are kept, `euclidean` over the pixels, as Xplique has it, or
    `input-cosine` of what the network takes in, after mean and std, as Captum has it."""
    kernel_width: float | None = None
    """Width of the kernel that weights a sample by its distance; 0.25, or the convention's (Captum: 1, Xplique: 45)."""
    ridge: float | None = None
    """Penalty on the squared weights of the linear model; 1, or the convention's (Captum: 0, Xplique: 2)."""
    lasso: float | None = None
    """Penalty on the sizes of the weights, of scikit-learn's scale, which leaves few of them different from 0; 0, or
    the convention's (Captum: 0.01)."""
    convention: Literal["paper", "captum", "xplique"] = "paper"
    """Whose numbers. `paper`: those of the authors' lime_image.py. `captum` and `xplique`: take every sample at random,
    occlude by 0 in the network's input or by 0.5, and do not take the square root of the kernel, which is
    exp(-d^2 / (2 width^2)) in Captum."""
    tolerance: float | None = None
    """Stop each image after 4, 8, 16, ... times as many samples as there are parts, `samples` at most, once the
    weights' standard error is at most this share of their size, both as root mean squares over the parts; all
    `samples` when not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(samples=self.samples, kernel_width=self.kernel_width, tolerance=self.tolerance)
        for name, penalty in (("ridge", self.ridge), ("lasso", self.lasso)):
            if penalty is not None and penalty < 0:
                raise UsageError(f"{name} is not negative, got {penalty}")
        if self.resolved_penalties == (True, True):
            raise UsageError("ridge and lasso are two penalties for one regression; set one of them to 0")
        if self.tolerance is not None and self.resolved_penalties[1]:
            raise UsageError("lime takes a tolerance without a lasso only: a lasso's weights have no standard errors")

    @property
    def resolved_penalties(self) -> tuple[bool, bool]:
        """Whether weights are penalised squared, and by their size."""
        usual = self.usual[self.convention]
        ridge, lasso = usual["ridge"] if self.ridge is None else self.ridge, self.lasso
        return ridge > 0, (usual.get("lasso", 0.0) if lasso is None else lasso) > 0


@explains("sobol", ".sobol:Sobol.build", "Fel et al. 2021, arXiv:2111.04138", evidence="removal")
class SobolConfig(SegmentConfig):
    """Share of the score's variance in which each part has a hand."""

    fill: float | tuple[float, ...] | str | None = "model-mean"
    """What shows as a part fades: as for `occlusion`, or `segment-mean`. The paper multiplies the network's own
    input."""
    designs: int = 32
    """Rows of each sampling matrix; a power of two for `sampler="sobol"`."""
    sampler: Literal["sobol", "random"] = "sobol"
    """`sobol`: the same low-discrepancy points for every image. `random`: uniform from the key."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... rows, `designs` at most, once the indices' standard error is at most this
    share of their size, both as root mean squares over the parts; all `designs` when not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, designs=self.designs)
        check_positive(tolerance=self.tolerance)
        if self.sampler == "sobol" and self.designs & (self.designs - 1):
            raise UsageError(f"designs is a power of two for sampler='sobol', got {self.designs}")


@explains("extremal-perturbation", ".extremal_perturbation:ExtremalPerturbation.build",
          "Fong, Patrick, Vedaldi 2019, arXiv:1910.08485", evidence="removal")  # fmt: skip
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


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the techniques of this module and the games over parts."""
    for module in (__name__, game_options.__name__):
        yield from techniques_in(module)
