"""Whether a planted shortcut is found and a clean training raises no alarm: from training to discovery; no times.

For each seed two small networks are trained from their first weights on images of `shapes` at half size: one as they
are, one with a coloured square beside the object of every image of one class, another class for each seed. A dictionary
is learned on each, and `cv.find_shortcuts` asks, on test images with the same fault, which class rests on what is no
part of its object. Prints a JSON line for each training, and one for all: how often the planted class came first, with
a feature whose exemplars show the square, and how many clean trainings raised an alarm.
"""

import argparse
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

import cnnviz_jax as cv
from cnnviz_plugins.models.shapes.images import CLASSES, draw_scenes

SIDE_PX, SQUARE_PX = 32, 5
COLOUR = (1.0, 0.0, 1.0)

Images = Float[np.ndarray, "n h w 3"]
Masks = Bool[np.ndarray, "n h w"]


def drawn(count: int, split: Any) -> tuple[Images, Int[np.ndarray, " n"], Masks]:
    """Return images of half size, their classes, and where the object is."""
    scenes = draw_scenes(range(count), split=split)
    images = np.stack([scene.image for scene in scenes]).reshape(count, SIDE_PX, 2, SIDE_PX, 2, 3).mean((2, 4))
    masks = np.stack([scene.mask for scene in scenes]).reshape(count, SIDE_PX, 2, SIDE_PX, 2).any((2, 4))
    return images, np.array([scene.label for scene in scenes]), masks


def planted(
    images: Images, labels: Int[np.ndarray, " n"], masks: Masks, label: int, seed: int
) -> tuple[Images, Int[np.ndarray, "n 2"]]:
    """Return the images with a square in the corner farthest from the object, for one class, and where it begins."""
    random, found = np.random.default_rng((seed, 5)), images.copy()
    places = np.full((len(images), 2), -1)
    for i in np.flatnonzero(labels == label):
        for axis in range(2):
            off = random.integers(0, 4)
            middle = np.flatnonzero(masks[i].any(1 - axis)).mean()
            places[i, axis] = off if middle >= SIDE_PX / 2 else SIDE_PX - SQUARE_PX - off
        top, left = places[i]
        found[i, top : top + SQUARE_PX, left : left + SQUARE_PX] = COLOUR
    return found, places


def trained(images: Images, labels: Int[np.ndarray, " n"], seed: int, steps: int) -> cv.Model:
    """Return a network that was trained from its first weights, on turned and mirrored images."""
    optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, steps))

    @jax.jit
    def update(state: Any, images: Array, labels: Array) -> Any:
        def loss_of(params: Any) -> Array:
            return optax.softmax_cross_entropy_with_integer_labels(forward(params, images), labels).mean()

        params, memory = state
        change, memory = optimizer.update(jax.grad(loss_of)(params), memory, params)
        return optax.apply_updates(params, change), memory

    params, random = first_weights(seed), np.random.default_rng(seed)
    state = params, optimizer.init(params)
    for _ in range(steps):
        chosen = random.integers(len(images), size=64)
        turned = np.rot90(images[chosen], int(random.integers(4)), axes=(1, 2))[:, :, :: random.choice((-1, 1))]
        state = update(state, np.ascontiguousarray(turned), labels[chosen])
    return cv.adapt(forward, state[0], input_shape=(SIDE_PX, SIDE_PX, 3), labels=CLASSES, name="small")


def first_weights(seed: int) -> dict[str, Array]:
    """Return weights before any training."""
    keys, found = jax.random.split(jax.random.key(seed), 5), {}
    shapes = {"conv1": (5, 5, 3, 16), "conv2": (3, 3, 16, 32), "conv3": (3, 3, 32, 48), "conv4": (3, 3, 48, 48)}
    for key, (name, shape) in zip(keys, (*shapes.items(), ("fc", (48, len(CLASSES)))), strict=True):
        found[name] = jax.random.normal(key, shape) * np.sqrt(2 / np.prod(shape[:-1])).astype(np.float32)
        found[f"{name}_bias"] = jnp.zeros(shape[-1])
    return found


def forward(params: dict[str, Array], images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
    """Return the scores of four convolutions, a global average and a dense layer."""
    x = (images - 0.5) * 4
    for number, stride in ((1, 2), (2, 2), (3, 1), (4, 1)):
        name = f"conv{number}"
        with jax.named_scope(name):
            x = jax.lax.conv_general_dilated(
                x, params[name], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        with jax.named_scope(f"relu{number}"):
            x = jax.nn.relu(x + params[f"{name}_bias"])
    return x.mean((1, 2)) @ params["fc"] + params["fc_bias"]


def shows_square(result: cv.Shortcuts, places: Int[np.ndarray, "n 2"]) -> bool:
    """Return whether all exemplars of the first class's first feature see the middle of the square."""
    middles = places[result.ids[0]] + SQUARE_PX // 2
    boxes = result.boxes[0]
    return bool(
        (places[result.ids[0]] >= 0).all() and (boxes[:, :2] <= middles).all() and (middles <= boxes[:, 2:]).all()
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--test-images", type=int, default=300)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--dictionary-steps", type=int, default=150)
    options = parser.parse_args()
    images, labels, masks = drawn(options.images, "train")
    tests, test_labels, test_masks = drawn(options.test_images, "test")
    first = alarmed = shown = clean_alarms = 0
    for seed in range(options.first, options.first + options.seeds):
        label = seed % len(CLASSES)
        for fault in (True, False):
            own, _ = planted(images, labels, masks, label, seed) if fault else (images, None)
            seen, places = planted(tests, test_labels, test_masks, label, seed + 1000) if fault else (tests, None)
            model = trained(own, labels, seed, options.steps)
            features = cv.learn_dictionary(
                "topk", model, own[:800], layer="relu4", size=192, k=4, steps=options.dictionary_steps, batch_rows=512,
                positions=12, progress=False,
            )  # fmt: skip
            found = cv.find_shortcuts(model, features, seen, test_labels, mask=test_masks, progress=False)
            line = {
                "benchmark": "shortcuts", "seed": seed, "planted": CLASSES[label] if fault else None,
                "accuracy": round(float((np.asarray(model(seen)).argmax(1) == test_labels).mean()), 3),
                "r2": round(features.metrics["r2"], 3), "alarms": found.alarms, "first": found.classes[0],
                "features": found.features[0].tolist(), "accuracy_of_first": round(float(found.accuracy[0]), 3),
                "without": round(float(found.without[0, -1]), 3), "outside": round(float(found.outside[0, -1]), 3),
                "others": round(float(found.others[0]), 3), "others_without": round(float(found.others_without[0]), 3),
                "p_value": float(f"{found.p_value[0]:.2g}"),
                "second_loss": round(float(found.lost[1]), 3),
            }  # fmt: skip
            if fault:
                line["shows_square"] = shows_square(found, places)
                first += found.classes[0] == CLASSES[label]
                alarmed += found.alarms == (CLASSES[label],)
                shown += line["shows_square"]
            else:
                clean_alarms += bool(found.alarms)
            print(json.dumps(line), flush=True)
    total = {
        "benchmark": "shortcuts", "seeds": options.seeds, "planted_first": first, "planted_alarmed_alone": alarmed,
        "exemplars_show_square": shown, "clean_trainings_with_alarm": clean_alarms,
    }  # fmt: skip
    print(json.dumps(total))
