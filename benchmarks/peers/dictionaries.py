"""Dictionaries beside `overcomplete` on the same activations of `shapes`, of one size, k, batch and number of steps.

Prints a JSON line for TopK and one for the archetypal kind: R2 on rows held out, features that fire on none of them,
stability over two seeds (mean cosine, matched one to one), and the time of a step, by the difference of two trainings
of other lengths, so that neither compiling nor starting counts; both sides are timed in turn, and how many of our steps
one of theirs takes is told round by round. Both sides use Adam; ours with its own rate
and schedule, theirs with the rate of its examples, 5e-4, or `--their-rate`. Centres of the archetypal kind are from one
k-means.

The peer is not a dependency: `pip install overcomplete torch`.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import jax
import matplotlib.cm
import numpy as np
import torch
from jaxtyping import Float

import cnnviz_jax as cv
from cnnviz_plugins.dictionary.starting import centres
from cnnviz_plugins.models.shapes.images import draw_images

# overcomplete 0.3.0 asks on import for a function that matplotlib has no more.
vars(matplotlib.cm).setdefault("get_cmap", matplotlib.colormaps.get_cmap)
from overcomplete.sae import RATopKSAE, TopKSAE, train_sae  # noqa: E402 - see above

Rows = Float[np.ndarray, "n c"]


def activations(layer: str, count: int, split: Any) -> Rows:
    """Return every fifth inner position of a layer, for so many images."""
    model = cv.load_model("shapes")
    values = cv.capture(model, draw_images(range(count), split=split)[0], [layer])[layer][:, 1:-1, 1:-1]
    return values.reshape(-1, values.shape[-1])[::5].astype(np.float32)


def explained(rows: Rows, rebuilt: Rows) -> float:
    """Return R2 with each channel's own mean."""
    return float(1 - ((rows - rebuilt) ** 2).sum() / ((rows - rows.mean(0)) ** 2).sum())


def cosine_of(first: Rows, second: Rows) -> float:
    """Return the mean cosine of directions matched one to one."""
    from scipy.optimize import linear_sum_assignment

    one, other = (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (first, second))
    cosines = one @ other.T
    return float(cosines[linear_sum_assignment(-cosines)].mean())


def ours(name: str, rows: Rows, held_out: Rows, options: Any, seed: int, steps: int) -> tuple[float, float, Rows]:
    """Return R2, share of dead features and directions of this package's dictionary."""
    made = cv.learn_dictionary(
        name, rows, size=options.size, k=options.k, steps=steps, batch_rows=options.batch, key=seed, held_out=0.01,
        progress=False,
    )  # fmt: skip
    codes = made.encode(held_out)
    return explained(held_out, made.decode(codes)), float((codes == 0).all(0).mean()), made.directions


def theirs(name: str, rows: Rows, held_out: Rows, options: Any, seed: int, steps: int) -> tuple[float, float, Rows]:
    """Return the same of the peer's."""
    torch.manual_seed(seed)
    channels = rows.shape[1]
    if name == "topk":
        network: Any = TopKSAE(channels, nb_concepts=options.size, top_k=options.k)
    else:
        some = np.random.default_rng(seed).permutation(rows)[:32_000]
        points = torch.tensor(centres(some, options.size, jax.random.key(seed)))
        network = RATopKSAE(channels, nb_concepts=options.size, points=points, top_k=options.k)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.their_rate)
    random = np.random.default_rng(seed)
    batches = (torch.from_numpy(rows[random.integers(len(rows), size=options.batch)]) for _ in range(steps))
    train_sae(network, batches, lambda x, x_hat, *_: (x - x_hat).square().mean(), optimizer, nb_epochs=1, monitoring=0)
    network.eval()
    with torch.no_grad():
        _, codes, rebuilt = network(torch.from_numpy(held_out))
        directions = network.get_dictionary().numpy()
    return explained(held_out, rebuilt.numpy()), float((codes.numpy() == 0).all(0).mean()), directions


def step_s(train: Callable[[int], Any], steps: int) -> tuple[float, float]:
    """Return the seconds of one step, by the clock and of the CPU."""
    spent = []
    for count in (steps, 3 * steps):
        started = time.perf_counter(), time.process_time()
        train(count)
        spent.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    clock, cpu = ((long - short) / (2 * steps) for short, long in zip(*spent, strict=True))
    return clock, cpu


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", default="relu4")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--timed-steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5, help="in which both sides are timed, one after the other")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--their-rate", type=float, default=5e-4)
    options = parser.parse_args()
    rows, held_out = activations(options.layer, options.images, "train"), activations(options.layer, 200, "test")
    for name in ("topk", "archetypal"):
        line: dict[str, Any] = {"benchmark": "dictionaries", "name": name, "rows": len(rows), "steps": options.steps}
        for side, learned in (("ours", ours), ("theirs", theirs)):
            found = [learned(name, rows, held_out, options, seed, options.steps) for seed in range(2)]
            line[f"{side}_r2"] = round(float(np.mean([each[0] for each in found])), 4)
            line[f"{side}_dead"] = round(float(np.mean([each[1] for each in found])), 4)
            line[f"{side}_stability"] = round(cosine_of(found[0][2], found[1][2]), 4)
        # In turn, so that what else the machine does slows both alike; a ratio is of neighbours.
        pairs = []
        for _ in range(options.rounds):
            pairs.append(
                [step_s(lambda steps: learned(name, rows, held_out, options, 0, steps), options.timed_steps)  # noqa: B023 - used at once
                 for learned in (ours, theirs)]
            )  # fmt: skip
        both = np.array(pairs)
        for place, kind in enumerate(("clock", "cpu")):
            ratios = both[:, 1, place] / both[:, 0, place]
            line[f"ours_{kind}_ms_per_step"], line[f"theirs_{kind}_ms_per_step"] = (
                round(float(each), 3) for each in 1000 * np.median(both[:, :, place], 0)
            )
            line[f"steps_for_one_of_theirs_by_{kind}"] = [round(float(each), 2) for each in np.sort(ratios)]
        print(json.dumps(line), flush=True)
