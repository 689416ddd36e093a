"""Performance information curves: the score against what a revealed image says, in bytes (Kapishnikov et al. 2019)."""

import io
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, features
from scipy.interpolate import interp1d
from scipy.spatial import Delaunay

from cnnviz_jax.plugin import ClassScore, HostCase, HostMetric, Measured, Model, UsageError, targets
from cnnviz_plugins.measure.classes_alike import best_classes
from cnnviz_plugins.measure.options.information import AccuracyInformationCurveConfig, SoftmaxInformationCurveConfig

POINTS = 1000
"""Parts of the axis of information; the curve has a point at each end."""
_UNDEFINED = (
    "its class has too small a probability, or the blurred image has as many bytes or as high a score as the image "
    "(see extras['left_out'])"
)
Scores = Callable[[Model, int, Float[np.ndarray, "m h w c"]], Float[np.ndarray, " m"]]
"""`scores(model, index, images)`: what the class of that index has on each image."""


def softmax_information(config: SoftmaxInformationCurveConfig, model: Model) -> HostMetric:
    """Return the measure: area under the class's probability over the information that is revealed.

    Both run from those of a blurred image to those of the image, cut off at 0 and 1. The blurred image is interpolated
    linearly from a random hundredth of the pixels; the strongest pixels are put back share by share, and what lies
    between is interpolated again. Information is the length of the image in WebP without loss. `curve` has the score at
    shares of the information from 0 to 1; the paper's curve of many images is the median of theirs. `extras` has
    `left_out`: 0 for an image that counts, 1 where its class has too small a probability, 2 where the blurred image is
    as long, 3 where it scores as high.

    Randomness: the first pixels of an image are drawn with its key, the same for every map.
    Cost: a forward pass for each share and two, on 8-bit images; a triangulation and a WebP for each, on the host.
    Source: Kapishnikov, Bolukbasi, Viégas, Terry 2019, section 4; saliency/metrics/pic.py, whose numbers these are.

    Raises:
        UsageError: Images have neither one nor three channels, Pillow writes no WebP, or no class is explained.
    """

    def scores(model: Model, index: int, images: Float[np.ndarray, "m h w c"]) -> Float[np.ndarray, " m"]:
        target = targets.class_score(index, "probability")
        return np.asarray(jax.vmap(lambda output: target.score(output, {}))(model(images)), np.float64)

    return _measure(config, model, scores)


def accuracy_information(config: AccuracyInformationCurveConfig, model: Model) -> HostMetric:
    """Return the measure: as `softmax_information`, of whether the explained class is the best one.

    Randomness: as there.
    Cost: as there.
    Source: Kapishnikov, Bolukbasi, Viégas, Terry 2019, section 4.

    Raises:
        UsageError: As there.
    """

    def scores(model: Model, index: int, images: Float[np.ndarray, "m h w c"]) -> Float[np.ndarray, " m"]:
        return (best_classes(model, images) == index).astype(np.float64)

    return _measure(config, model, scores)


def _measure(config: SoftmaxInformationCurveConfig, model: Model, scores: Scores) -> HostMetric:
    if model.input_shape[-1] not in (1, 3):
        raise UsageError(
            "information is the length of a grey or a colour image, of 1 or 3 channels; these have "
            f"{model.input_shape[-1]}"
        )
    if not features.check("webp"):
        raise UsageError("information is the length of a WebP file, which this Pillow does not write")

    def run(case: HostCase) -> Measured:
        inner = case.target.inner
        if not isinstance(inner, ClassScore):
            raise UsageError("information curves are of a class's probability; explain a class")
        (height, width), own = case.images.shape[1:3], np.asarray(inner.index)
        images = np.rint(np.clip(case.images, 0, 1) * 255).astype(np.uint8)
        areas, curves, left_out = [], [], []
        for number, (image, heat) in enumerate(zip(images, np.asarray(case.target.heat), strict=True)):
            first, index = first_pixels(case.keys[number], height, width, config.start), int(own[number])
            ends = np.stack([revealed(image, first), image])
            found, sizes = _told(scores, case.model, index, ends)
            reason = _reason(found, sizes, config.least)
            curve = np.full(POINTS + 1, np.nan)
            if not reason:
                shown = np.stack([revealed(image, first | mask) for mask in strongest(heat, config.shares)])
                between, lengths = _told(scores, case.model, index, shown)
                curve = information_curve(
                    np.array([sizes[0], *lengths, sizes[1]]), np.array([found[0], *between, found[1]]), config.growing
                )
            areas.append(np.trapezoid(curve) / POINTS)
            curves.append(curve)
            left_out.append(reason)
        return Measured(
            values=np.asarray(areas, np.float32),
            curve=np.asarray(curves, np.float32),
            extras={"left_out": np.asarray(left_out, np.int32)},
        )

    at = tuple(float(share) for share in np.linspace(0, 1, POINTS + 1))
    notes = (("webp", str(features.version("webp"))),)
    return HostMetric(
        run=run, better="higher", at=at, axis="share of the information", undefined=_UNDEFINED, notes=notes
    )


def _told(
    scores: Scores, model: Model, index: int, images: UInt8[np.ndarray, "m h w c"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The class's score on each image, and its length."""
    return scores(model, index, images.astype(np.float32) / 255), np.array([length(one) for one in images], np.float64)


def _reason(scores: Float[np.ndarray, " m"], sizes: Float[np.ndarray, " m"], least: float) -> int:
    if scores[-1] < least:
        return 1
    return 2 if sizes[0] >= sizes[-1] else 3 if scores[0] >= scores[-1] else 0


def first_pixels(key: jax.Array, height: int, width: int, share: float) -> Bool[np.ndarray, "h w"]:
    """Return a mask of a random share of the pixels."""
    mask = np.zeros(height * width, bool)
    mask[np.asarray(jax.random.permutation(key, height * width))[: int(height * width * share)]] = True
    return mask.reshape(height, width)


def strongest(heat: Float[np.ndarray, "h w"], shares: tuple[float, ...]) -> Bool[np.ndarray, "shares h w"]:
    """Return masks of the pixels that reach each quantile; equal ones come together."""
    return np.stack([heat >= np.quantile(heat, 1 - share) for share in shares])


def revealed(image: UInt8[np.ndarray, "h w c"], mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return the image known at the mask's pixels and the four corners only, linear between them."""
    known = mask.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    if known.all():
        return image
    found = image.copy()
    found[~known] = np.round(_between(np.argwhere(known), image[known], known.shape))[~known]
    return found


def _between(
    points: Int[np.ndarray, "n 2"], values: UInt8[np.ndarray, "n c"], shape: tuple[int, ...]
) -> Float[np.ndarray, "h w c"]:
    """Linear over the triangles of Delaunay, every pixel from one that holds it.

    SciPy's interpolator has these triangles too, but finds a pixel's by walking, and among the many of equal circles
    that a grid has it loses its way: 31 CPU s for 64 x 64 pixels, of which half are known, against 0.02 s here.
    """
    corners = Delaunay(points).simplices  # t 3
    low, high = points[corners].min(1), points[corners].max(1)  # t 2
    sizes = high - low + 1
    triangle = np.repeat(np.arange(len(corners)), sizes.prod(1))
    number = np.arange(len(triangle)) - np.repeat(np.cumsum(sizes.prod(1)) - sizes.prod(1), sizes.prod(1))
    pixel = low[triangle] + np.stack([number // sizes[triangle, 1], number % sizes[triangle, 1]], -1)
    first, second, third = (points[corners[triangle, k]].astype(np.float64) for k in range(3))
    across, along, out = second - first, third - first, pixel - first
    area = across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]
    flat = area == 0
    area = np.where(flat, 1.0, area)
    shares = np.stack(
        [
            (out[:, 0] * along[:, 1] - out[:, 1] * along[:, 0]) / area,
            (across[:, 0] * out[:, 1] - across[:, 1] * out[:, 0]) / area,
        ]
    )
    shares = np.stack([1 - shares.sum(0), *shares], -1)
    inside = (shares.min(1) >= -1e-9) & ~flat  # an edge belongs to both its triangles, which agree there
    found = np.zeros((*shape, values.shape[-1]))
    mixed = (shares[inside, :, None] * values[corners[triangle[inside]]]).sum(1)
    found[tuple(pixel[inside].T)] = mixed
    return found


def length(image: UInt8[np.ndarray, "h w c"]) -> int:
    """Return how many bytes the image has as WebP without loss; which they are depends on the encoder's version."""
    written = io.BytesIO()
    Image.fromarray(image if image.shape[-1] == 3 else image[..., 0]).save(
        written, format="webp", lossless=True, quality=100
    )
    return written.getbuffer().nbytes


def information_curve(
    sizes: Float[np.ndarray, " m"], scores: Float[np.ndarray, " m"], growing: bool = True
) -> Float[np.ndarray, " points"]:
    """Return the score at even shares of the information; both from those of the first entry to those of the last."""
    at, height = (np.clip((each[1:-1] - each[0]) / (each[-1] - each[0]), 0, 1) for each in (sizes, scores))
    height = np.maximum.accumulate(height) if growing else height
    # Where several points have one place, what lies between is that of the peer's interpolation, sorted as there.
    line = interp1d([*at, 0.0, 1.0], [*height, 0.0, 1.0])
    return np.append(line(np.linspace(0, 1, POINTS, endpoint=False)), 1.0)
