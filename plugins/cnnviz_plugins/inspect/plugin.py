"""What can be read off a network without images: filters, receptive fields."""

from typing import Literal

from cnnviz_jax.plugin import check_at_least, technique, techniques_hook


@technique("filters", "inspect", ".filters:build", "Krizhevsky et al. 2012, figure 3", result="FilterBank")
class FiltersConfig:
    """The kernel of a layer as images."""

    layer: str | None = None
    """Layer whose kernel is shown; the first convolution, or dense layer, when not given."""
    shape: tuple[int, int] | None = None
    """Height and width that a dense layer's inputs stand for; the image's where it reads the pixels."""


@technique("receptive-field", "inspect", ".receptive_field:build",
           "Araujo, Norris, Sim 2019, Distill, doi:10.23915/distill.00021", result="ReceptiveFields")  # fmt: skip
class ReceptiveFieldConfig:
    """What each unit of each layer sees of the input."""

    layer: str | None = None
    """The only layer to list; all of them when not given."""
    unit: tuple[int, ...] | None = None
    """Row and column of a unit of `layer`, in a volume slice, row and column: what it sees of each layer below and of
    the image."""


@technique(
    "filter-variety",
    "inspect",
    ".variety:build",
    "Roy and Vetterli 2007, EUSIPCO (effective rank)",
    result="FilterVariety",
)
class VarietyConfig:
    """Which filters repeat each other, which are zero, how many dimensions they use."""

    layer: str | None = None
    """The only layer to compare; all that have a kernel when not given."""
    twins_at: float = 0.95
    """Filters are twins from this |cosine| on."""


@technique(
    "effective-receptive-field",
    "inspect",
    ".receptive_field:effective",
    "Luo et al. 2016, arXiv:1701.04128",
    result="EffectiveReceptiveField",
)
class EffectiveFieldConfig:
    """How strongly each pixel moves the central unit of a layer."""

    layer: str | None = None
    """Layer whose central unit is looked at; the last one with more than one position when not given."""
    samples: int = 32
    """Images of noise that are averaged over."""
    seed: int = 0
    """Of the images and of the channels' signs."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)


@technique("filter-match", "inspect", ".filters:match", in_report=False, result="FilterMatch")
class FilterMatchConfig:
    """Where an image looks most like a filter: the cosine with every patch."""

    layer: str | None = None
    """Layer that reads the image; the first convolution when not given."""
    unit: int = 0
    """Number of the filter."""
    image: str = ""
    """An image file."""


@technique("convolve", "inspect", ".convolve:build", takes="image", in_report=False, result="Convolution")
class ConvolveConfig:
    """A kernel over an image: response, pooled response, the numbers of one window."""

    kernel: str = "vertical-edge"
    """`vertical-edge`, `horizontal-edge`, `identity`, `sharpen`, `blur`, or a file: `.npy`, or rows of numbers."""
    stride: int = 1
    """Pixels between neighbouring places of the kernel."""
    padding: Literal["valid", "same"] = "valid"
    """`valid`: whole windows only. `same`: zeros around the image."""
    pool: Literal["max", "mean"] | None = None
    """What is taken of each window of the response; nothing when not given."""
    window: int = 2
    """Height and width of the windows that are pooled, side by side."""
    at: tuple[int, int] | None = None
    """Row and column of the response that is worked out; the largest in size when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, stride=self.stride, window=self.window)


@technique("evolution", "inspect", ".evolution:build", takes="run", in_report=False, result="Evolution")
class EvolutionConfig:
    """A recorded training: filters or decision lines, weights, answers, drift per step."""

    layer: str | None = None
    """Recorded kernel that is drawn, such as `conv1`; the first convolution, or dense layer, when not given."""
    shape: tuple[int, int] | None = None
    """Height and width that a dense kernel's inputs stand for."""
    points: str | None = None
    """An .npz of points in the plane, `x` (n, 2), and their classes, `y` (n,): drawn below decision lines."""
    network: str | None = None
    """`package.module:factory` of the network, or a name that `cnnviz models` lists; the recorder's own when not given.
    Needed for `images` and `synthesised`."""
    images: str | None = None
    """Folder, .npz or .zarr of images whose answers are followed."""
    surveyed: str | None = None
    """Layer whose answers are followed; the last one with more than one position when not given."""
    synthesised: str | None = None
    """Layer whose units are synthesised at every step, from the same start; when not given, none are."""
    units: tuple[int, ...] | None = None
    """Which of its units; the first four when not given."""
    ascent_steps: int = 48
    """Steps of activation maximisation for every image."""
    size: int | tuple[int, int] | None = None
    """Height and width of these images in pixels; the network's own when not given."""
    recipe: str = "lucid"
    """The recipe of activation maximisation; its smooth start is readable after few steps."""
    start_seed: int = 0
    """Seed of the start, the same at every step."""


cnnviz_techniques = techniques_hook(__name__)
