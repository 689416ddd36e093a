"""The bundled network, made to know images of which something is missing, so that removal asks nothing unheard of.

Two ways to miss something: parts that are not drawn (for the parts protocol), and cells that take the mean colour (for
F-Fidelity). Neither looks at any explanation.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_jax.plugin import compiler_options
from cnnviz_plugins.models.shapes.backgrounds import SPRINKLES
from cnnviz_plugins.models.shapes.canvas import Kept
from cnnviz_plugins.models.shapes.images import CLASSES, draw_images, draw_kept
from cnnviz_plugins.models.shapes.network import MEAN, STD, ShapesNetwork
from cnnviz_plugins.models.shapes.parts import QUARTERS

Batch = tuple[Float[np.ndarray, "n h w 3"], Float[np.ndarray, "n classes"]]
"""Images, and what share of each class the answer to them should have."""


def part_batches(steps: int, batch: int = 32, *, leave_out: float = 0.3, seed: int = 0) -> Iterator[Batch]:
    """Yield training images without some quarters and sprinkles, a tenth of them without any object.

    The answer is the image's class where a quarter is left, and every class alike where none is.

    Args:
        steps: How many batches.
        batch: Images of each.
        leave_out: The probability with which each quarter goes, and each sprinkle.
        seed: Of the images and of what goes.
    """
    random = np.random.default_rng(seed)
    for _ in range(steps):
        numbers = random.integers(1_000_000, size=batch)
        with_object = random.uniform(size=(batch, 1)) >= 0.1
        quarters = (random.uniform(size=(batch, QUARTERS)) >= leave_out) & with_object
        sprinkles = random.uniform(size=(batch, SPRINKLES)) >= leave_out
        images = draw_kept(numbers.tolist(), Kept(quarters, sprinkles, random.uniform(size=batch) < 0.5), split="train")
        answers = np.eye(len(CLASSES), dtype=np.float32)[numbers % len(CLASSES)]
        yield images, np.where(quarters.any(1, keepdims=True), answers, np.float32(1 / len(CLASSES)))


def cell_batches(steps: int, batch: int = 32, *, beta: float = 0.1, cells: int = 8, seed: int = 0) -> Iterator[Batch]:
    """Yield training images of which a random share of the cells, `beta` at most, has the mean colour of the batch.

    Args:
        steps: How many batches.
        batch: Images of each.
        beta: The largest share of cells x cells cells that goes.
        cells: Along each side.
        seed: Of the images and of what goes.
    """
    random = np.random.default_rng(seed)
    for _ in range(steps):
        numbers = random.integers(1_000_000, size=batch)
        images, labels = draw_images(numbers.tolist(), split="train")
        share = random.uniform(0, beta, size=(batch, 1, 1))
        gone = random.uniform(size=(batch, cells, cells)) < share
        wide = images.shape[1] // cells
        covered = gone.repeat(wide, 1).repeat(wide, 2)[..., None]
        yield np.where(covered, images.mean((0, 1, 2)), images), np.eye(len(CLASSES), dtype=np.float32)[labels]


def fine_tuned(network: ShapesNetwork, batches: Iterator[Batch], steps: int, learning_rate: float = 5e-4) -> float:
    """Change the network's weights in place and return the mean loss over the last tenth of the steps.

    Batch norms keep the statistics they have, so that whole images are normalised as before.

    Args:
        network: In inference mode, as `load_shapes` returns it.
        batches: At least `steps` of them.
        steps: Updates; the rate falls to zero along a cosine.
        learning_rate: The first rate (Adam).

    Cost: about a quarter of a CPU second for each step of 32 images.
    """
    graph, params, statistics = nnx.split(network, nnx.Param, nnx.BatchStat)
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    def loss_of(params: Any, images: Array, answers: Array) -> Float[Array, ""]:
        scores = nnx.merge(graph, params, statistics)((images - jnp.array(MEAN)) / jnp.array(STD))
        return optax.softmax_cross_entropy(scores, answers).mean()

    def update(params: Any, memory: Any, images: Array, answers: Array) -> tuple[Any, Any, Float[Array, ""]]:
        loss, gradient = jax.value_and_grad(loss_of)(params, images, answers)
        change, memory = optimizer.update(gradient, memory, params)
        return optax.apply_updates(params, change), memory, loss

    update = jax.jit(update, compiler_options=compiler_options() or None)
    memory, losses = optimizer.init(params), []
    for _ in range(steps):
        images, answers = next(batches)
        with jax.numpy_dtype_promotion("standard"):  # optax raises real numbers to whole powers
            params, memory, loss = update(params, memory, images.astype(np.float32), answers)
        losses.append(loss)
    nnx.update(network, params)
    return float(np.mean(losses[-max(1, steps // 10) :]))
