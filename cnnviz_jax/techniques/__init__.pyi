# Written by `python -m tests.typing.stub`; tests/typing/test_stub.py keeps it.
from dataclasses import dataclass
from typing import Any, Literal

from cnnviz_jax.plugins.configs import DictionaryConfig, ExplainConfig, InspectConfig, MeasureConfig, SurveyConfig, SynthesizeConfig
from cnnviz_jax.results import evolution, units, weights

@dataclass(frozen=True, kw_only=True)
class AblationCam(ExplainConfig):
    """A layer's channels, weighted by how far the score falls without each."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """`paper`: drop / |score|, which for the positive scores that the paper assumes is its drop / score.
    `pytorch-grad-cam`: drop / score, scaled to run from 0 to 1; a negative score turns the map round, and where the
    layer has values other than 0 at least, a channel is replaced by numbers below -1e7."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class Accentuation(SynthesizeConfig):
    """An image changed so that a unit fires more, and otherwise kept."""
    keep: float = 1.0
    """Weight of the relative squared distance, in `keep_layer`, from the image; 0 keeps nothing."""
    keep_layer: str | None = None
    """Where the image is to stay alike; the first map when not given."""
    steps: int = 128
    """Steps of ascent."""
    rate: float = 0.02
    """Rate of Adam."""
    transforms: str = 'jitter(8), scale(0.95, 1.05)'
    """Random views, as in `activation-maximization`."""

@dataclass(frozen=True, kw_only=True)
class AccuracyInformationCurve(MeasureConfig):
    """For how much of the image's information its class comes back as the best one: area under the curve."""
    shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75)
    """Shares of the pixels that are revealed, the strongest first."""
    start: float = 0.01
    """Share of the pixels, drawn at random, that the blurred image is made of; the four corners come with them."""
    least: float = 0.8
    """Images whose class has a smaller probability are left out."""
    growing: bool = True
    """Whether the most that came back with fewer pixels counts, as in the paper; so more pixels never lower it."""

@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(SynthesizeConfig):
    """An image raised by gradient ascent until it excites a unit most."""
    recipe: Literal[
        'quick', 'chollet2016', 'keras2020', 'yosinski1', 'yosinski2', 'yosinski3', 'yosinski4', 'lucid', 'maco'
    ] = 'quick'
    """A set of start, steps, update, views, regularisers and display: `quick` for a first look, the others as
    published."""
    size: int | tuple[int, int] | None = None
    """Height and width of the image in pixels. When not given: the receptive field for a neuron, the image's size
    where there is one to start from, else the recipe's own, or the model's input size where the model takes no other
    (the result says so)."""
    steps: int | None = None
    """Steps of ascent; the recipe's own when not given."""
    parametrization: str | None = None
    """What is optimised: `pixel(...)`, `fourier(sd, decay)`, `laplacian(levels)`, `maco(power)`, or
    `package.module:Class(...)`; the recipe's own when not given."""
    transforms: str | None = None
    """Random views in order, such as `pad(12, 0.5), jitter(8), scale(0.9, 1.1), rotate(-10, 10), flip, blur(1),
    noise(0.05)`; `none` for none; the recipe's own when not given."""
    views: int | None = None
    """Views per step, averaged; the recipe's own when not given."""
    regularizers: str | None = None
    """Penalties such as `l1(0.001), l2(0.001), total-variation(0.001), blur(0.001), border(0.001)` and constraints
    such as `clip, decay(0.01), blur-every(0.5, 4), clip-norm(50), clip-contribution(90)`; the recipe's own when not
    given."""
    optimizer: str | None = None
    """Update rule: `adam(0.05)`, `nadam(1)`, `gradient(rate, span, momentum)`, `rms`, `unit-norm`, `progress`; the
    recipe's own when not given."""
    display: str | None = None
    """`as-is`, `standardized(sd, crop_px)` or `stretched`; the recipe's own when not given."""
    tap: Literal['before', 'after', 'layer'] | None = None
    """Read a unit before the ReLU next to its layer, after it, or at the layer as named; the recipe's own when not
    given."""
    keep: Literal['last', 'best'] | None = None
    """Whether the result is the last image or the best so far; the recipe's own when not given."""
    margin: int | None = None
    """Pixels around a neuron's receptive field; as far as the views wander when not given."""
    warmup: int | None = None
    """First steps with leaking ReLUs; when not given, an eighth of the steps where a ReLU cannot be gone round."""
    copies: int = 1
    """Images made together for each target; an objective may then include diversity."""

@dataclass(frozen=True, kw_only=True)
class Adversarial(SynthesizeConfig):
    """The least change of an image that makes it another class: an attack, not an explanation."""
    steps: int = 50
    """Steps towards the class at most."""
    overshoot: float = 0.02
    """By what share each step goes past the boundary it aims at."""

@dataclass(frozen=True, kw_only=True)
class Archetypal(DictionaryConfig):
    """A topk autoencoder whose features are mixtures of the layer's own values, so that trainings agree better."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal['auxk', 'none'] = 'auxk'
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the
    training, when not given."""
    scale: Literal['rms', 'mean-norm', 'unit-power', 'none'] = 'rms'
    """What the rows are divided by before: `rms` makes their mean square 1 a channel, `mean-norm` their mean length
    the root of the channels, `unit-power` their mean squared length 1. What is learned is in the layer's own
    units."""
    k: int | None = None
    """Features of a row; 32, at most a quarter of the channels, when not given."""
    delta: float = 1.0
    """How far a feature may lie from its mixture."""
    centres: int | None = None
    """Centres of the values that are mixed; as many as features when not given."""
    centre_rows: int = 32000
    """Rows whose centres are taken."""

@dataclass(frozen=True, kw_only=True)
class AttentionRollout(ExplainConfig):
    """Attention of all layers multiplied up, half of each kept in place for the skip connection."""
    layers: tuple[str, ...] = ()
    """Softmax layers of attention, as `cnnviz layers` lists them; all whose tokens are those of the map when not
    given."""
    heads: Literal['mean', 'max', 'min'] = 'mean'
    """How the heads of a layer become one; the paper takes the mean."""
    discard: float = 0.0
    """Share of the lowest attention of each layer that is set to 0 before; the paper discards none."""

@dataclass(frozen=True, kw_only=True)
class AttnLrp(ExplainConfig):
    """LRP for transformers: relevance through attention too, its softmax, products and norms."""
    composite: Literal[
        'epsilon', 'z+', 'epsilon-plus', 'epsilon-plus-flat', 'epsilon-alpha2-beta1', 'epsilon-alpha2-beta1-flat',
        'epsilon-gamma-box', 'sequential-preset-a', 'sequential-preset-a-flat', 'sequential-preset-b',
        'sequential-preset-b-flat', 'deep-taylor'
    ] = 'epsilon'
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes
    relevance on place by place, for a layer whose output has its input's shape."""
    epsilon: float = 1e-09
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    at: str | None = None
    """Layer whose units' relevance is returned, with its axes; the image when not given."""
    conditions: tuple[str, ...] = ()
    """Channels by which relevance may pass, `layer=channels`, such as `conv3=31,5` or, for two layers, `conv3=31;
    conv1=2`; in Python also `{"conv3": [31, 5]}`. Several conditions, all of the same layers, give one map each."""
    skip: Literal['exclude', 'keep'] = 'exclude'
    """What becomes of relevance that passes by a condition's layer, as through a skip connection."""

@dataclass(frozen=True, kw_only=True)
class AttributionGraph(ExplainConfig[Any]):
    """Which channels a score came from, and which channels below those came from, layer after layer."""
    composite: Literal[
        'epsilon', 'z+', 'epsilon-plus', 'epsilon-plus-flat', 'epsilon-alpha2-beta1', 'epsilon-alpha2-beta1-flat',
        'epsilon-gamma-box', 'sequential-preset-a', 'sequential-preset-a-flat', 'sequential-preset-b',
        'sequential-preset-b-flat', 'deep-taylor'
    ] = 'epsilon'
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes
    relevance on place by place, for a layer whose output has its input's shape."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7, Captum: 1e-9), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    convention: Literal['paper', 'innvestigate', 'captum'] = 'paper'
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts
    twice where ours is shared."""
    layers: tuple[str, ...] = ()
    """The layers of the graph, in any order; the last three convolutions when not given."""
    count: int = 3
    """How many channels are followed from each channel above, those of the largest relevance."""

@dataclass(frozen=True, kw_only=True)
class AttributionLocalisation(MeasureConfig):
    """Share of the map's absolute values that lies on the object."""
    weighted: bool = False
    """Whether to divide by the object's share of the image, so that chance is 1."""

@dataclass(frozen=True, kw_only=True)
class Auc(MeasureConfig):
    """How well the map tells object from background: area under the ROC curve."""

@dataclass(frozen=True, kw_only=True)
class AverageDrop(MeasureConfig):
    """Share of the score that is lost where only the map's pixels are kept."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class AverageGain(MeasureConfig):
    """Share of what the probability lacks that is gained where only the map's pixels are kept."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`, which must be one: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class AverageStability(MeasureConfig):
    """Mean change of the map, in its own unit, over noisy copies of the image."""
    samples: int = 20
    """Noisy copies of each image."""
    radius: float = 0.1
    """Noise is uniform from 0 up to this; images are in [0, 1]."""

@dataclass(frozen=True, kw_only=True)
class AvgSensitivity(MeasureConfig):
    """Mean relative change of the map when the image is shaken a little."""
    samples: int = 10
    """Shaken copies of each image."""
    radius: float = 0.02
    """Largest change of any value; images are in [0, 1]."""

@dataclass(frozen=True, kw_only=True)
class BatchTopk(DictionaryConfig):
    """A sparse autoencoder with k features a row on average: a row that needs more may have them."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal['auxk', 'none'] = 'auxk'
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the
    training, when not given."""
    scale: Literal['rms', 'mean-norm', 'unit-power', 'none'] = 'rms'
    """What the rows are divided by before: `rms` makes their mean square 1 a channel, `mean-norm` their mean length
    the root of the channels, `unit-power` their mean squared length 1. What is learned is in the layer's own
    units."""
    k: int | None = None
    """Features of a row; 32, at most a quarter of the channels, when not given."""

@dataclass(frozen=True, kw_only=True)
class BlurIg(ExplainConfig):
    """Integrated gradients along a path from a blurred image to the sharp one."""
    max_sigma: float = 50.0
    """Standard deviation in pixels of the blur at the path's beginning."""
    steps: int = 100
    """Gradients per image."""
    spacing: Literal['linear', 'sqrt'] = 'linear'
    """Whether sigma or its square grows evenly along the path."""
    convention: Literal['paper', 'pair'] = 'paper'
    """`paper`: differences of the blurred images, borders renormalised. `pair`: derivative at the left end of each
    step, borders black, as PAIR's saliency computes it."""

@dataclass(frozen=True, kw_only=True)
class Cam(ExplainConfig):
    """A layer's channels, weighted by the one linear layer behind their global average."""
    relu: bool = False
    """Keep only what speaks for the class; the paper keeps all."""

@dataclass(frozen=True, kw_only=True)
class Caricature(SynthesizeConfig):
    """What a layer sees in an image, exaggerated."""
    layer: str
    """The layer whose values are to be exceeded in their own direction."""
    power: float = 1.0
    """How much the angle counts beside the length."""
    steps: int = 256
    """Steps of ascent."""
    rate: float = 0.05
    """Rate of Adam."""
    transforms: str = 'pad(12, 0.5), jitter(8), scale(0.9, 1.1), rotate(-10, 10), jitter(4)'
    """Random views, as in `activation-maximization`."""

@dataclass(frozen=True, kw_only=True)
class ClassModel(SynthesizeConfig):
    """The image of highest class score that stays near the mean."""
    penalty: float = 0.001
    """Weight of the squared distance from the mean colour, in [0, 1] units."""
    steps: int = 500
    """Steps of ascent."""
    rate: float = 0.01
    """Rate of the steps: gradient times rate."""
    size: int | tuple[int, int] | None = None
    """Height and width in pixels; the model's own when not given."""

@dataclass(frozen=True, kw_only=True)
class Completeness(MeasureConfig):
    """How far the map's sum is from the difference of the score to that of nothing, as a share of it."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """Nothing, the baseline: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'target'
    """`target`: the very score that was explained, or the `probability` of the explained class."""

@dataclass(frozen=True, kw_only=True)
class Complexity(MeasureConfig):
    """The entropy of the map's absolute values: 0 on one pixel, the logarithm of their number evenly spread."""

@dataclass(frozen=True, kw_only=True)
class ConceptMaps(ExplainConfig):
    """Where in an image each concept of a survey is."""
    bank: str = ''
    """The `.npz` that a survey `craft` or `tcav` was written to."""
    concept: int | None = None
    """Number of one concept, as a map at the image's size; all, each at the layer's size, when not given."""

@dataclass(frozen=True, kw_only=True)
class ConceptRelevance(ExplainConfig):
    """The score divided among a layer's channels, and where in the image each finds its share."""
    composite: Literal[
        'epsilon', 'z+', 'epsilon-plus', 'epsilon-plus-flat', 'epsilon-alpha2-beta1', 'epsilon-alpha2-beta1-flat',
        'epsilon-gamma-box', 'sequential-preset-a', 'sequential-preset-a-flat', 'sequential-preset-b',
        'sequential-preset-b-flat', 'deep-taylor'
    ] = 'epsilon'
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes
    relevance on place by place, for a layer whose output has its input's shape."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7, Captum: 1e-9), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    convention: Literal['paper', 'innvestigate', 'captum'] = 'paper'
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts
    twice where ours is shared."""
    layer: str | None = None
    """The layer whose channels share the score; the last one with more than one position when not given."""
    channels: tuple[int, ...] | None = None
    """Channels that get a map, in this order; the strongest of each image when not given."""
    count: int = 8
    """How many of the strongest get a map."""
    order: Literal['size', 'favour'] = 'size'
    """What is strongest: relevance of the largest size, or the most in favour of the score."""

@dataclass(frozen=True, kw_only=True)
class Conductance(ExplainConfig):
    """Share of each unit of a layer in the difference of scores, while the image grows out of a baseline."""
    baseline: float | int | tuple[float | int, ...] | str = 'zero'
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`;
    in Python an array, (h, w, c) or one per image."""
    at: str | None = None
    """The layer."""
    unit: tuple[int, ...] | None = None
    """One unit of it, (row, col, channel) or (channel,): what each pixel contributes to its conductance, a map of the
    image. (channel,) of a map stands for all its positions."""
    quadrature: Literal['mean', 'left', 'captum'] = 'mean'
    """`mean`: equal parts of the path, each with the mean of the gradients at both ends. `left`: with the gradient at
    the left one. `captum`: that too, between `nodes` + 1 Gauss-Legendre nodes, so that both ends of the path are
    missed; for a unit, its trapezoid with weights that sum to 1 - 1/n."""
    nodes: int = 200
    """Parts of the path."""

@dataclass(frozen=True, kw_only=True)
class Consistency(MeasureConfig):
    """Share of the other images with the same map, made coarse, that are predicted alike."""
    first: int = 5
    """How many pixels, in reading order, make the coarse map: their signs."""

@dataclass(frozen=True, kw_only=True)
class Continuity(MeasureConfig):
    """Largest change of the map for the change of the image, as it is shifted from side to side."""
    steps: int = 28
    """Shifts, from all but out on the left to out on the right."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What comes in: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`, `blur(sigma)`."""

@dataclass(frozen=True, kw_only=True)
class ConvexNmf(DictionaryConfig):
    """Factors whose directions are sums of the layer's own values, weighted by numbers that are not negative."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    rows: int = 2048
    """Rows that are factorised, drawn by the seed; their products with each other are held, rows x rows."""
    iterations: int = 500
    """Sweeps, at most."""
    tolerance: float = 0.0001
    """Change of the codes by a sweep, as a share of their size, below which it stops."""

@dataclass(frozen=True, kw_only=True)
class Convolve(InspectConfig[weights.Convolution]):
    """A kernel over an image: response, pooled response, the numbers of one window."""
    kernel: str = 'vertical-edge'
    """`vertical-edge`, `horizontal-edge`, `identity`, `sharpen`, `blur`, or a file: `.npy`, or rows of numbers."""
    stride: int = 1
    """Pixels between neighbouring places of the kernel."""
    padding: Literal['valid', 'same'] = 'valid'
    """`valid`: whole windows only. `same`: zeros around the image."""
    pool: Literal['max', 'mean'] | None = None
    """What is taken of each window of the response; nothing when not given."""
    window: int = 2
    """Height and width of the windows that are pooled, side by side."""
    at: tuple[int, int] | None = None
    """Row and column of the response that is worked out; the largest in size when not given."""

@dataclass(frozen=True, kw_only=True)
class Craft(SurveyConfig[Any]):
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

@dataclass(frozen=True, kw_only=True)
class Deconvnet(ExplainConfig):
    """Gradient through ReLUs that pass only positive evidence."""
    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""

@dataclass(frozen=True, kw_only=True)
class DeepTaylor(ExplainConfig):
    """Deep Taylor decomposition of the score for bounded images and ReLU networks."""
    at: str | None = None
    """Layer whose units' relevance is returned, with its axes; the image when not given."""
    epsilon: float = 1e-06
    """Added to the size of every denominator."""

@dataclass(frozen=True, kw_only=True)
class Deepdream(SynthesizeConfig):
    """An image in which whatever a layer sees is raised."""
    layer: str
    """The layer whose mean of squares is raised."""
    steps: int = 60
    """Steps of ascent, all octaves together."""
    rate: float = 0.01
    """Standard deviation of a step, in [0, 1] units."""
    octaves: int = 3
    """The image is shown small first and larger octave by octave."""
    octave_factor: float = 1.4
    """By how much."""
    jitter_px: int = 16
    """Random shift of every step's view."""

@dataclass(frozen=True, kw_only=True)
class Deeplift(ExplainConfig):
    """Difference of scores to a reference, shared out by the rescale rule."""
    baseline: float | int | tuple[float | int, ...] | str = 'zero'
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`;
    in Python an array, (h, w, c) or one per image."""
    at: str | None = None
    """Layer whose units share the difference, with its axes; the image when not given."""
    epsilon: float = 1e-06
    """Where a unit's input differs from the reference's by no more, its gradient stands in for the quotient."""

@dataclass(frozen=True, kw_only=True)
class DeepliftShap(ExplainConfig):
    """DeepLIFT averaged over many references: shares that sum to the difference to their mean score."""
    at: str | None = None
    """Layer whose units share the difference, with its axes; the image when not given."""
    baselines: tuple[str, ...] | str = ('zero', 'value(1)', 'noise')
    """Fills that are references; see the baseline of integrated-gradients; `noise` is uniform. In Python an array of
    several images, (k, h, w, c), such as some of the training's."""
    epsilon: float = 1e-06
    """Where a unit's input differs from the reference's by no more, its gradient stands in for the quotient."""

@dataclass(frozen=True, kw_only=True)
class Deletion(MeasureConfig):
    """How fast the score falls as the strongest pixels are deleted: area under the curve."""
    steps: int = 50
    """Steps from the whole image to nothing; each takes the same number of pixels, the strongest first."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What deleted pixels become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class Dissection(SurveyConfig[units.Dissection]):
    """Which units detect which concept: overlap of their strongest places with concept masks."""
    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units that are drawn; those of the largest overlap when not given. Numbers cover all units."""
    masks: str = 'concepts'
    """The field in which images bring their masks (concepts, height, width); of series (concepts, steps), of volumes
    (concepts, depth, height, width)."""
    concepts: tuple[str, ...] = ()
    """Names of the masks, such as `texture:dots`, the category before the colon; the source's own when not given."""
    share: float = 0.005
    """Share of a unit's values that lie above its threshold."""
    detector_at: float = 0.04
    """A unit is a detector of a concept if their overlap, intersection over union, exceeds this."""
    concept_k: int = 9
    """Images kept of each concept, those that show it in most pixels."""
    shown: int = 8
    """Units drawn when none are named."""
    k: int = 4
    """Images drawn of each."""

@dataclass(frozen=True, kw_only=True)
class Distributions(SurveyConfig[units.Distributions]):
    """How each unit's values are spread: rates, quantiles, dead, saturated and twin units."""
    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units drawn as ridgelines; up to 16 spread over the fire rates when not given. Numbers cover all units."""
    bins_per_octave: int = 4
    """Histogram bins from a value to its double: 1, 2, 4, 8 or 16."""
    saturated_at: float = 0.9
    """A unit is saturated if at least this share of its values lies in the bin of its largest size."""
    twins_at: float = 0.95
    """Units are twins from this correlation on."""
    sample: int = 512
    """Images whose values are kept for correlations, drawn by their number."""
    positions: int = 8
    """Positions kept of each of them."""

@dataclass(frozen=True, kw_only=True)
class EffectiveComplexity(MeasureConfig):
    """How many pixels the map does not call negligible."""
    eps: float = 1e-05
    """The share of the map's largest absolute value up to which a pixel is negligible."""

@dataclass(frozen=True, kw_only=True)
class EffectiveReceptiveField(InspectConfig[weights.EffectiveReceptiveField]):
    """How strongly each pixel moves the central unit of a layer."""
    layer: str | None = None
    """Layer whose central unit is looked at; the last one with more than one position when not given."""
    samples: int = 32
    """Images of noise that are averaged over."""
    seed: int = 0
    """Of the images and of the channels' signs."""

@dataclass(frozen=True, kw_only=True)
class EfficientMprt(MeasureConfig):
    """How much more complex the map of a fully randomised network is."""
    bins: int = 100
    """Bins of the histogram of |map| whose entropy is the complexity."""
    draw: Literal['normal', 'permute'] = 'normal'
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""

@dataclass(frozen=True, kw_only=True)
class EigenCam(ExplainConfig):
    """A layer's channels along their first principal direction, whatever the class."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """`paper` projects the activations as they are; `pytorch-grad-cam` takes each channel's mean off first, and
    scales the map to run from 0 to 1."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class EigenGradCam(ExplainConfig):
    """A layer's channels times their gradients, along their first principal direction."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """Whose numbers: as they are, or pytorch-grad-cam's, which scales its maps to run from 0 to 1. There the sign is
    whatever the singular vector has; here the map agrees with the sum over channels by either name."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class Evolution(InspectConfig[evolution.Evolution]):
    """A recorded training: filters or decision lines, weights, answers, drift per step."""
    layer: str | None = None
    """Recorded kernel that is drawn, such as `conv1`; the first convolution, or dense layer, when not given."""
    shape: tuple[int, int] | None = None
    """Height and width that a dense kernel's inputs stand for."""
    points: str | None = None
    """An .npz of points in the plane, `x` (n, 2), and their classes, `y` (n,): drawn below decision lines."""
    network: str | None = None
    """`package.module:factory` of the network, or a name that `cnnviz models` lists; the recorder's own when not
    given. Needed for `images` and `synthesised`."""
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
    recipe: str = 'lucid'
    """The recipe of activation maximisation; its smooth start is readable after few steps."""
    start_seed: int = 0
    """Seed of the start, the same at every step."""

@dataclass(frozen=True, kw_only=True)
class ExcitationBackprop(ExplainConfig):
    """Probability that a winner-take-all walk down from the target ends at each pixel or unit."""
    layer: str | None = None
    """The layer at which they are read and summed over channels; the image when not given."""
    contrastive: bool = False
    """Whether the walk down from the opposite of the class, its last weights negated, is subtracted, and what is left
    below 0 removed."""

@dataclass(frozen=True, kw_only=True)
class Exemplars(SurveyConfig[units.Exemplars]):
    """The images, and the places in them, that fire each unit most."""
    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units whose images are kept and drawn; the first six that fire when not given. Numbers cover all units."""
    k: int = 9
    """Entries per unit."""
    entries: Literal['image', 'position'] = 'image'
    """`image`: one entry per image, its strongest position. `position`: every position competes."""
    threshold: float = 0.0
    """A unit fires above this value."""
    levels: tuple[float, ...] = ()
    """Levels below the maximum, such as 0.9, 0.75 and 0.5: images on which the unit's maximum comes nearest to that
    quantile of its maxima over a sample of images."""
    level_k: int = 2
    """Images per level."""
    sample: int = 512
    """Images of that sample, drawn by their number."""

@dataclass(frozen=True, kw_only=True)
class ExtremalPerturbation(ExplainConfig):
    """The smooth mask of a given area that raises the score most."""
    areas: tuple[float, ...] = (0.1,)
    """Shares of the image to keep; one mask is found for each, and the map is their mean."""
    game: Literal['preserve', 'delete', 'dual'] = 'preserve'
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

@dataclass(frozen=True, kw_only=True)
class FaithfulnessCorrelation(MeasureConfig):
    """Correlation of what the map says of random subsets with what their removal does."""
    samples: int = 100
    """Random subsets per image."""
    subset: int | None = None
    """Units in a subset; `None` for 224, or a quarter of a smaller image's."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'target'
    """`target`: the very score that was explained, or the `probability` of the explained class."""

@dataclass(frozen=True, kw_only=True)
class FaithfulnessEstimate(MeasureConfig):
    """Correlation of what the map says of groups of units with what the removal of each alone does."""
    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'target'
    """`target`: the very score that was explained, or the `probability` of the explained class."""

@dataclass(frozen=True, kw_only=True)
class FasterScoreCam(ExplainConfig):
    """Score-CAM of the channels that vary most over the map."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam', 'torchcam'] = 'paper'
    """Whose numbers: the paper's, or those of a peer, which scales its maps."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    masked: Literal['image', 'layer'] = 'image'
    """`image`: each channel's map masks the network's input, as in the paper: every evaluation is a whole forward
    pass. `layer`: it masks the layer's own map, and only what lies above the layer is evaluated."""
    channels: int = 10
    """How many channels of a layer are looked through."""

@dataclass(frozen=True, kw_only=True)
class FeatureAblation(ExplainConfig):
    """How much the score falls when each part of the image, or of a layer, is occluded."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] | None = None
    """The parts of the image as for `lime`; `grid(8)` when not given. Those of a layer: `channels`, `pixels`
    (places), `elements` (every value for itself), `grid(cells along each axis)`, or numbers as large as the layer;
    `channels` when not given."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour; 0.5 when not given. Captum's
    is 0 in the network's own input, which is `model-mean` here. At a layer a number, one per channel or in Python an
    array like it; 0 when not given."""
    at: str | None = None
    """Layer whose parts are set to `fill`, with its axes; the image when not given."""
    engine: Literal['auto', 'dense', 'incremental'] = 'auto'
    """As for `occlusion`; `incremental` needs parts that are boxes, as those of `grid(8)` are."""

@dataclass(frozen=True, kw_only=True)
class FeatureMaps(ExplainConfig):
    """What each channel of a layer answers to the image, and where."""
    layer: str | None = None
    """Layer whose maps are shown; the last one with more than one position when not given."""
    channels: tuple[int, ...] | None = None
    """Which channels, in this order; all when not given."""
    select: Literal['given', 'strongest', 'most_variable'] = 'given'
    """`strongest`: by largest value, `most_variable`: by standard deviation over positions, per image, best first."""
    count: int | None = None
    """Only the first so many of them; all when not given."""

@dataclass(frozen=True, kw_only=True)
class FeaturePermutation(ExplainConfig):
    """How much the score falls when each part of the image, or of a layer, is that of another image."""
    at: str | None = None
    """Layer whose parts are exchanged, with its axes; the image when not given."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] | None = None
    """The parts: `grid(cells along each axis)`, `pixels` (places), `channels`, `elements` (every value for itself),
    or part numbers from 0 as large as the image or the layer; `grid(8)`, at a layer `channels`, when not given."""
    order: Literal['roll', 'random'] = 'roll'
    """`roll`: each image takes from the one before it, the first from the last. `random`: from another by chance;
    none keeps its own."""

@dataclass(frozen=True, kw_only=True)
class FilterMatch(InspectConfig[weights.FilterMatch]):
    """Where an image looks most like a filter: the cosine with every patch."""
    layer: str | None = None
    """Layer that reads the image; the first convolution when not given."""
    unit: int = 0
    """Number of the filter."""
    image: str = ''
    """An image file."""

@dataclass(frozen=True, kw_only=True)
class FilterVariety(InspectConfig[weights.FilterVariety]):
    """Which filters repeat each other, which are zero, how many dimensions they use."""
    layer: str | None = None
    """The only layer to compare; all that have a kernel when not given."""
    twins_at: float = 0.95
    """Filters are twins from this |cosine| on."""

@dataclass(frozen=True, kw_only=True)
class Filters(InspectConfig[weights.FilterBank]):
    """The kernel of a layer as images."""
    layer: str | None = None
    """Layer whose kernel is shown; the first convolution, or dense layer, when not given."""
    shape: tuple[int, int] | None = None
    """Height and width that a dense layer's inputs stand for; the image's where it reads the pixels."""

@dataclass(frozen=True, kw_only=True)
class FinerCam(ExplainConfig):
    """A layer's channels, weighted by what sets the class apart from those that score alike."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """Whose numbers: the paper's, or pytorch-grad-cam's, which scales its maps to run from 0 to 1."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    against: tuple[int, ...] = ()
    """Classes to compare with; the three whose logits come nearest when none are given."""
    alpha: float = 1.0
    """How much of their logits is subtracted; 0 is the class alone."""
    method: Literal['grad-cam', 'grad-cam++', 'xgrad-cam', 'hires-cam', 'layer-cam'] = 'grad-cam'
    """How channels are weighted."""

@dataclass(frozen=True, kw_only=True)
class Focus(MeasureConfig):
    """Share of the map's positive part that lies on the cells of a mosaic that show the class."""

@dataclass(frozen=True, kw_only=True)
class Fullgrad(ExplainConfig):
    """Gradient times input plus gradient times bias, over all layers."""
    rescale: Literal['term', 'channel', 'none'] = 'term'
    """What runs from 0 to 1 before the terms are added: each layer's term, as in the paper; each of its channels, as
    pytorch-grad-cam does; or nothing."""
    signed: bool = False
    """Keep the sign of every term; the paper takes absolute values."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """Whose numbers. `pytorch-grad-cam`: terms of the input, convolutions and norms alone, each channel rescaled, and
    their sum too."""

@dataclass(frozen=True, kw_only=True)
class GradCam(ExplainConfig):
    """A layer's channels, weighted by their mean gradient."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'captum', 'pair', 'pytorch-grad-cam', 'tf-explain', 'torchcam', 'xplique'] = 'paper'
    """Whose numbers. `captum`: no ReLU, enlarged by PyTorch's nearest. `pair`: divided by its maximum. `tf-explain`:
    mean of the positive gradients of active units, no ReLU. `xplique`: enlarged bicubically. `pytorch-grad-cam` and
    `torchcam`: scaled to run from 0 to 1."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    channels: Literal['sum', 'each'] = 'sum'
    """`sum` adds the weighted channels up, as the paper does; `each` returns them one by one."""

@dataclass(frozen=True, kw_only=True)
class GradCamPlusPlus(ExplainConfig):
    """A layer's channels, weighted by positive gradients that count each place of evidence once."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam', 'torchcam', 'xplique'] = 'paper'
    """Whose numbers. `torchcam`: sum of gradient^3 x activation in the weights' denominator, scaled to run from 0 to
    1. `xplique`: means in place of sums, enlarged bicubically. `pytorch-grad-cam`: the paper's with 1e-6 added to the
    denominator, scaled."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class GradientShap(ExplainConfig):
    """Gradient at random points between random baselines and the image."""
    at: str | None = None
    """Layer whose units are given shares, with its axes; the image when not given. The points stay images."""
    samples: int | None = None
    """Random points per image; 50, or the convention's (Captum: 5), when not given."""
    baselines: tuple[str, ...] | str = ('zero', 'value(1)', 'noise')
    """Fills of which each point draws one; see the baseline of integrated-gradients; `noise` is uniform. In Python an
    array of several images, (k, h, w, c), such as some of the training's."""
    noise: str = 'absolute(0)'
    """Gaussian noise on the image: `relative(share)` of its max - min, or `absolute(value)`."""
    convention: Literal['paper', 'captum'] = 'paper'
    """Whose number of points."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... points, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""

@dataclass(frozen=True, kw_only=True)
class GridPointingGame(MeasureConfig):
    """Share of the map's positive part in the cell of a mosaic that shows the class, beside that of every cell."""
    cells: int = 2
    """Rows, and columns, of the mosaic."""

@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(ExplainConfig):
    """Gradient through ReLUs that pass only positive evidence of active units."""
    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""

@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(ExplainConfig):
    """Guided backpropagation, seen through the Grad-CAM map."""
    layer: str | None = None
    """Layer of the Grad-CAM; the last one with more than one position when not given."""
    convention: Literal['paper', 'captum'] = 'paper'
    """`paper` enlarges bilinearly, `captum` by PyTorch's nearest."""

@dataclass(frozen=True, kw_only=True)
class GuidedIg(ExplainConfig):
    """Integrated gradients along a path that moves the least sensitive values first."""
    baseline: float | int | tuple[float | int, ...] | str = 'zero'
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`;
    in Python an array, (h, w, c) or one per image."""
    steps: int = 200
    """Gradients per image, one after another."""
    fraction: float = 0.25
    """Share of the values, those with the smallest gradients, that move at once."""
    max_distance: float = 0.02
    """How far a value may be from the straight path, as a share of the path; 0 is integrated gradients."""

@dataclass(frozen=True, kw_only=True)
class HiresCam(ExplainConfig):
    """A layer's channels times their gradients, place by place."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """Whose numbers: the paper's, or pytorch-grad-cam's, which scales its maps to run from 0 to 1."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class Hsic(ExplainConfig):
    """How much the score depends on each part of the image being there, whatever the shape of the dependence."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(8)'
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = 'model-mean'
    """What shows where a part is absent: as for `occlusion`, or `segment-mean`. The paper multiplies the network's
    own input."""
    masks: int = 500
    """Masks per image, the first points of a Sobol sequence; all 2^parts if there are no more."""
    convention: Literal['paper', 'xplique'] = 'paper'
    """Width of the kernel over scores. `paper`: the median difference of two scores, so that a constant added to all
    changes nothing. `xplique`: the median score."""

@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidence(MeasureConfig):
    """Whether the score rises where only the map's pixels are kept."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class Infidelity(MeasureConfig):
    """Squared error of the map as a linear forecast of what a perturbation does."""
    samples: int = 100
    """Random perturbations per image."""
    perturbation: str = 'gaussian(0.1)'
    """`gaussian(sigma)`: noise on every value. `square(side in pixels)`: one square becomes black."""
    scale: Literal['none', 'optimal'] = 'none'
    """`optimal` multiplies the map by the number that makes the error least, so that units do not count."""
    score: Literal['probability', 'target'] = 'target'
    """`target`: the very score that was explained, or the `probability` of the explained class."""

@dataclass(frozen=True, kw_only=True)
class InputInvariance(MeasureConfig):
    """Whether the map stays when a constant is added to the image and taken off again inside the network."""
    shift: float = 0.5
    """What is added to every value; images are in [0, 1]."""
    tolerance: float = 0.0001
    """The largest difference that still counts as none, as a share of the map's largest |value|."""

@dataclass(frozen=True, kw_only=True)
class InputXGradient(ExplainConfig):
    """Image times gradient: a first-order share of each pixel in the score."""
    at: str | None = None
    """Layer whose values are multiplied by their gradients, with its axes; the image when not given."""

@dataclass(frozen=True, kw_only=True)
class Insertion(MeasureConfig):
    """How fast the score rises as the strongest pixels are inserted: area under the curve."""
    steps: int = 50
    """Steps from the whole image to nothing; each takes the same number of pixels, the strongest first."""
    fill: float | int | tuple[float | int, ...] | str = 'blur(5)'
    """What is there before pixels are inserted: a number, one per channel, or `zero`, `value(v)`, `mean`,
    `model-mean`, `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(ExplainConfig):
    """Gradient integrated from a baseline to the image: shares that sum to the difference of scores."""
    baseline: float | int | tuple[float | int, ...] | str = 'zero'
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`;
    in Python an array, (h, w, c) or one per image."""
    at: str | None = None
    """Layer that moves from its value for the baseline to that for the image, and is given shares; the image when not
    given."""
    quadrature: Literal[
        'gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'trapezoid', 'endpoints'
    ] | None = None
    """Rule of the integral; `gausslegendre`, or the convention's, when not given. `endpoints` is n equally spaced
    nodes from 0 to 1 with weights 1/n, as PAIR has it."""
    nodes: int | None = None
    """Gradients per image; 50, or the convention's, when not given."""
    convention: Literal['paper', 'captum', 'pair', 'xplique', 'tf-explain'] = 'paper'
    """Whose defaults. Captum's trapezoid has weights that sum to 1 - 1/n; here that holds under its name only."""

@dataclass(frozen=True, kw_only=True)
class InternalInfluence(ExplainConfig):
    """Gradient at each unit of a layer, averaged while the image grows out of a baseline."""
    baseline: float | int | tuple[float | int, ...] | str = 'zero'
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`;
    in Python an array, (h, w, c) or one per image."""
    at: str | None = None
    """The layer."""
    quadrature: Literal[
        'gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'trapezoid', 'endpoints'
    ] = 'gausslegendre'
    """Rule of the integral."""
    nodes: int = 50
    """Gradients per image."""

@dataclass(frozen=True, kw_only=True)
class Inversion(SynthesizeConfig):
    """An image that a layer cannot tell from the given one."""
    layer: str
    """The layer whose values are to be met again."""
    steps: int = 400
    """Steps."""
    rate: float = 0.02
    """Rate of Adam."""
    alpha: float = 6.0
    """Power of the norm that keeps intensities in range."""
    alpha_weight: float = 0.001
    """Its weight, per pixel."""
    beta: float = 2.0
    """Power of the total variation."""
    beta_weight: float = 0.01
    """Its weight, per pixel."""

@dataclass(frozen=True, kw_only=True)
class Irof(MeasureConfig):
    """Area over the curve of the score's share that is left as segments are removed, the most relevant first."""
    segments: str = 'grid(8)'
    """`grid(n)`: n x n rectangles. `slic(n)`: about n superpixels, as the paper, with scikit-image."""
    fill: float | int | tuple[float | int, ...] | str = 'mean'
    """What removed segments become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Literal['paper', 'quantus'] = 'paper'
    """`quantus` leaves out the untouched image and does not divide by the number of segments."""

@dataclass(frozen=True, kw_only=True)
class JumpRelu(DictionaryConfig):
    """A sparse autoencoder that learns for each feature from where on it counts."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal['auxk', 'none'] = 'auxk'
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the
    training, when not given."""
    scale: Literal['rms', 'mean-norm', 'unit-power', 'none'] = 'unit-power'
    """As for the others; the three numbers above are in these units."""
    sparsity: float = 0.01
    """What a feature of a row costs, beside a squared error of a row of about 1; it rises over the warm-up."""
    bandwidth: float = 0.05
    """Width around a threshold within which rows say how it should move."""
    threshold: float = 0.05
    """Where the thresholds start."""

@dataclass(frozen=True, kw_only=True)
class KernelShap(ExplainConfig):
    """The Shapley values of the image's parts."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(8)'
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given
    and no convention says otherwise."""
    samples: int | None = None
    """Coalitions per image; 2048, or the convention's (Captum: 25, Xplique: 800), when not given. If there are no
    more than so many, all are asked and the values are exact."""
    convention: Literal['paper', 'captum', 'xplique'] = 'paper'
    """`captum`: all parts, none, then coalitions drawn one by one, without their complements, never all of them;
    occludes by 0 in the network's own input. `xplique`: coalitions are always drawn, one by one, and a plain
    regression is fitted to them, so that the values only come near those that sum to the difference of scores;
    occludes by 0.5."""
    tolerance: float | None = None
    """Stop each image after 4, 8, 16, ... times as many coalitions as there are parts, `samples` at most, once the
    values' standard error is at most this share of their size, both as root mean squares over the parts; all
    `samples` when not given."""

@dataclass(frozen=True, kw_only=True)
class KpcaCam(ExplainConfig):
    """A layer's channels along their first kernel principal component, whatever the class."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam'] = 'paper'
    """Whose numbers: as they are, or pytorch-grad-cam's, which scales its maps to run from 0 to 1. There the largest
    number of an eigenvector is positive; here the map agrees with the sum over channels by either name."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    kernel: Literal['sigmoid', 'rbf', 'polynomial', 'linear'] = 'sigmoid'
    """How alike two places are, x and y their channels less each channel's mean. `sigmoid`: tanh(gamma x.y + 1).
    `rbf`: exp(-gamma |x - y|^2). `polynomial`: (gamma x.y + 1)^3. `linear`: x.y, which is Eigen-CAM, centred."""
    gamma: float | None = None
    """Scale of the kernel; one over the number of channels when not given."""

@dataclass(frozen=True, kw_only=True)
class LayerCam(ExplainConfig):
    """A layer's channels times their positive gradients, place by place."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam', 'torchcam'] = 'paper'
    """Whose numbers: the paper's, or those of a peer, which scales its maps."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class Legrad(ExplainConfig):
    """Gradient of the score by the attention of every layer, as if the network ended there."""
    layers: tuple[str, ...] = ()
    """Softmax layers of attention, as `cnnviz layers` lists them; all whose tokens are those of the map when not
    given."""
    pooling: Literal['head', 'mean'] = 'head'
    """What the head reads of a layer's tokens: what it always reads, such as the class token, or their mean, as the
    authors' code and torch-cam have it."""
    scale: Literal['none', 'min-max'] = 'none'
    """`min-max`: run from 0 to 1, as the authors' code does."""

@dataclass(frozen=True, kw_only=True)
class Lime(ExplainConfig):
    """Weights of a linear model of which parts are occluded, fitted near the image."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(8)'
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given
    and no convention says otherwise."""
    samples: int | None = None
    """Random images with half of their parts occluded, per image; 1000, or the convention's (Captum: 25, Xplique:
    150), when not given."""
    distance: Literal['cosine', 'euclidean', 'input-cosine'] | None = None
    """How far a sample is: `cosine` of which parts are kept, `euclidean` over the pixels, as Xplique has it, or
    `input-cosine` of what the network takes in, after mean and std, as Captum has it."""
    kernel_width: float | None = None
    """Width of the kernel that weights a sample by its distance; 0.25, or the convention's (Captum: 1, Xplique:
    45)."""
    ridge: float | None = None
    """Penalty on the squared weights of the linear model; 1, or the convention's (Captum: 0, Xplique: 2)."""
    lasso: float | None = None
    """Penalty on the sizes of the weights, of scikit-learn's scale, which leaves few of them different from 0; 0, or
    the convention's (Captum: 0.01)."""
    convention: Literal['paper', 'captum', 'xplique'] = 'paper'
    """Whose numbers. `paper`: those of the authors' lime_image.py. `captum` and `xplique`: take every sample at
    random, occlude by 0 in the network's input or by 0.5, and do not take the square root of the kernel, which is
    exp(-d^2 / (2 width^2)) in Captum."""
    tolerance: float | None = None
    """Stop each image after 4, 8, 16, ... times as many samples as there are parts, `samples` at most, once the
    weights' standard error is at most this share of their size, both as root mean squares over the parts; all
    `samples` when not given."""

@dataclass(frozen=True, kw_only=True)
class LocalLipschitzEstimate(MeasureConfig):
    """Largest change of the map for the change of the image, over noisy copies."""
    samples: int = 200
    """Noisy copies of each image."""
    std: float = 0.1
    """Standard deviation of the noise; images are in [0, 1]."""
    norm: Literal['euclidean', 'manhattan'] = 'euclidean'
    """How large a change of the map is: root of the sum of squares, or sum of absolute values."""

@dataclass(frozen=True, kw_only=True)
class Lrp(ExplainConfig):
    """The score handed back layer by layer, by a rule for each: relevance of each pixel."""
    composite: Literal[
        'epsilon', 'z+', 'epsilon-plus', 'epsilon-plus-flat', 'epsilon-alpha2-beta1', 'epsilon-alpha2-beta1-flat',
        'epsilon-gamma-box', 'sequential-preset-a', 'sequential-preset-a-flat', 'sequential-preset-b',
        'sequential-preset-b-flat', 'deep-taylor'
    ] = 'epsilon'
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes
    relevance on place by place, for a layer whose output has its input's shape."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7, Captum: 1e-9), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    at: str | None = None
    """Layer whose units' relevance is returned, with its axes; the image when not given."""
    conditions: tuple[str, ...] = ()
    """Channels by which relevance may pass, `layer=channels`, such as `conv3=31,5` or, for two layers, `conv3=31;
    conv1=2`; in Python also `{"conv3": [31, 5]}`. Several conditions, all of the same layers, give one map each."""
    skip: Literal['exclude', 'keep'] = 'exclude'
    """What becomes of relevance that passes by a condition's layer, as through a skip connection."""
    convention: Literal['paper', 'innvestigate', 'captum'] = 'paper'
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts
    twice where ours is shared."""

@dataclass(frozen=True, kw_only=True)
class MatchingPursuit(DictionaryConfig):
    """A dictionary that takes a row apart one feature after the other, each the one that what is left points
    along."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal['auxk', 'none'] = 'auxk'
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the
    training, when not given."""
    scale: Literal['rms', 'mean-norm', 'unit-power', 'none'] = 'rms'
    """What the rows are divided by before: `rms` makes their mean square 1 a channel, `mean-norm` their mean length
    the root of the channels, `unit-power` their mean squared length 1. What is learned is in the layer's own
    units."""
    k: int | None = None
    """Features of a row; 32, at most a quarter of the channels, when not given."""
    refit: bool = False
    """Whether the amounts of all features of a row are fitted anew after each (orthogonal matching pursuit)."""

@dataclass(frozen=True, kw_only=True)
class MaxSensitivity(MeasureConfig):
    """Largest relative change of the map when the image is shaken a little."""
    samples: int = 10
    """Shaken copies of each image."""
    radius: float = 0.02
    """Largest change of any value; images are in [0, 1]."""

@dataclass(frozen=True, kw_only=True)
class Monotonicity(MeasureConfig):
    """Whether the score never falls as units are revealed, the weakest first."""
    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class MonotonicityCorrelation(MeasureConfig):
    """Rank correlation of the map's sizes with how uncertain the score is without what they stand on."""
    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    samples: int = 100
    """Fills drawn for every group; one where the fill is fixed."""
    fill: float | int | tuple[float | int, ...] | str = 'uniform'
    """What removed units become: `uniform`, one number between the image's least and largest for each draw, or a
    number, one per channel, `zero`, `value(v)`, `mean`, `model-mean`, `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class MuFidelity(MeasureConfig):
    """Rank correlation of what the map says of random blocks with what their removal does."""
    samples: int = 200
    """Random masks per image."""
    grid: int = 9
    """Rows, and columns, of the blocks."""
    share: float = 0.2
    """Probability that a block is removed."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed blocks become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'target'
    """`target`: the very score that was explained, or the `probability` of the explained class."""

@dataclass(frozen=True, kw_only=True)
class Nmf(DictionaryConfig):
    """Non-negative factors of a layer: values as sums of directions, nothing taken away."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    rows: int = 16384
    """Rows that are factorised, drawn by the seed; all where there are fewer."""
    iterations: int = 500
    """Sweeps, at most."""
    tolerance: float = 0.0001
    """Change of the codes by a sweep, as a share of their size, below which it stops."""

@dataclass(frozen=True, kw_only=True)
class NonSensitivity(MeasureConfig):
    """How many units the map calls negligible though the score needs them, or the other way round."""
    eps: float = 1e-05
    """Up to which share of the map's largest |value|, and up to which change of the score, a unit is negligible."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class Occlusion(ExplainConfig):
    """How much the score falls when each window of the image is occluded."""
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
    edge: Literal['full', 'truncate'] | None = None
    """`full`: only whole windows. `truncate`: one more at the border, cut off there, as Captum does. As the
    convention has it when not given; the paper's is `full`."""
    score: Literal['drop', 'raw', 'one_minus', 'distribution'] | None = None
    """`drop`: score less occluded score. `raw`: the occluded score. `one_minus`: 1 less it. `distribution`: total
    variation distance between the predicted distributions. As the convention has it when not given; the paper's is
    `drop`."""
    gather: Literal['grid', 'average', 'sum'] | None = None
    """`grid`: one number per window, enlarged. `average` or `sum`: per pixel, over the windows that occlude it. As
    the convention has it when not given; the paper's is `grid`."""
    channels: tuple[int, ...] | None = None
    """Which channels are occluded; all when not given."""
    engine: Literal['auto', 'dense', 'incremental'] = 'auto'
    """`dense`: every occluded image is run whole. `incremental`: only what its window reaches is recomputed, with the
    same result. `auto`: whichever is predicted to be faster."""
    adaptive: float | None = None
    """Share of the windows to compute, such as 0.25: a coarse grid first, then where it changes most; the others are
    interpolated, and the result says which. All are computed when not given."""
    convention: Literal['paper', 'captum', 'pair', 'tf-explain', 'xplique'] = 'paper'
    """Whose edge, score and gather. `captum`: truncate, drop, average. `pair` and `xplique`: full, drop, sum.
    `tf-explain`: truncate, one_minus, grid."""

@dataclass(frozen=True, kw_only=True)
class ParameterRandomization(MeasureConfig):
    """How alike the map stays as layers are randomised from the top down."""
    draw: Literal['normal', 'permute'] = 'normal'
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""
    sign: Literal['keep', 'drop'] = 'keep'
    """Whether maps are compared as they are, or by their absolute values."""

@dataclass(frozen=True, kw_only=True)
class PartitionShap(ExplainConfig):
    """Owen values: Shapley values in which boxes of the image appear as one before they are split."""
    segments: str | tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...] = 'pixels'
    """The parts at the ends of the tree, known beforehand: `grid(cells along each axis)`, `pixels`, `channels`,
    `elements` (every value for itself), or a mask of part numbers from 0 as large as the images (height x width, or
    height x width x channels) or as the vector, series or volume."""
    fill: float | tuple[float, ...] | str | None = 0.5
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour."""
    evaluations: int | None = 500
    """Forward passes per image at most, two for each group that is split; the groups whose halves matter most are
    split first, and what is left of a group is spread evenly over its pixels. `None` splits the whole tree."""
    context: Literal['both', 'off', 'on'] = 'both'
    """Next to what a group's halves are judged: with the other half absent and present, each half the time, which
    makes them Owen values; or with it always absent (`off`) or always present (`on`), which takes fewer evaluations
    and gives other values of the same sum."""
    tree: str | None = None
    """A tree of your own over the part numbers, such as `((0,1),(2,3))`. Boxes halved along their longer side,
    channels last, when not given."""
    at_once: int = 16
    """Groups that are split together before the next are chosen; 5 is shap's batch_size of 10."""

@dataclass(frozen=True, kw_only=True)
class PermutationShap(ExplainConfig):
    """The mean contribution of each part of the image over random orders in which parts appear."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(8)'
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given
    and no convention says otherwise."""
    samples: int = 25
    """Random orders per image."""
    antithetic: bool = False
    """Follow each order by its reverse, so that `samples` is even: less noise where contributions grow or shrink with
    what is there already."""

@dataclass(frozen=True, kw_only=True)
class PixelFlipping(MeasureConfig):
    """How fast the score falls as units are flipped, the strongest first: area under the curve."""
    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Literal['paper', 'quantus'] = 'paper'
    """`quantus` leaves out the untouched image and does not divide the area by the number of steps."""

@dataclass(frozen=True, kw_only=True)
class PointingGame(MeasureConfig):
    """Whether the strongest pixel lies on the object."""
    tolerance: int = 0
    """How many pixels the strongest one may be off the object; the paper allows 15 on images of some 500."""

@dataclass(frozen=True, kw_only=True)
class RandomLogit(MeasureConfig):
    """How alike the map of another class, drawn at random, is."""
    convention: Literal['image', 'quantus'] = 'image'
    """`image`: structural similarity over windows of 7 x 7 pixels. `quantus`: of the map as one row of numbers."""

@dataclass(frozen=True, kw_only=True)
class ReceptiveField(InspectConfig[weights.ReceptiveFields]):
    """What each unit of each layer sees of the input."""
    layer: str | None = None
    """The only layer to list; all of them when not given."""
    unit: tuple[int, ...] | None = None
    """Row and column of a unit of `layer`, in a volume slice, row and column: what it sees of each layer below and of
    the image."""

@dataclass(frozen=True, kw_only=True)
class RegionPerturbation(MeasureConfig):
    """How far the score has fallen, on average, as square regions are removed in the order of the map."""
    patch_px: int = 8
    """Side of a region, in pixels."""
    regions: int = 100
    """Regions that are removed at most."""
    order: Literal['morf', 'lerf', 'random'] = 'morf'
    """The most relevant first (higher is better), the least relevant first (lower is better), or at random."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed regions become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class RelativeInputStability(MeasureConfig):
    """Largest relative change of the map for the relative change of the image."""
    samples: int = 200
    """Shaken copies of each image; those whose top class changes do not count."""
    radius: float = 0.05
    """Largest change of any value; images are in [0, 1]."""

@dataclass(frozen=True, kw_only=True)
class RelativeOutputStability(MeasureConfig):
    """Largest relative change of the map for the change of the logits."""
    samples: int = 200
    """Shaken copies of each image; those whose top class changes do not count."""
    radius: float = 0.05
    """Largest change of any value; images are in [0, 1]."""

@dataclass(frozen=True, kw_only=True)
class RelativeRepresentationStability(MeasureConfig):
    """Largest relative change of the map for the relative change of a layer's values."""
    samples: int = 200
    """Shaken copies of each image; those whose top class changes do not count."""
    radius: float = 0.05
    """Largest change of any value; images are in [0, 1]."""
    layer: str | None = None
    """The layer; `None` for the last with a map."""

@dataclass(frozen=True, kw_only=True)
class RelevanceMassAccuracy(MeasureConfig):
    """Share of the map's sum that lies on the object."""
    part: Literal['refuse', 'positive', 'abs', 'signed'] = 'refuse'
    """What is summed where a map has negative values: its `positive` part, its `abs` values, or the values as they
    are, `signed`, whose share may leave 0 to 1. `refuse`: such a map is an error."""

@dataclass(frozen=True, kw_only=True)
class RelevanceMaximization(SurveyConfig[units.Exemplars]):
    """The images, and the places in them, in which each unit mattered most for the class."""
    composite: Literal[
        'epsilon', 'z+', 'epsilon-plus', 'epsilon-plus-flat', 'epsilon-alpha2-beta1', 'epsilon-alpha2-beta1-flat',
        'epsilon-gamma-box', 'sequential-preset-a', 'sequential-preset-a-flat', 'sequential-preset-b',
        'sequential-preset-b-flat', 'deep-taylor'
    ] = 'epsilon'
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes
    relevance on place by place, for a layer whose output has its input's shape."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7, Captum: 1e-9), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    convention: Literal['paper', 'innvestigate', 'captum'] = 'paper'
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts
    twice where ours is shared."""
    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units whose images are kept and drawn; the six of the largest mean relevance when not given. Numbers cover all
    units."""
    k: int = 9
    """Images per unit; the authors keep 40."""
    target: int | None = None
    """Index of the class whose score is handed back; the one that is predicted for each image when not given."""
    statistic: Literal['sum', 'max'] = 'sum'
    """A unit's relevance in an image: the sum over positions, or the largest of them."""
    abs_norm: bool = True
    """Whether it is divided by the sizes of all units' relevances in that image."""

@dataclass(frozen=True, kw_only=True)
class RelevanceRankAccuracy(MeasureConfig):
    """Share of the strongest pixels, as many as the object has, that lies on the object."""

@dataclass(frozen=True, kw_only=True)
class Rise(ExplainConfig):
    """Mean score over random masks that keep a pixel."""
    masks: int = 4000
    """Random masks per image."""
    grid: int | tuple[int, ...] = 7
    """Cells of a mask along each axis (one number for all), before it is enlarged."""
    probability: float = 0.5
    """Chance that a cell is kept."""
    fill: float | tuple[float, ...] | str = 'model-mean'
    """What shows where a mask is 0: as for `occlusion`. The paper multiplies the network's own input, so that what
    the model subtracts shows."""
    convention: Literal['paper', 'xplique'] = 'paper'
    """`paper` divides by masks x probability, `xplique` by how often each pixel was kept."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... masks, `masks` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `masks` when not given."""

@dataclass(frozen=True, kw_only=True)
class Road(MeasureConfig):
    """Score as pixels are replaced by what their neighbours suggest, least against most relevant first."""
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Shares of the pixels that are imputed."""
    order: Literal['combined', 'morf', 'lerf'] = 'combined'
    """`morf`: the most relevant first (lower is better). `lerf`: the least relevant first (higher is better).
    `combined`: half of lerf less morf."""
    noise: float = 0.01
    """Standard deviation of the noise on imputed pixels, so that they cannot be told by their smoothness."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""

@dataclass(frozen=True, kw_only=True)
class Saliency(ExplainConfig):
    """Gradient of the score with respect to each pixel."""
    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""
    convention: Literal['paper', 'captum'] = 'paper'
    """`captum`: absolute values, as its `Saliency` gives by default (`abs=True`)."""

@dataclass(frozen=True, kw_only=True)
class ScoreCam(ExplainConfig):
    """A layer's channels, weighted by the score of the image seen through each."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam', 'torchcam'] = 'paper'
    """Whose numbers: the paper's, or those of a peer, which scales its maps."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    masked: Literal['image', 'layer'] = 'image'
    """`image`: each channel's map masks the network's input, as in the paper: every evaluation is a whole forward
    pass. `layer`: it masks the layer's own map, and only what lies above the layer is evaluated."""

@dataclass(frozen=True, kw_only=True)
class Selectivity(MeasureConfig):
    """How fast the score falls as square regions are removed, the most relevant first: area under the curve."""
    patch_px: int = 8
    """Side of a region, in pixels."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed regions become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Literal['paper', 'quantus'] = 'paper'
    """`quantus` leaves out the untouched image and does not divide the area by the number of steps."""

@dataclass(frozen=True, kw_only=True)
class SemiNmf(DictionaryConfig):
    """Factors whose codes are not negative and whose directions may have any sign."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    rows: int = 16384
    """Rows that are factorised, drawn by the seed; all where there are fewer."""
    iterations: int = 500
    """Sweeps, at most."""
    tolerance: float = 0.0001
    """Change of the codes by a sweep, as a share of their size, below which it stops."""

@dataclass(frozen=True, kw_only=True)
class SensitivityN(MeasureConfig):
    """Correlation, over images, of the map's sum over the n strongest units with what their removal does."""
    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    fill: float | int | tuple[float | int, ...] | str = 'zero'
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal['pixel', 'element'] = 'pixel'
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Literal['probability', 'target'] = 'probability'
    """`probability` of the explained class, or `target`: the very score that was explained."""
    largest: float = 0.8
    """The largest share of the units that is removed."""
    convention: Literal['paper', 'quantus'] = 'paper'
    """`quantus` correlates the fall of the score with the sum over the last group removed alone, and counts units
    without channels."""

@dataclass(frozen=True, kw_only=True)
class Shapley(ExplainConfig):
    """The Shapley values of up to 16 parts of the image, exactly: all coalitions are asked."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(3)'
    """The parts, at most 16: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for
    itself), a mask of part numbers from 0 as large as the images (height x width, or height x width x channels) or as
    the vector, series or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at
    most)`, `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given
    and no convention says otherwise."""

@dataclass(frozen=True, kw_only=True)
class SmoothGradCamPlusPlus(ExplainConfig):
    """Grad-CAM++ with derivatives averaged over noisy copies of the image."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'torchcam'] = 'paper'
    """Whose numbers. `torchcam`: sum of activation x gradient^3 in the denominator, scaled to run from 0 to 1."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""
    samples: int = 25
    """Noisy copies of each image."""
    noise: str = 'relative(0.15)'
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`."""
    numerator: Literal['second', 'first'] = 'second'
    """Which mean derivative stands in the weights' numerator. `second` is Grad-CAM++'s, and without noise the map is
    Grad-CAM++'s. `first` is the formula as torch-cam's documentation reports it from the paper."""

@dataclass(frozen=True, kw_only=True)
class SmoothMprt(MeasureConfig):
    """How alike maps that are averaged over noise stay as layers are randomised from the bottom up."""
    samples: int = 50
    """Copies of each image that a map is the mean over: one as it is, the others with noise."""
    noise: float = 0.1
    """Standard deviation of the noise, as a share of the image's range."""
    draw: Literal['normal', 'permute'] = 'normal'
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""

@dataclass(frozen=True, kw_only=True)
class Smoothdiff(ExplainConfig):
    """Gradient through the mean Jacobians of noisy copies: SmoothGrad's smoothness by one backward pass."""
    samples: int = 20
    """Noisy copies of each image, each one forward pass."""
    noise: str = 'relative(0.15)'
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`."""

@dataclass(frozen=True, kw_only=True)
class Smoothgrad(ExplainConfig):
    """Gradient averaged over noisy copies of the image."""
    samples: int | None = None
    """Noisy copies of each image; 50, or the convention's, when not given."""
    noise: str | None = None
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`;
    `relative(0.15)`, or the convention's, when not given."""
    method: Literal[
        'saliency', 'guided-backprop', 'deconvnet', 'input-x-gradient', 'integrated-gradients', 'deeplift'
    ] = 'saliency'
    """Which gradient method is averaged; one with a baseline or nodes takes its own defaults."""
    convention: Literal['paper', 'captum', 'pair', 'xplique', 'tf-explain', 'innvestigate'] = 'paper'
    """Whose number of copies and noise."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... copies, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""

@dataclass(frozen=True, kw_only=True)
class SmoothgradSquared(ExplainConfig):
    """Squared gradient averaged over noisy copies of the image."""
    samples: int | None = None
    """Noisy copies of each image; 50, or the convention's, when not given."""
    noise: str | None = None
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`;
    `relative(0.15)`, or the convention's, when not given."""
    method: Literal[
        'saliency', 'guided-backprop', 'deconvnet', 'input-x-gradient', 'integrated-gradients', 'deeplift'
    ] = 'saliency'
    """Which gradient method is averaged; one with a baseline or nodes takes its own defaults."""
    convention: Literal['paper', 'captum', 'pair', 'xplique', 'tf-explain', 'innvestigate'] = 'paper'
    """Whose number of copies and noise."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... copies, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""

@dataclass(frozen=True, kw_only=True)
class Sobol(ExplainConfig):
    """Share of the score's variance in which each part has a hand."""
    segments: str | tuple[
        int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...
    ] = 'grid(8)'
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = 'model-mean'
    """What shows as a part fades: as for `occlusion`, or `segment-mean`. The paper multiplies the network's own
    input."""
    designs: int = 32
    """Rows of each sampling matrix; a power of two for `sampler="sobol"`."""
    sampler: Literal['sobol', 'random'] = 'sobol'
    """`sobol`: the same low-discrepancy points for every image. `random`: uniform from the key."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... rows, `designs` at most, once the indices' standard error is at most this
    share of their size, both as root mean squares over the parts; all `designs` when not given."""

@dataclass(frozen=True, kw_only=True)
class SoftmaxInformationCurve(MeasureConfig):
    """How much of the probability comes back for how much of the image's information: area under the curve."""
    shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75)
    """Shares of the pixels that are revealed, the strongest first."""
    start: float = 0.01
    """Share of the pixels, drawn at random, that the blurred image is made of; the four corners come with them."""
    least: float = 0.8
    """Images whose class has a smaller probability are left out."""
    growing: bool = True
    """Whether the most that came back with fewer pixels counts, as in the paper; so more pixels never lower it."""

@dataclass(frozen=True, kw_only=True)
class Sparseness(MeasureConfig):
    """The Gini index of the map: 0 evenly spread, towards 1 on one pixel."""

@dataclass(frozen=True, kw_only=True)
class Sufficiency(MeasureConfig):
    """Share of the other images with a map as near that are predicted alike."""
    threshold: float = 0.6
    """Up to which share of the largest distance among the maps two are near."""

@dataclass(frozen=True, kw_only=True)
class Tcav(SurveyConfig[Any]):
    """How often a class's score rises towards each concept that images show."""
    layer: str | None = None
    """Layer whose activations are told apart; the last one with more than one position when not given."""
    target: int = 0
    """Index of the class whose score is asked about."""
    examined: str = 'examined'
    """Label, by name or number, of the images on which the class is asked about."""
    random: str = 'random'
    """Label of the images that show nothing in particular. Every other label is a concept."""
    label_names: tuple[str, ...] = ()
    """Names of the labels 0, 1, 2, ...; a folder's own, or the model's classes, when not given."""
    pool: Literal['none', 'mean'] = 'none'
    """`none`: a direction has a number for every place and channel, as in the paper. `mean`: one per channel, of
    means over places."""
    runs: int = 20
    """Random sets with which each concept is told apart; the paper has up to 500."""
    penalty: float = 0.01
    """Weight of the squared direction against the mean loss of the classifier, activations scaled to size 1."""
    image_count: int = 800
    """Most images kept, of all labels together; chosen by their number where there are more."""
    seed: int = 0
    """Decides the random sets."""

@dataclass(frozen=True, kw_only=True)
class TopKIntersection(MeasureConfig):
    """Share of the strongest pixels that lies on the object."""
    k: int | None = None
    """How many pixels; `None` for 1000, or a tenth of a smaller image's."""
    concept_influence: bool = False
    """Whether to divide by the object's share of the image, so that chance is 1."""

@dataclass(frozen=True, kw_only=True)
class Topk(DictionaryConfig):
    """A sparse autoencoder that keeps the k strongest features of each row."""
    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""
    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal['auxk', 'none'] = 'auxk'
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the
    training, when not given."""
    scale: Literal['rms', 'mean-norm', 'unit-power', 'none'] = 'rms'
    """What the rows are divided by before: `rms` makes their mean square 1 a channel, `mean-norm` their mean length
    the root of the channels, `unit-power` their mean squared length 1. What is learned is in the layer's own
    units."""
    k: int | None = None
    """Features of a row; 32, at most a quarter of the channels, when not given."""

@dataclass(frozen=True, kw_only=True)
class Vargrad(ExplainConfig):
    """Variance of the gradient over noisy copies of the image."""
    samples: int | None = None
    """Noisy copies of each image; 50, or the convention's, when not given."""
    noise: str | None = None
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`;
    `relative(0.15)`, or the convention's, when not given."""
    method: Literal[
        'saliency', 'guided-backprop', 'deconvnet', 'input-x-gradient', 'integrated-gradients', 'deeplift'
    ] = 'saliency'
    """Which gradient method is averaged; one with a baseline or nodes takes its own defaults."""
    convention: Literal['paper', 'captum', 'pair', 'xplique', 'tf-explain', 'innvestigate'] = 'paper'
    """Whose number of copies and noise."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... copies, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""
    ddof: int | None = None
    """Divide by copies - ddof; 0 (the variance of these copies), or the convention's (Xplique: 1), when not given."""

@dataclass(frozen=True, kw_only=True)
class XgradCam(ExplainConfig):
    """A layer's channels, weighted by their gradient where they are active."""
    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    layers: tuple[str, ...] = ()
    """Several layers whose maps are fused, in place of one."""
    fuse: Literal['mean', 'max', 'tanh-max'] | None = None
    """How several maps become one. `mean`: of the maps scaled to run from 0 to 1, as pytorch-grad-cam does. `max`:
    their maximum, as torch-cam does. `tanh-max`: the maximum of tanh(2 map / its maximum), Layer-CAM's equation 9.
    When not given: `tanh-max` for layer-cam, `max` for the convention torchcam, else `mean`."""
    relu: bool | None = None
    """Whether only what speaks for the target is kept; as the paper or the convention does when not given."""
    convention: Literal['paper', 'pytorch-grad-cam', 'torchcam'] = 'paper'
    """Whose numbers: the paper's, or those of a peer, which scales its maps."""
    augment: bool = False
    """Explain six views of each image, as it is and mirrored, each 0.9, 1 and 1.1 times the network's input, and
    return the mean of their maps, mirrored back: `aug_smooth` of pytorch-grad-cam."""
    smooth: Literal['eigen'] | None = None
    """`eigen`: the weighted channels along their first principal direction, each channel's mean taken off, in place
    of their sum: `eigen_smooth` of pytorch-grad-cam, turned so that it agrees with the sum."""

@dataclass(frozen=True, kw_only=True)
class Xrai(ExplainConfig):
    """Regions of the image ranked by their integrated gradients."""
    quadrature: Literal[
        'gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'trapezoid', 'endpoints'
    ] | None = None
    """Rule of integrated gradients; `gausslegendre`, or PAIR's `endpoints`, when not given."""
    nodes: int | None = None
    """Gradients per baseline, of which there are two; 50, or PAIR's 100, when not given."""
    scales: tuple[float, ...] = (50, 100, 150, 250, 500, 1200)
    """Felzenszwalb's scales; each is one segmentation."""
    sigma: float = 0.8
    """Smoothing before the segmentation, in pixels of the resized image."""
    min_size: int = 150
    """Least pixels of a segment, of the resized image."""
    size: int = 224
    """Side to which images are resized for the segmentation."""
    dilation: int = 5
    """By how many pixels of the resized image each segment grows."""
    min_share: float = 0.001
    """A segment that adds a smaller share of the image is left out."""
    convention: Literal['paper', 'pair'] = 'paper'
    """Whose quadrature and nodes."""
