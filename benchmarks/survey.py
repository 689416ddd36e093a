"""What surveys cost beside the plain forward pass: LeNet over MNIST, all units of its convolutions in one pass.

Run: `python benchmarks/survey.py MNIST.npz lenet_mnist.safetensors [IMAGES] [ROUNDS]`; prints seconds and ratios.
"""

import sys
import time

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.reducers import Reducer
from cnnviz_jax.engine.survey import run_survey
from cnnviz_plugins.survey.distributions import build as distributions
from cnnviz_plugins.survey.exemplars import build as exemplars
from cnnviz_plugins.survey.per_class import ImagesFired
from cnnviz_plugins.survey.plugin import DistributionsConfig, ExemplarsConfig

BATCH = 64


def passes(model: cv.Model) -> dict[str, dict[str, Reducer]]:
    """Return what is gathered in each kind of pass; all of them run the network to its logits."""
    last = list(model.layers.values())[-1]
    plain: dict[str, Reducer] = {"plain": ImagesFired(layer=last.name, shape=last.shape)}
    kinds, together = {"plain": plain}, dict(plain)
    for layer in ("conv1", "conv2"):
        best = dict(exemplars(ExemplarsConfig(layer=layer), model).reducers)
        spread = dict(distributions(DistributionsConfig(layer=layer), model).reducers)
        kinds |= {f"exemplars {layer}": plain | best, f"distributions {layer}": plain | spread}
        together |= {f"{layer} {name}": reducer for name, reducer in (best | spread).items()}
    return kinds | {"both, conv1 and conv2": together}


def main(data: str, weights: str, count: int = 10_000, rounds: int = 3) -> None:
    """Time every pass in turn, several rounds of it after one that compiles, and print the best of each."""
    model = cv.load_model("lenet", weights)
    images = np.load(data)["images"][:count].astype(np.float32)[..., None] / 256
    dataset = Dataset.of(images, model.input_shape)
    kinds = passes(model)
    seconds = dict.fromkeys(kinds, float("inf"))
    for turn in range(rounds + 1):
        for name, reducers in kinds.items():
            began = time.perf_counter()
            run_survey(reducers, model, dataset, batch=BATCH, memory_budget=None, progress=lambda *_: None)
            if turn:
                seconds[name] = min(seconds[name], time.perf_counter() - began)
    for name, best in seconds.items():
        print(f"{name:<24}{best:7.2f} s{best / seconds['plain']:7.2f} x")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
