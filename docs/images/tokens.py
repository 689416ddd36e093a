"""A small vision transformer for the images of techniques that look at attention, trained here in about a minute."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import cnnviz_jax as cv
from cnnviz_plugins.models.shapes.images import draw_images
from cnnviz_plugins.models.vision_transformer import VisionTransformer

IMAGES, STEPS, BATCH = 2_000, 600, 64


def transformer() -> cv.Model:
    """Return a transformer of three blocks over 8 x 8 patches that tells the classes of `shapes` apart."""
    images, labels = draw_images(range(IMAGES), split="train")
    network = VisionTransformer(side=64, patch=8, depth=3, width=64, heads=4, classes=10, rngs=nnx.Rngs(0))
    graph, state, rest = nnx.split(network, nnx.Param, ...)
    rate = optax.warmup_cosine_decay_schedule(0, 2e-3, 100, STEPS)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.05))

    @jax.jit
    def step(state, moments, images, labels):
        def loss(state):
            scores = nnx.merge(graph, state, rest)(images - 0.5)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

        value, slopes = jax.value_and_grad(loss)(state)
        updates, moments = optimizer.update(slopes, moments, state)
        return optax.apply_updates(state, updates), moments, value

    drawn = np.random.default_rng(0)
    moments = optimizer.init(state)
    for _ in range(STEPS):
        rows = drawn.integers(IMAGES, size=BATCH)
        state, moments, value = step(state, moments, jnp.asarray(images[rows]), jnp.asarray(labels[rows]))
    print(f"a transformer for tokens: loss {value:.3f}", flush=True)
    network = nnx.merge(graph, state, rest)
    network.eval()
    return cv.adapt(network, input_shape=(64, 64, 3), mean=(0.5,) * 3, labels=cv.load_model("shapes").labels)
