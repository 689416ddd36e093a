"""What `cv.Monitor` costs a training: CPU time of its records beside that of the steps between them.

    python benchmarks/monitor.py --steps 1000 --every 100

The network and batch of Flax's MNIST example (two convolutions, two dense layers, batches of 32), images of soft spots
in place of digits, everything that `cv.Monitor` records with `synthesised="conv2"`, into TensorBoard's event files. The
first record, which compiles, is told apart. Needs `pip install 'cnnviz-jax[tensorboard]'`.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

import jax  # noqa: E402  # after the path
import numpy as np  # noqa: E402
import optax  # noqa: E402
from flax import nnx  # noqa: E402

import cnnviz_jax as cv  # noqa: E402


class CNN(nnx.Module):
    """The network of Flax's MNIST example."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(1, 32, kernel_size=(3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(32, 64, kernel_size=(3, 3), rngs=rngs)
        self.linear1 = nnx.Linear(3136, 256, rngs=rngs)
        self.linear2 = nnx.Linear(256, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the logits of images (n, 28, 28, 1)."""
        x = nnx.avg_pool(nnx.relu(self.conv1(x)), window_shape=(2, 2), strides=(2, 2))
        x = nnx.avg_pool(nnx.relu(self.conv2(x)), window_shape=(2, 2), strides=(2, 2))
        return self.linear2(nnx.relu(self.linear1(x.reshape(x.shape[0], -1))))


@nnx.jit
def train_step(model, optimizer, images, labels):
    """One step of AdamW."""

    def loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()

    value, gradient = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradient)
    return value


def spots(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return images of one soft spot each."""
    line = np.linspace(0, 1, 28)
    places = rng.uniform(0.2, 0.8, (count, 2))
    images = [np.exp(-((line[:, None] - row) ** 2 + (line - column) ** 2) / 0.02) for row, column in places]
    return np.stack(images)[..., None].astype(np.float32)


def main() -> None:
    """Train and print both times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100)
    found = parser.parse_args()
    rng = np.random.default_rng(0)
    model = CNN(rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adamw(0.005, 0.9), wrt=nnx.Param)
    batches = [(spots(rng, 32), rng.integers(0, 10, 32)) for _ in range(8)]
    jax.block_until_ready(train_step(model, optimizer, *batches[0]))
    with tempfile.TemporaryDirectory() as folder:
        monitor = cv.Monitor(f"tensorboard:{folder}", batches[0][0], every=found.every, synthesised="conv2")
        begun_s = time.process_time()
        monitor(0, model)
        first_s, training_s, records = time.process_time() - begun_s, 0.0, []
        for step in range(1, found.steps + 1):
            begun_s = time.process_time()
            train_step(model, optimizer, *batches[step % len(batches)])
            jax.block_until_ready(nnx.state(model))
            training_s += time.process_time() - begun_s
            begun_s = time.process_time()
            if monitor(step, model):
                records.append(time.process_time() - begun_s)
        monitor.close()
    print(f"first record {first_s:.1f} CPU s; {found.steps} steps {training_s:.2f} CPU s; {len(records)} records of")
    print(f"{1000 * np.mean(records):.0f} ms ({1000 * min(records):.0f} to {1000 * max(records):.0f}) each: ", end="")
    print(f"{100 * sum(records) / training_s:.2f} % of the training")


if __name__ == "__main__":
    main()
