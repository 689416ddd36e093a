"""The CAM family: maps of a layer's channels, weighted by how each one speaks for the target."""

from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import Noise, UsageError, check_at_least, check_positive, techniques_hook
from cnnviz_plugins.explain.declaring import explains

Fuse = Literal["mean", "max", "tanh-max"]


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """Which layers are weighted, and what is done with the weighted maps."""

    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Fuse | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal["paper", "pytorch-grad-cam", "torchcam"] = "paper"
    """Whose numbers: the paper's, or those of a peer, which scales its maps."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and return
    the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal["eigen"] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place of
    their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

    def __post_init__(self) -> None:
        if self.layer is not None and self.layers:
            raise UsageError(f"give layer or layers, not both: got {self.layer!r} and {self.layers!r}")
        if len(set(self.layers)) != len(tuple(self.layers)):
            raise UsageError(f"layers names different layers, got {self.layers!r}")

    @property
    def fusion(self) -> Fuse:
        """`fuse`, or what the convention has in its place."""
        return self.fuse or ("max" if self.convention == "torchcam" else "mean")

    @property
    def rectified(self) -> bool:
        """`relu`, or what the paper or the convention has in its place."""
        return True if self.relu is None else self.relu


@explains(
    "grad-cam", ".grad_cam:GradCam.build", "Selvaraju et al. 2017, arXiv:1610.02391", evidence="layer", in_report=True
)
class GradCamConfig(MapConfig):
    """A layer's channels, weighted by their mean gradient."""

    convention: Literal["paper", "captum", "pair", "pytorch-grad-cam", "tf-explain", "torchcam", "xplique"] = "paper"  # type: ignore[assignment]
    """Whose numbers. `captum`: no ReLU, enlarged by PyTorch's nearest. `pair`: divided by its maximum. `tf-explain`:
    mean of the positive gradients of active units, no ReLU. `xplique`: enlarged bicubically. `pytorch-grad-cam` and
    `torchcam`: scaled to run from 0 to 1."""
    channels: Literal["sum", "each"] = "sum"
    """`sum` adds the weighted channels up, as the paper does; `each` returns them one by one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels == "each" and len(self.layers) > 1:
            raise UsageError("channels='each' shows the channels of one layer; give one")
        if self.channels == "each" and self.smooth is not None:
            raise UsageError("channels='each' adds no channels up, which smooth='eigen' does in another way; give one")

    @property
    def rectified(self) -> bool:
        """`relu`, or what the paper or the convention has in its place."""
        return self.convention not in ("captum", "tf-explain") if self.relu is None else self.relu


@explains("cam", ".class_activation_map:ClassActivationMap.build", "Zhou et al. 2016, arXiv:1512.04150",
          evidence="layer")  # fmt: skip
class CamConfig:
    """A layer's channels, weighted by the one linear layer behind their global average."""

    relu: bool = False
    """Keep only what speaks for the class; the paper keeps all."""


@explains("grad-cam++", ".grad_cam:GradCamPlusPlus.build", "Chattopadhay et al. 2018, arXiv:1710.11063",
          evidence="layer")  # fmt: skip
class GradCamPlusPlusConfig(MapConfig):
    """A layer's channels, weighted by positive gradients that count each place of evidence once."""

    convention: Literal["paper", "pytorch-grad-cam", "torchcam", "xplique"] = "paper"  # type: ignore[assignment]
    """Whose numbers. `torchcam`: sum of gradient^3 x activation in the weights' denominator, scaled to run from 0 to
    1. `xplique`: means in place of sums, enlarged bicubically. `pytorch-grad-cam`: the paper's with 1e-6 added to the
    denominator, scaled."""


@explains("xgrad-cam", ".grad_cam:XGradCam.build", "Fu et al. 2020, arXiv:2008.02312", evidence="layer")
class XGradCamConfig(MapConfig):
    """A layer's channels, weighted by their gradient where they are active."""


@explains("hires-cam", ".grad_cam:HiresCam.build", "Draelos, Carin 2020, arXiv:2011.08891", evidence="layer")
class HiresCamConfig(MapConfig):
    """A layer's channels times their gradients, place by place."""

    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """Whose numbers: the paper's, or pytorch-grad-cam's, which scales its maps to run from 0 to 1."""


@explains(
    "layer-cam",
    ".grad_cam:LayerCam.build",
    "Jiang et al. 2021, IEEE TIP 30, doi:10.1109/TIP.2021.3089943",
    evidence="layer",
    in_report=True,
)
class LayerCamConfig(MapConfig):
    """A layer's channels times their positive gradients, place by place."""

    @property
    def fusion(self) -> Fuse:
        """`fuse`, or the paper's; torch-cam fuses Layer-CAM's maps as the paper does."""
        return self.fuse or ("mean" if self.convention == "pytorch-grad-cam" else "tanh-max")


@explains("eigen-cam", ".eigen_cam:EigenCam.build", "Muhammad, Yeasin 2020, arXiv:2008.00299", evidence="layer")
class EigenCamConfig(MapConfig):
    """A layer's channels along their first principal direction, whatever the class."""

    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """`paper` projects the activations as they are; `pytorch-grad-cam` takes each channel's mean off first, and scales
    the map to run from 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_projected(self)


@explains("eigen-grad-cam", ".eigen_cam:EigenGradCam.build",
          "Muhammad, Yeasin 2020, arXiv:2008.00299, of activation x gradient as in pytorch-grad-cam",
          evidence="layer")  # fmt: skip
class EigenGradCamConfig(MapConfig):
    """A layer's channels times their gradients, along their first principal direction."""

    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """Whose numbers: as they are, or pytorch-grad-cam's, which scales its maps to run from 0 to 1. There the sign is
    whatever the singular vector has; here the map agrees with the sum over channels by either name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_projected(self)


@explains("kpca-cam", ".kpca_cam:KpcaCam.build", "Karmani et al. 2024, arXiv:2410.00267", evidence="layer")
class KpcaCamConfig(MapConfig):
    """A layer's channels along their first kernel principal component, whatever the class."""

    kernel: Literal["sigmoid", "rbf", "polynomial", "linear"] = "sigmoid"
    """How alike two places are, x and y their channels less each channel's mean. `sigmoid`: tanh(gamma x.y + 1).
    `rbf`: exp(-gamma |x - y|^2). `polynomial`: (gamma x.y + 1)^3. `linear`: x.y, which is Eigen-CAM, centred."""
    gamma: float | None = None
    """Scale of the kernel; one over the number of channels when not given."""
    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """Whose numbers: as they are, or pytorch-grad-cam's, which scales its maps to run from 0 to 1. There the largest
    number of an eigenvector is positive; here the map agrees with the sum over channels by either name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_projected(self)
        if self.gamma is not None:
            if self.kernel == "linear":
                raise UsageError("kernel='linear' has no gamma; leave it out")
            check_positive(gamma=self.gamma)


@explains("finer-cam", ".finer_cam:FinerCam.build", "Zhang et al. 2025, arXiv:2501.11309", evidence="layer")
class FinerCamConfig(MapConfig):
    """A layer's channels, weighted by what sets the class apart from those that score alike."""

    against: tuple[int, ...] = ()
    """Classes to compare with; the three whose logits come nearest when none are given."""
    alpha: float = 1.0
    """How much of their logits is subtracted; 0 is the class alone."""
    method: Literal["grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam"] = "grad-cam"
    """How channels are weighted."""
    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """Whose numbers: the paper's, or pytorch-grad-cam's, which scales its maps to run from 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.against)) != len(self.against):
            raise UsageError(f"against names different classes, got {self.against!r}")


@explains("score-cam", ".score_cam:ScoreCam.build", "Wang et al. 2020, arXiv:1910.01279", evidence="layer")
class ScoreCamConfig(MapConfig):
    """A layer's channels, weighted by the score of the image seen through each."""

    masked: Literal["image", "layer"] = "image"
    """`image`: each channel's map masks the network's input, as in the paper: every evaluation is a whole forward
    pass. `layer`: it masks the layer's own map, and only what lies above the layer is evaluated."""


@explains("faster-score-cam", ".score_cam:FasterScoreCam.build",
          "Li 2020, github.com/tabayashi0117/Score-CAM, of Wang et al. 2020, arXiv:1910.01279",
          evidence="layer")  # fmt: skip
class FasterScoreCamConfig(ScoreCamConfig):
    """Score-CAM of the channels that vary most over the map."""

    channels: int = 10
    """How many channels of a layer are looked through."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, channels=self.channels)


@explains("ablation-cam", ".ablation_cam:AblationCam.build",
          "Desai, Ramaswamy 2020, WACV, doi:10.1109/WACV45572.2020.9093360", evidence="layer")  # fmt: skip
class AblationCamConfig(MapConfig):
    """A layer's channels, weighted by how far the score falls without each."""

    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """`paper`: drop / |score|, which for the positive scores that the paper assumes is its drop / score.
    `pytorch-grad-cam`: drop / score, scaled to run from 0 to 1; a negative score turns the map round, and where the
    layer has values other than 0 at least, a channel is replaced by numbers below -1e7."""


@explains("smooth-grad-cam++", ".grad_cam:SmoothGradCamPlusPlus.build", "Omeiza et al. 2019, arXiv:1908.01224",
          evidence="layer")  # fmt: skip
class SmoothGradCamPlusPlusConfig(MapConfig):
    """Grad-CAM++ with derivatives averaged over noisy copies of the image."""

    samples: int = 25
    """Noisy copies of each image."""
    noise: str = "relative(0.15)"
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`."""
    numerator: Literal["second", "first"] = "second"
    """Which mean derivative stands in the weights' numerator. `second` is Grad-CAM++'s, and without noise the map is
    Grad-CAM++'s. `first` is the formula as torch-cam's documentation reports it from the paper."""
    convention: Literal["paper", "torchcam"] = "paper"
    """Whose numbers. `torchcam`: sum of activation x gradient^3 in the denominator, scaled to run from 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, samples=self.samples)
        Noise.of(self.noise)


@explains("guided-grad-cam", ".guided_grad_cam:GuidedGradCam.build",
          "Selvaraju et al. 2017, arXiv:1610.02391, section 3.2", evidence="rules")  # fmt: skip
class GuidedGradCamConfig:
    """Guided backpropagation, seen through the Grad-CAM map."""

    layer: str | None = None
    """Layer of the Grad-CAM; the last one with more than one position when not given."""
    convention: Literal["paper", "captum"] = "paper"
    """`paper` enlarges bilinearly, `captum` by PyTorch's nearest."""


@explains("fullgrad", ".fullgrad:Fullgrad.build", "Srinivas, Fleuret 2019, arXiv:1905.00780", evidence="layer")
class FullgradConfig:
    """Gradient times input plus gradient times bias, over all layers."""

    rescale: Literal["term", "channel", "none"] = "term"
    """What runs from 0 to 1 before the terms are added: each layer's term, as in the paper; each of its channels, as
    pytorch-grad-cam does; or nothing."""
    signed: bool = False
    """Keep the sign of every term; the paper takes absolute values."""
    convention: Literal["paper", "pytorch-grad-cam"] = "paper"
    """Whose numbers. `pytorch-grad-cam`: terms of the input, convolutions and norms alone, each channel rescaled, and
    their sum too."""

    def __post_init__(self) -> None:
        if self.convention == "pytorch-grad-cam" and (self.signed or self.rescale != "term"):
            raise UsageError("convention='pytorch-grad-cam' decides about signed and rescale; leave them out")
        if self.signed and self.rescale != "none":
            raise UsageError("signed terms cannot be rescaled to run from 0 to 1; say rescale='none'")


def _check_projected(config: MapConfig) -> None:
    if config.smooth is not None:
        raise UsageError("channels along a principal direction are what smooth='eigen' makes of a sum; leave it out")


cnnviz_techniques = techniques_hook(__name__)
