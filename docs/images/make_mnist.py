"""Makes the images of the page on units: `python docs/images/make_mnist.py mnist_test.npz lenet_mnist.safetensors`.

One pass over all images by the command that the page shows, then one figure for each survey.
"""

import sys
import tempfile
from pathlib import Path

import cnnviz_jax as cv
from cnnviz_jax.cli import main as cnnviz

HERE = Path(__file__).parent
SURVEYS = {
    f"{technique}-{layer}": f"{technique} layer={layer}"
    for technique in ("exemplars", "distributions")
    for layer in ("conv1", "conv2")
}


def main(images: str, weights: str) -> None:
    """Write the distributions beside this file, the exemplars where it is called."""
    with tempfile.TemporaryDirectory() as place:
        run = str(Path(place) / "mnist-run")
        asked = [word for name, rest in SURVEYS.items() for word in ("--survey", f"{rest} name={name}")]
        line = ["sweep", "--run", run, "--source", images, "--model", "lenet", "--weights", weights, *asked]
        if cnnviz(line) != 0:
            raise SystemExit("the sweep did not finish")
        opened = cv.open_run(run)
        for name in SURVEYS:
            # Exemplars consist of MNIST's images, which the project does not contain.
            folder = Path() if "exemplars" in name else HERE
            cv.render(opened.survey(name), folder / f"mnist-{name}.png", dpi=80)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
