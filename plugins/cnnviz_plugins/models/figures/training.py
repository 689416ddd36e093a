"""A network that names figures, also without some of their parts: made from the bundled one, in minutes.

Its layers begin with the bundled network's weights and BatchNorm statistics, but for the last, which has other classes.
Where a part is left out, every class that agrees with what is left is as good an answer (the source's `multi_target`),
so that removal asks nothing unheard of. Source: Hesse, Schaub-Meyer, Roth 2023, arXiv:2308.06248, section 3.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from flax import nnx

from cnnviz_jax.plugin import Model
from cnnviz_plugins.models.figures.classes import CLASSES, CODES, SLOTS, agreeing
from cnnviz_plugins.models.figures.images import draw_figures
from cnnviz_plugins.models.shapes.backgrounds import SPRINKLES
from cnnviz_plugins.models.shapes.bundled import as_model, load_shapes
from cnnviz_plugins.models.shapes.canvas import Kept
from cnnviz_plugins.models.shapes.fine_tuning import Batch, fine_tuned
from cnnviz_plugins.models.shapes.network import ShapesNetwork


def figure_batches(steps: int, batch: int = 32, *, leave_out: float = 0.3, seed: int = 0) -> Iterator[Batch]:
    """Yield training images without some parts and sprinkles, and what share of each class their answer should have.

    Args:
        steps: How many batches.
        batch: Images of each.
        leave_out: The probability with which each part goes, and each sprinkle.
        seed: Of the images and of what goes.
    """
    random = np.random.default_rng(seed)
    for _ in range(steps):
        numbers = random.integers(1_000_000, size=batch)
        parts, sprinkles = (random.uniform(size=(batch, count)) >= leave_out for count in (len(SLOTS), SPRINKLES))
        kept = Kept(parts, sprinkles, random.uniform(size=batch) < 0.5)
        images, labels = draw_figures(numbers.tolist(), kept, split="train")
        yield images, agreeing(labels, parts)


def trained(steps: int = 2500, *, learning_rate: float = 5e-4, seed: int = 0) -> tuple[ShapesNetwork, float]:
    """Return a network that names figures, in inference mode, and the mean loss over the last tenth of the steps.

    The loss has a floor: the entropy of the answers, which are shared where parts are missing.

    Args:
        steps: Updates of the weights, 32 images each.
        learning_rate: The first rate; it falls to zero along a cosine.
        seed: Of the last layer's first weights and of the images.

    Cost: about a third of a CPU second for each step.
    """
    network, bundled = ShapesNetwork(len(CODES), rngs=nnx.Rngs(seed)), load_shapes()
    head = network.fc
    nnx.update(network, nnx.state(bundled, lambda path, _: "fc" not in path))
    network.fc = head
    network.eval()
    loss = fine_tuned(network, figure_batches(steps, seed=seed), steps, learning_rate)
    return network, loss


def build(weights: str | Path) -> Model:
    """Return a network that names figures as a model that can be explained, from a checkpoint of `trained`'s.

    Raises:
        WeightsError: The checkpoint cannot be read or does not fit.
    """
    return as_model(load_shapes(weights, len(CODES)), "figures", CLASSES)
