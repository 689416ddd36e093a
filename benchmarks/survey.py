"""What surveys cost beside the plain forward pass: LeNet over MNIST, all units of a convolution in one pass.

Run: `python benchmarks/survey.py MNIST.npz lenet_mnist.safetensors [PICTURES]`; prints seconds and ratios.
"""

import sys
import time

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.engine.reducers import Reducer
from cnnviz_jax.engine.survey import run_survey
from cnnviz_jax.population import Population
from cnnviz_plugins.survey.distributions import build as distributions
from cnnviz_plugins.survey.exemplars import build as exemplars
from cnnviz_plugins.survey.pictures_fired import PicturesFired
from cnnviz_plugins.survey.plugin import DistributionsConfig, ExemplarsConfig


def main(data: str, weights: str, count: int = 10_000) -> None:
    """Time one pass each, after one that compiles; the plain pass counts fired pictures of the logits only."""
    model = cv.load_model("lenet", weights)
    images = np.load(data)["images"][:count].astype(np.float32)[..., None] / 256
    population = Population.of(images, model.input_shape)
    last = list(model.layers.values())[-1]
    plain: dict[str, Reducer] = {"plain": PicturesFired(layer=last.name, shape=last.shape)}
    passes = {"plain": plain}
    for layer in ("conv1", "conv2"):
        passes[f"exemplars {layer}"] = plain | dict(exemplars(ExemplarsConfig(layer=layer), model).reducers)
        passes[f"distributions {layer}"] = plain | dict(distributions(DistributionsConfig(layer=layer), model).reducers)
    seconds = {}
    for name, reducers in passes.items():
        times = []
        for _ in range(3):
            began = time.perf_counter()
            run_survey(
                reducers, model, population, batch=250, memory_budget=None, progress=lambda done, total, what: None
            )
            times.append(time.perf_counter() - began)
        seconds[name] = min(times)
        print(f"{name:<22}{seconds[name]:7.2f} s{seconds[name] / seconds['plain']:7.2f} x", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 10_000)
