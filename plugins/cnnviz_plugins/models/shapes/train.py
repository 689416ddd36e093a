"""Trains the bundled network: `python -m cnnviz_plugins.models.shapes.train --help` lists the options.

With the options as they stand this made the weights that ship with the package. It writes an Orbax
checkpoint and, beside it, a JSON file with the accuracy on images that the training never saw.

The first layer's kernels are trained through a blur, from small first numbers and with a decay of their own. Nothing in
the images asks for the noise of first weights and of updates, so it dies out, and edges, blobs and colours stay.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import tyro
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from cnnviz_jax.plugin import Recorder, compiler_options
from cnnviz_plugins.models.shapes.bundled import WEIGHTS, load_shapes
from cnnviz_plugins.models.shapes.images import CLASSES, draw_images
from cnnviz_plugins.models.shapes.kernels import blurred, lag1_autocorrelation
from cnnviz_plugins.models.shapes.network import MEAN, STD, ShapesNetwork


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network is trained."""

    out: Path = WEIGHTS
    """Folder of the checkpoint; the report goes beside it with the suffix .json."""
    steps: int = 3200
    """Updates of the weights."""
    batch: int = 32
    """Images per update."""
    images: int = 20_000
    """Different training images; each is also shown turned and mirrored."""
    test_images: int = 4_000
    """Images that the accuracy is measured on."""
    learning_rate: float = 4e-3
    """Highest learning rate; it rises over the first tenth of the steps and falls to zero along a cosine."""
    weight_decay: float = 0.02
    """Decay of the weights (AdamW)."""
    first_decay: float = 1.0
    """Decay of the first layer's kernels in its place; BatchNorm follows, so that their size means nothing."""
    first_scale: float = 0.1
    """What the first layer's first kernels are multiplied by."""
    seed: int = 0
    """Seed of the first weights and of the order of the images."""
    record: Path | None = None
    """Folder in which a `Recorder` keeps steps for `cnnviz inspect evolution`; none are kept when not given."""
    recorded: int = 8
    """How many steps are kept, evenly from the first weights to the last."""


def train(config: TrainConfig) -> ShapesNetwork:
    """The trained network, in inference mode.

    Cost: 3200 steps of 32 images take about 730 CPU seconds.
    Randomness: first weights and order of the images come from the seed; the last bits depend on the machine.
    """
    network = ShapesNetwork(len(CLASSES), rngs=nnx.Rngs(config.seed))
    network.train()
    network.conv1.kernel.set_value(network.conv1.kernel[...] * config.first_scale)
    graph, params, statistics = nnx.split(network, nnx.Param, nnx.BatchStat)
    optimizer = _optimizer(config)
    state = (params, statistics, optimizer.init(params))

    def assembled(params: Any, statistics: Any) -> ShapesNetwork:
        network: ShapesNetwork = nnx.merge(graph, params, statistics, copy=True)
        network.conv1.kernel.set_value(blurred(network.conv1.kernel[...]))
        return network

    def loss_of(params: Any, statistics: Any, images: Any, labels: Any) -> tuple[Float[Array, ""], Any]:
        network = assembled(params, statistics)
        scores = network(_normalised(images.astype(jnp.float32) / 255))
        loss = optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()
        return loss, nnx.state(network, nnx.BatchStat)

    def update(state: Any, images: Any, labels: Any) -> tuple[Any, Float[Array, ""]]:
        params, statistics, memory = state
        (loss, statistics), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, statistics, images, labels)
        change, memory = optimizer.update(gradient, memory, params)
        return (optax.apply_updates(params, change), statistics, memory), loss

    # Without these options a step takes 2.6 times as long on the CPU.
    update = jax.jit(update, compiler_options=compiler_options() or None, donate_argnums=0)
    batches, started = _batches(config), time.monotonic()
    recorder = None if config.record is None else Recorder(config.record, network="shapes")
    moments = {round(step) for step in np.linspace(0, config.steps, config.recorded)}
    if recorder is not None:
        recorder.save(0, nnx.state(assembled(*state[:2])))
    for step, (images, labels) in enumerate(batches, 1):
        with jax.numpy_dtype_promotion("standard"):  # optax raises real numbers to whole powers
            state, loss = update(state, images, labels)
        if recorder is not None and step in moments:
            recorder.save(step, nnx.state(assembled(*state[:2])))
        if step % 100 == 0:
            left_s = (time.monotonic() - started) / step * (config.steps - step)
            print(f"step {step} of {config.steps}: loss {float(loss):.4f}, {left_s:.0f} s left", flush=True)
    trained = assembled(*state[:2])
    trained.eval()
    return trained


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(0, config.learning_rate, config.steps // 10, config.steps)
    return optax.multi_transform(
        {
            "first": optax.adamw(rate, weight_decay=config.first_decay),
            "later": optax.adamw(rate, weight_decay=config.weight_decay),
        },
        lambda params: jax.tree.map_with_path(
            lambda path, _: "first" if "conv1" in jax.tree_util.keystr(path) else "later", params
        ),
    )


def accuracy(network: ShapesNetwork, *, count: int, first: int = 0) -> dict[str, float]:
    """Share of test images that the network names rightly, for all and for each class.

    Args:
        network: A network in inference mode.
        count: How many test images, from number `first` up.
        first: Number of the first one.
    """
    graph, state = nnx.split(network)
    classify = jax.jit(lambda state, images: nnx.merge(graph, state)(_normalised(images)).argmax(-1))
    right, size = [], 250
    for start in range(first, first + count, size):
        images, labels = draw_images(range(start, min(start + size, first + count)), split="test")
        right.append(np.stack([labels, np.asarray(classify(state, images)) == labels]))
    labels, hits = np.concatenate(right, axis=1)
    each = {name: float(hits[labels == label].mean()) for label, name in enumerate(CLASSES) if label in labels}
    return {"all": float(hits.mean()), **each}


def never_fire(network: ShapesNetwork, *, count: int) -> Int[np.ndarray, " units"]:
    """The units of the first layer that fire nowhere in the first `count` test images."""
    graph, state = nnx.split(network)

    def peaks(state: Any, images: Any) -> Float[Array, " units"]:
        network = nnx.merge(graph, state)
        return network.relu1(network.bn1(network.conv1(_normalised(images)))).max((0, 1, 2))

    images, _ = draw_images(range(count), split="test")
    return np.flatnonzero(np.asarray(jax.jit(peaks)(state, images)) <= 0)


def save(network: ShapesNetwork, folder: Path) -> None:
    """Write the network's weights to an Orbax checkpoint at `folder`, in place of one that is there."""
    arrays = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(network)))
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        written = Path(scratch) / folder.name
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(written.absolute(), arrays)
        # This note holds the path it was written to and is not read by anything.
        (written / "commit_success.txt").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)


def main(config: TrainConfig) -> None:
    """Train, save, measure what was saved, and report."""
    started = time.process_time()
    save(train(config), config.out)
    network = load_shapes(config.out)
    measured = accuracy(network, count=config.test_images)
    report = {
        "accuracy": measured,
        "options": {name: value for name, value in asdict(config).items() if name not in ("out", "record", "recorded")},
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))),
        "first_layer": {
            "median_lag1_autocorrelation": round(
                float(np.median(lag1_autocorrelation(np.asarray(network.conv1.kernel[...])))), 3
            ),
            "units_that_never_fire": never_fire(network, count=500).tolist(),
        },
        "cpu_seconds": round(time.process_time() - started),
        "versions": {"jax": jax.__version__, "numpy": np.__version__},
    }
    config.out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{measured['all']:.2%} of {config.test_images} unseen images are named rightly")


def _normalised(images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    return (images - jnp.array(MEAN)) / jnp.array(STD)


def _batches(config: TrainConfig) -> Iterator[tuple[UInt8[np.ndarray, "n h w 3"], Int[np.ndarray, " n"]]]:
    """Images in random order, each batch turned by quarters and mirrored, which changes no class."""
    print(f"drawing {config.images} images", flush=True)
    images = np.empty((config.images, 64, 64, 3), np.uint8)  # bytes: a quarter of the memory
    labels = np.empty(config.images, int)
    for start in range(0, config.images, 1000):
        part = slice(start, min(start + 1000, config.images))
        drawn, labels[part] = draw_images(range(part.start, part.stop), split="train")
        images[part] = np.rint(drawn * 255)
    rng = np.random.default_rng(config.seed)
    for _ in range(config.steps):
        chosen = rng.integers(config.images, size=config.batch)
        turned = np.rot90(images[chosen], int(rng.integers(4)), axes=(1, 2))
        yield np.ascontiguousarray(turned[:, :, :: rng.choice((-1, 1))]), labels[chosen]


if __name__ == "__main__":
    main(tyro.cli(TrainConfig, description=__doc__))
