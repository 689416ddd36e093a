"""Makes the synthesised images of the pages.

`python docs/images/make_synthesis.py` makes those of the bundled network; with `--squeezenet WEIGHTS` those of
SqueezeNet 1.1 too, from a file of its published weights. Photographs are not needed and none is shown.
"""

import argparse
from pathlib import Path

import cnnviz_jax as cv

HERE = Path(__file__).parent
LAYERS = ("conv1", "conv3", "conv5")


def units(folder: Path, steps: int) -> None:
    """Write eight units of three layers of `shapes`, a row of the sheet each, by the recipe lucid."""
    from cnnviz_jax.cli.commands.synthesis_files import joined

    model = cv.load_model("shapes")
    made = [
        cv.synthesize(
            "activation-maximization", model, layer=layer, channels=list(range(8)), recipe="lucid", size=64, steps=steps
        )
        for layer in LAYERS
    ]
    cv.render(joined(made), folder / "synthesis-shapes.png", renderer="grid", columns=8)


def quick(folder: Path) -> None:
    """Write eight units of four layers of `shapes`, a row of the sheet each, with all defaults."""
    from cnnviz_jax.cli.commands.synthesis_files import joined

    model = cv.load_model("shapes")
    made = [
        cv.synthesize("activation-maximization", model, layer=layer, channels=list(range(8)), key=0)
        for layer in ("conv2", "conv3", "conv4", "conv5")
    ]
    cv.render(joined(made), folder / "synthesis-quick.png", renderer="grid", columns=8)


def beside_exemplars(folder: Path, steps: int) -> None:
    """Write eight units of the last layer of `shapes` beside the parts of its own images that excite them most."""
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", 200)
    made = cv.synthesize(
        "activation-maximization", model, layer="conv5", channels=list(range(8)), recipe="lucid", size=64, steps=steps,
        exemplars=images,
    )  # fmt: skip
    cv.render(made, folder / "synthesis-exemplars.png", renderer="grid", columns=2, exemplars=4)


def of_images(folder: Path) -> None:
    """Write two bundled images and what inversion, caricature and deepdream make of them, a row each."""
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", 2)
    from PIL import Image

    from cnnviz_plugins.synthesize.files import stitched, tile

    rows = [
        images,
        cv.synthesize("inversion", model, layer="conv2", images=images, steps=300).images,
        cv.synthesize("inversion", model, layer="conv5", images=images, steps=300).images,
        cv.synthesize("caricature", model, layer="conv5", images=images, steps=200).images,
        cv.synthesize("deepdream", model, layer="conv4", images=images, steps=45).images,
    ]
    tiles = [tile(row[number]) for number in range(len(images)) for row in rows]
    Image.fromarray(stitched(tiles, columns=len(rows))).save(folder / "synthesis-images.png")


def squeezenet(folder: Path, weights: str, steps: int) -> None:
    """Write eight units of two layers of SqueezeNet 1.1, by the recipe lucid."""
    from cnnviz_jax.cli.commands.synthesis_files import joined

    model = cv.load_model("squeezenet1_1", weights)
    made = [
        cv.synthesize(
            "activation-maximization", model, layer=layer, channels=list(range(6)), recipe="lucid", size=96, steps=steps
        )
        for layer in ("features.6.expand3x3", "features.10.expand3x3")
    ]
    cv.render(joined(made), folder / "synthesis-squeezenet.png", renderer="grid", columns=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squeezenet", metavar="WEIGHTS", help="weights of SqueezeNet 1.1")
    parser.add_argument("--steps", type=int, default=256, help="steps of the recipe lucid")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    given = parser.parse_args()
    quick(given.folder)
    units(given.folder, given.steps)
    beside_exemplars(given.folder, given.steps)
    of_images(given.folder)
    if given.squeezenet:
        squeezenet(given.folder, given.squeezenet, given.steps)
