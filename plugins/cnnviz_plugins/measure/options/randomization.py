"""Options of the measures that explain random networks and random classes; imports nothing heavy."""

from typing import Literal

from cnnviz_jax.plugin import check_at_least, check_positive, technique

_HERE = "cnnviz_plugins.measure.randomization"
Draw = Literal["normal", "permute"]


@technique(
    "smooth-mprt", "measure", f"{_HERE}.smooth:smooth_mprt", "Hedström et al. 2024, arXiv:2401.06465, section 3.1"
)
class SmoothMprtConfig:
    """How alike maps that are averaged over noise stay as layers are randomised from the bottom up."""

    samples: int = 50
    """Copies of each image that a map is the mean over: one as it is, the others with noise."""
    noise: float = 0.1
    """Standard deviation of the noise, as a share of the image's range."""
    draw: Draw = "normal"
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        check_positive(noise=self.noise)


@technique(
    "efficient-mprt",
    "measure",
    f"{_HERE}.efficient:efficient_mprt",
    "Hedström et al. 2024, arXiv:2401.06465, section 3.2",
)
class EfficientMprtConfig:
    """How much more complex the map of a fully randomised network is."""

    bins: int = 100
    """Bins of the histogram of |map| whose entropy is the complexity."""
    draw: Draw = "normal"
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""

    def __post_init__(self) -> None:
        check_at_least(2, bins=self.bins)


@technique("random-logit", "measure", f"{_HERE}.logit:random_logit", "Sixt, Granz, Landgraf 2020, arXiv:1912.09818")
class RandomLogitConfig:
    """How alike the map of another class, drawn at random, is."""

    convention: Literal["image", "quantus"] = "image"
    """`image`: structural similarity over windows of 7 x 7 pixels. `quantus`: of the map as one row of numbers."""
