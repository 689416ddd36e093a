"""Makes the images of the pages: `python docs/images/make.py`, from the bundled network and its own images."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib import pyplot as plt
from PIL import Image

import cnnviz_jax as cv

HERE = Path(__file__).parent
TECHNIQUES = ("saliency", "smoothgrad", "guided-backprop", "grad-cam", "occlusion")


def single(values: Float[np.ndarray, "h w *c"]) -> Float[np.ndarray, "h w"]:
    """Return one number per pixel: the largest size over channels, as the saliency paper shows gradients."""
    return np.abs(values).max(-1) if values.ndim == 3 else np.maximum(values, 0)


def explanations(path: Path, count: int = 3) -> None:
    """Write a sheet: an image a row, a technique a column, each map from 0 to its own 99th percentile."""
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", count)
    results = {name: cv.explain(name, model, images) for name in TECHNIQUES}
    figure, axes = plt.subplots(count, len(results) + 1, figsize=(1.7 * (len(results) + 1), 1.75 * count))
    for row, (image, best) in enumerate(zip(images, cv.predictions(model, images), strict=True)):
        axes[row, 0].imshow(image, interpolation="nearest")
        axes[row, 0].set_title(f"{best.labels[0]}, {best.probabilities[0]:.0%}", fontsize=9)
        for column, (name, result) in enumerate(results.items(), start=1):
            heat = single(result.values[row])
            top = max(np.percentile(heat, 99), 1e-12)
            axes[row, column].imshow(heat, cmap="inferno", vmin=0, vmax=top, interpolation="nearest")
            axes[row, column].set_title(name if row == 0 else "", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.tight_layout(pad=0.4)
    sheet = BytesIO()
    figure.savefig(sheet, dpi=90)
    plt.close(figure)
    # 255 colours are enough for these maps, and a quarter of the bytes.
    Image.open(sheet).convert("RGB").quantize(255, dither=Image.Dither.NONE).save(path, optimize=True)


def smaller(path: Path, method: Image.Quantize = Image.Quantize.MEDIANCUT) -> None:
    """Keep 255 colours of a figure."""
    Image.open(path).convert("RGB").quantize(255, method, dither=Image.Dither.NONE).save(path, optimize=True)


def surveys(folder: Path, count: int = 300, layer: str = "relu4") -> None:
    """Write what the units of a layer answer to over the bundled network's own test images."""
    from cnnviz_jax.data.opening import open_source
    from cnnviz_plugins.models.shapes.images import draw_images

    model = cv.load_model("shapes")
    masked = open_source("cnnviz_plugins.models.shapes.concepts:images", model.input_shape)
    cv.render(cv.survey("dissection", model, masked, layer=layer), folder / "dissection.png", dpi=120)
    images, labels = draw_images(list(range(count)))
    relevant = cv.survey("relevance-maximization", model, images, layer=layer, k=6, units=(45, 36, 28, 37))
    cv.render(relevant, folder / "relevance-maximization.png", dpi=90)
    for name in ("exemplars", "distributions"):
        cv.render(cv.survey(name, model, images, labels, layer=layer), folder / f"{name}.png", dpi=90)
    for name in ("dissection", "relevance-maximization", "exemplars"):
        smaller(folder / f"{name}.png")


def comparison(path: Path, count: int = 200) -> None:
    """Write how the bundled network differs from a copy whose kernels were rounded to 3-bit numbers."""
    from cnnviz_jax.similarity import quantised
    from cnnviz_plugins.models.shapes.images import draw_images

    model = cv.load_model("shapes")
    images, labels = draw_images(list(range(count)))

    def rounded(leaf: Any) -> Any:
        return quantised(leaf, levels=3).astype(np.float32) if np.ndim(leaf) > 1 else leaf

    other = model.with_params(jax.tree.map(rounded, model.params))
    found = cv.diff(model, other, images, labels=labels, swap=True, concepts=10)
    cv.render(found, path, dpi=90, title="shapes (a) against a copy in 3-bit numbers (b)")


def names(path: Path, count: int = 300) -> None:
    """Write what the units of the last convolution may be called, from the concepts of the network's own images."""
    from cnnviz_plugins.models.shapes.concepts import ConceptImages
    from cnnviz_plugins.models.shapes.images import CONCEPTS

    model, drawn = cv.load_model("shapes"), ConceptImages(count)
    rows = [drawn[k] for k in range(count)]
    images = np.stack([np.asarray(row["image"], np.float32) for row in rows])
    masks = np.stack([np.asarray(row["concepts"]) for row in rows])
    cv.render(cv.name_units(model, images, layer="relu5", masks=masks, concepts=CONCEPTS), path, dpi=90)
    smaller(path, Image.Quantize.MAXCOVERAGE)  # the few marks keep their own colours


def weights(folder: Path) -> None:
    """Write what the bundled network's weights say of themselves."""
    model = cv.load_model("shapes")
    cv.render(cv.inspect("filters", model, layer="conv1"), folder / "filters.png", dpi=150)
    cv.render(cv.inspect("filter-variety", model), folder / "filter-variety.png", dpi=90)
    images, _ = cv.example_images("shapes", 2)
    maps = cv.explain("feature-maps", model, images, layer="conv3", select="strongest", count=8)
    cv.render(maps, folder / "feature-maps.png", dpi=100, scale="shared")
    field = cv.inspect("effective-receptive-field", model, layer="conv3")
    cv.render(field, folder / "effective-receptive-field.png", dpi=90)
    unit = cv.inspect("receptive-field", model, layer="conv5", unit=(7, 5))
    cv.render(unit, folder / "receptive-field-unit.png", dpi=90)
    crossed, _ = cv.example_images("shapes", 3)
    cv.render(cv.inspect("convolve", crossed[2], pool="max"), folder / "convolve.png", dpi=90)
    with TemporaryDirectory() as place:
        photo = Path(place) / "photo.png"
        Image.fromarray((crossed[0] * 255).astype(np.uint8)).save(photo)
        match = cv.inspect("filter-match", model, image=str(photo), unit=3)
        cv.render(match, folder / "filter-match.png", dpi=90)


def interventions(folder: Path) -> None:
    """Write what single positions of layers do to a score: at their mean, and with a clean image's values."""
    model = cv.load_model("shapes")
    images, names = cv.example_images("shapes", 2)
    places = cv.intervene(model, images, {"relu3": "mean", "relu4": "mean"}, each="position", names=names)
    cv.render(places, folder / "intervention-positions.png", dpi=100)
    noisy = np.clip(images + 0.15 * np.random.default_rng(0).normal(size=images.shape), 0, 1).astype(np.float32)
    target = [int(best.classes[0]) for best in cv.predictions(model, images)]
    edits = {"relu2": "patch", "relu3": "patch", "relu4": "patch"}
    traced = cv.intervene(model, noisy, edits, target, source=images, each="position", names=names)
    cv.render(traced, folder / "intervention-tracing.png", dpi=100)


def layers(folder: Path) -> None:
    """Write a layer's shares in a score as a map, and its channels' as bars."""
    model = cv.load_model("shapes")
    images, names = cv.example_images("shapes", 2)
    shares = cv.explain("conductance", model, images, at="relu4", nodes=100, names=names)
    cv.render(shares, folder / "layer-map.png", dpi=90)
    channels = cv.explain("feature-ablation", model, images, at="relu4", names=names)
    cv.render(channels, folder / "layer-channels.png", dpi=90)


def parts(path: Path) -> None:
    """Write four images by their parts: whole, without a quarter, three, the object, the litter, the scenery."""
    from cnnviz_plugins.models.shapes.parts import parted

    rows = []
    for own in (parted(number) for number in (3, 78, 14, 25)):
        kept = np.ones((6, len(own.names)), bool)
        for row, gone in enumerate((slice(0, 1), slice(0, 3), slice(0, 4), slice(4, -1), slice(-1, None)), start=1):
            kept[row, gone] = False
        rows.append(own.redrawn(kept))
    _sheet(rows, path)


def figures(path: Path) -> None:
    """Write three figures: whole, headless, with what either of two classes shares, bare, before another scenery."""
    from cnnviz_plugins.models.figures.classes import CODES, pairs
    from cnnviz_plugins.models.figures.parts import parted_figure

    rows = []
    for own in (parted_figure(number) for number in (1, 10, 33)):
        first, second = pairs(own.label)[0]
        kept = np.ones((6, len(own.names)), bool)
        kept[1, 0] = kept[4, :5] = kept[5, -1] = False
        kept[2, :5], kept[3, :5] = (CODES[other] == CODES[own.label] for other in (first, second))
        rows.append(own.redrawn(kept))
    _sheet(rows, path)


def _sheet(rows: list[np.ndarray], path: Path) -> None:
    """Write images in rows, one and a half times as large and in few colours."""
    sheet = np.rint(np.concatenate([np.concatenate(list(row), axis=1) for row in rows]) * 255).astype(np.uint8)
    colours = Image.fromarray(sheet).quantize(224, Image.Quantize.MAXCOVERAGE)
    colours.resize((sheet.shape[1] * 3 // 2, sheet.shape[0] * 3 // 2), Image.Resampling.NEAREST).save(
        path, optimize=True
    )


def dictionary(path: Path, count: int = 200) -> None:
    """Write how a dictionary of the bundled network was learned."""
    from cnnviz_plugins.models.shapes.images import draw_images

    model, (images, _) = cv.load_model("shapes"), draw_images(list(range(count)))
    found = cv.learn_dictionary("topk", model, images, layer="relu4", size=64, k=4, steps=300)
    cv.render(found, path, dpi=90)


def main() -> None:
    """Write every image."""
    matplotlib.use("Agg")
    explanations(HERE / "explanations.png")
    surveys(HERE)
    comparison(HERE / "diff.png")
    names(HERE / "names.png")
    weights(HERE)
    interventions(HERE)
    layers(HERE)
    dictionary(HERE / "dictionary.png")
    parts(HERE / "parts.png")
    figures(HERE / "figures.png")


if __name__ == "__main__":
    main()
