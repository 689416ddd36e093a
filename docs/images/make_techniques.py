"""Makes one image for every page of an explanation, a measure, a family of measures or a survey of concepts.

`python docs/images/make_techniques.py` makes all of them from the bundled network and its own test images, with the
defaults of every technique but for `OPTIONS`; names of techniques behind it, those alone, and `measures/PAGE` that of a
family's page. `make.py` makes the one of `feature-maps`.
"""

import re
import sys
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.plugins import plugins
from cnnviz_plugins.models.shapes.images import draw_images, draw_scenes
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import TEXTURES

HERE = Path(__file__).parent / "techniques"
FAMILIES = HERE.parent / "measures"
OPTIONS: dict[str, dict[str, object]] = {
    "extremal-perturbation": {"steps": 300},
    "rise": {"masks": 2000},
    "guided-ig": {"steps": 100},
    "conductance": {"at": "relu3", "nodes": 50},
    "internal-influence": {"at": "relu3"},
    "concept-relevance": {"layer": "relu4", "composite": "epsilon-plus-flat"},
    "monotonicity-correlation": {"samples": 4},
    "relevance-mass-accuracy": {"part": "positive"},
    "smooth-mprt": {"samples": 3},
    "continuity": {"steps": 7},
}
OPTIONS |= {
    name: {"samples": 4}
    for name in (
        "average-stability",
        "avg-sensitivity",
        "local-lipschitz-estimate",
        "relative-input-stability",
        "relative-output-stability",
        "relative-representation-stability",
    )
}
LEFT_OUT = ("non-sensitivity",)
"""What a family's image does not show, for its cost."""
DEAR = ("robustness", "randomization", "information")
"""Pages whose measures take long: with input-x-gradient in place of two techniques."""
OF_UNSURE = ("increase-in-confidence",)
"""A confidence of 1 cannot rise: of images that the network is sure of the figure would be empty."""
COMPARED = ["grad-cam", "saliency", "integrated-gradients", "occlusion"]
IMAGES = 3
LARGEST_BYTES = 40_000
_TILE_PX, _GAP_PX = 128, 8


def strip(images: Float[np.ndarray, "n h w 3"], maps: list[list[Float[np.ndarray, "r c"]]]) -> Image.Image:
    """Return every image with its maps beside it, in one row.

    A map without negative values goes from black at 0 to white at its 99th percentile; any other from blue through
    white at 0 to red, symmetric up to the 99th percentile of its sizes.
    """
    tiles = [tile for image, own in zip(images, maps, strict=True) for tile in (image, *map(coloured, own))]
    row = Image.new("RGB", ((_TILE_PX + _GAP_PX) * len(tiles) - _GAP_PX, _TILE_PX), "white")
    for place, tile in enumerate(tiles):
        framed = Image.fromarray((np.clip(tile, 0, 1) * 255).round().astype(np.uint8))
        row.paste(framed.resize((_TILE_PX, _TILE_PX), Image.Resampling.NEAREST), ((_TILE_PX + _GAP_PX) * place, 0))
    return row


def coloured(values: Float[np.ndarray, "r c"]) -> Float[np.ndarray, "r c 3"]:
    """Return a map in colours."""
    top = max(float(np.percentile(np.abs(values), 99)), 1e-30)
    if values.min() < 0:
        return matplotlib.colormaps["RdBu_r"](0.5 + 0.5 * np.clip(values / top, -1, 1))[..., :3]
    return matplotlib.colormaps["inferno"](np.clip(values / top, 0, 1))[..., :3]


def saved(image: Image.Image, path: Path, largest: int = LARGEST_BYTES) -> None:
    """Write a PNG of as many colours as fit so many bytes."""
    for colours in (255, 128, 64, 32):
        image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < largest:
            return
    raise SystemExit(f"{path.name} is larger than {largest} bytes")


def figure(result: object, path: Path, dpi: int, largest: int = LARGEST_BYTES) -> None:
    """Write the result's own figure, small."""
    sheet = path.with_suffix(".large.png")
    cv.render(result, sheet, dpi=dpi)
    saved(Image.open(BytesIO(sheet.read_bytes())), path, largest)
    sheet.unlink()


def explanation(name: str, model: cv.Model, images: Float[np.ndarray, "n h w 3"], **options: object) -> None:
    """Write what an explain technique makes of the images."""
    result = cv.explain(name, model, images, key=0, **options)
    values = np.asarray(result.values)
    if result.view == "maps":
        maps = [[one[..., k] for k in range(min(3, one.shape[-1]))] for one in values]
    else:
        summed = values.sum(-1) if result.view == "layer" else values
        maps = [[np.abs(one).max(-1) if one.ndim == 3 else one] for one in summed]
    saved(strip(images, maps), HERE / f"{name}.png")


def measures(model: cv.Model, names: list[str]) -> None:
    """Write each measure of Grad-CAM's maps of twelve images; of `OF_UNSURE` those the network is least sure of."""
    for name in names:
        drawn = draw_scenes(range(300 if name in OF_UNSURE else 12))
        images, masks = np.stack([each.image for each in drawn]), np.stack([each.mask for each in drawn])
        labels = np.array([each.label for each in drawn])
        if len(drawn) > 12:
            sure = [best.probabilities[0] for best in cv.predictions(model, images)]
            least = np.argsort(sure, kind="stable")[:12]
            images, masks, labels = images[least], masks[least], labels[least]
        maps = cv.explain("grad-cam", model, images, labels.tolist())
        figure(cv.measure(name, model, images, maps, mask=masks, key=0), HERE / f"{name}.png", dpi=90)


def family(model: cv.Model, page: str) -> None:
    """Write four techniques on twelve images by the measures that a family's page lists."""
    text = (HERE.parents[1] / "measures" / f"{page}.md").read_text(encoding="utf-8")
    names = [name for name in re.findall(r"^## `([^`]+)`$", text, re.MULTILINE) if name not in LEFT_OUT]
    drawn = draw_scenes(range(12))
    images, masks = np.stack([each.image for each in drawn]), np.stack([each.mask for each in drawn])
    options = {name: OPTIONS[name] for name in names if name in OPTIONS}
    asked = [*COMPARED[:2], "input-x-gradient"] if page in DEAR else COMPARED
    result = cv.compare(model, images, asked, names, [each.label for each in drawn], mask=masks, options=options,
                        reduction="sum_abs", key=0)  # fmt: skip
    FAMILIES.mkdir(exist_ok=True)
    figure(result, FAMILIES / f"{page}.png", dpi=100, largest=90_000)


def concept_images() -> tuple[Float[np.ndarray, "n h w 3"], Int[np.ndarray, " n"]]:
    """Return images all of one texture, any images, and images to examine; labels in that order.

    Textures have the colours of two random points; examined are test images of the class `stripes`.
    """
    rows, cols = np.mgrid[:64, :64].astype(np.float32)
    parts = []
    for number, texture in enumerate(TEXTURES.values()):
        rng = Rng(number, range(40), 0)
        turn = rng.uniform(0, 3.14159, 1, 1)
        share = texture(cols * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - cols * np.sin(turn), rng)
        first, second = rng.uniform(0, 1, 1, 1, 3), rng.uniform(0, 1, 1, 1, 3)
        parts.append(first + (second - first) * share[..., None])
    parts.append(draw_images(range(200), split="train")[0])
    parts.append(draw_images(range(6, 306, 10))[0])
    return np.concatenate(parts).astype(np.float32), np.repeat(np.arange(6), [len(part) for part in parts])


def concepts(model: cv.Model, names: list[str]) -> None:
    """Write the surveys of concepts, and where the concepts found are."""
    if "tcav" in names:
        images, labels = concept_images()
        words = (*TEXTURES, "random", "examined")
        scores = cv.survey("tcav", model, images, labels, layer="relu4", target=6, pool="mean", label_names=words)
        figure(scores, HERE / "tcav.png", dpi=110)
    if {"craft", "concept-maps"} & set(names):
        dots = draw_images(range(8, 408, 10))[0]
        bank = cv.survey("craft", model, dots, target=8, concepts=6, layer="relu4")
        figure(bank, HERE / "craft.png", dpi=65)
        path = cv.render(bank, HERE / "bank.npz")
        explanation("concept-maps", model, dots[:2], bank=str(path))
        path.unlink()


def main(asked: list[str]) -> None:
    """Write the images of the techniques asked for, or of all."""
    matplotlib.use("Agg")
    HERE.mkdir(exist_ok=True)
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", IMAGES)
    kinds = {name: spec.kind for name, spec in plugins().techniques.items()}
    docs = HERE.parents[1]
    pages = sorted(f"measures/{page.stem}" for page in (docs / "measures").glob("*.md"))
    own = {page.stem for page in (docs / "techniques").glob("*.md")}
    shown = (name for name, kind in kinds.items() if kind in ("explain", "measure") and name in own)
    names = asked or [*shown, *pages, "tcav", "craft"]
    for page in pages:
        if page in names:
            family(model, page.removeprefix("measures/"))
            print(page, flush=True)
    names = [name for name in names if name not in pages]
    of_tokens = ("attention-rollout", "legrad", "attn-lrp")
    if set(of_tokens) & set(names):
        from tokens import transformer  # beside this file; trained only when it is needed

        tokens = transformer()
        for name in of_tokens:
            explanation(name, tokens, images)
    apart = ("concept-maps", "feature-maps", *of_tokens)
    for name in names:
        if name == "attribution-graph":
            options = {"layers": ("relu4", "relu3", "relu2"), "composite": "epsilon-plus-flat", "names": ["star"]}
            figure(cv.explain(name, model, images[:1], **options), HERE / f"{name}.png", dpi=100, largest=90_000)
        elif kinds[name] == "explain" and name not in apart:
            explanation(name, model, images, **OPTIONS.get(name, {}))
            print(name, flush=True)
    measures(model, [name for name in names if kinds[name] == "measure"])
    concepts(model, names)


if __name__ == "__main__":
    main(sys.argv[1:])
