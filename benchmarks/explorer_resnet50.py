"""A site of a ResNet-50-shaped random network, 26,560 units, over generated images: what it costs and how large it is.

    python benchmarks/explorer_resnet50.py [--size 224] [--images 2000] [--detail full] [--out FOLDER]
    python benchmarks/explorer_resnet50.py --ratio [--size 224] [--images 64] [--rounds 3]

The first makes the site and prints JSON: images that went through the network, bytes and files, CPU and wall seconds of
the pass and of the pages, the peak of memory. The second runs the site's pass and the plain one, which gathers the
answers alone, in turn over fewer images, and prints both and their ratio (`timing.py`); compiling is not in it. Making
the results of all units of what was gathered, such as correlations, is in it, and printed beside it.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.survey import run_survey
from cnnviz_jax.engine.surveys import gathered
from cnnviz_jax.plugins import plugins
from cnnviz_jax.site.answers import Answers, Labels
from cnnviz_jax.verbs import explore
from cnnviz_plugins.models.naming import abstract
from cnnviz_plugins.models.resnet import ResNet

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import Spent, compared, in_turn, spent

CLASSES = 1000


def network(size: int) -> cv.Model:
    """Return ResNet-50 with seeded weights: He et al.'s scale, and BatchNorm near 1."""
    module = abstract(lambda rngs: ResNet("bottleneck", (3, 4, 6, 3), rngs=rngs))
    graph, state = nnx.split(module)
    random = np.random.default_rng(0)

    def filled(path: Any, leaf: Any) -> Any:
        name, shape = jax.tree_util.keystr(path), leaf.shape
        if len(shape) > 1:
            return (random.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32)
        if "scale" in name or "var" in name:
            return random.uniform(0.5, 1.0, shape).astype(np.float32)
        return (0.05 * random.normal(size=shape)).astype(np.float32)

    module = nnx.merge(graph, jax.tree_util.tree_map_with_path(filled, state))
    module.eval()
    return cv.adapt(module, input_shape=(size, size, 3), adapter="nnx", name="resnet50-shaped")


def images(count: int, size: int) -> np.ndarray:
    """Return seeded images of smooth noise, so that neighbouring pixels are alike as in photographs."""
    coarse = np.random.default_rng(1).uniform(size=(count, 8, 8, 3)).astype(np.float32)
    grid = np.linspace(0, 7, size)
    low = np.minimum(grid.astype(int), 6)
    part = (grid - low).astype(np.float32)
    rows = coarse[:, low] * (1 - part)[:, None, None] + coarse[:, low + 1] * part[:, None, None]
    return rows[:, :, low] * (1 - part)[:, None] + rows[:, :, low + 1] * part[:, None]


def convolutions(model: cv.Model) -> list[str]:
    """Return the layers with a kernel of four axes: 26,560 units."""
    return [name for name, layer in model.layers.items() if layer.kernel is not None and np.ndim(layer.kernel) == 4]


class Counted:
    """Counts the images that go through the network, and the CPU seconds of the pass and of all else."""

    def __init__(self) -> None:
        self.images, self.pass_s, self._run = 0, 0.0, run_survey

    def __call__(self, reducers: Any, model: Any, dataset: Dataset, **options: Any) -> Any:
        """Run the pass."""
        batches = Dataset.batches
        begun_s = time.process_time()

        def counting(own: Dataset, *words: Any) -> Any:
            for part in batches(own, *words):
                self.images += int(np.sum(part.valid))
                yield part

        Dataset.batches = counting  # type: ignore[method-assign]  # restored below
        try:
            return self._run(reducers, model, dataset, **options)
        finally:
            Dataset.batches = batches  # type: ignore[method-assign]
            self.pass_s += time.process_time() - begun_s


def site(options: argparse.Namespace) -> dict[str, Any]:
    """Make the site and return what it took."""
    model, data = network(options.size), images(options.images, options.size)
    layers = convolutions(model)
    if options.layers:
        layers = layers[-options.layers :]
    labels = np.arange(len(data)) % CLASSES
    counted = Counted()
    explore_module = __import__("cnnviz_jax.verbs.explore", fromlist=["run_survey"])
    explore_module.run_survey = counted
    begun_s, cpu_s = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as place:
        out = Path(options.out or place) / "site"
        made = explore.explore(model, data, out, labels, layers=layers, detail=options.detail, progress=False)
        files = [path for path in out.rglob("*") if path.is_file()]
        return {
            "units": sum(1 for _ in made.units()), "images": len(data), "size": options.size, "detail": options.detail,
            "forward passes": counted.images, "files": len(files),
            "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
            "pass, CPU s": round(counted.pass_s), "all, CPU s": round(time.process_time() - cpu_s),
            "wall s": round(time.monotonic() - begun_s),
            "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }  # fmt: skip


class _CompiledError(Exception):
    """The first batch went through."""


def ratio(options: argparse.Namespace) -> dict[str, Any]:
    """Return CPU seconds of the plain pass and of the site's, in turn."""
    model, data = network(options.size), images(options.images, options.size)
    dataset = Dataset.of(data, model.input_shape, labels=np.arange(len(data)) % CLASSES, class_names=None)
    asked = {name: plugins().panels[name].surveys for name in explore._panels(plugins(), (), None)}
    surveys, _ = explore._surveys(model, convolutions(model), asked, None)
    plain = {"labels": Labels(count=len(data)), "answers": Answers(count=len(data), k=5)}
    run = partial(run_survey, batch=options.batch, progress=lambda *_: told())

    results: list[Spent] = []

    def told() -> None:
        if compiling:
            raise _CompiledError

    def whole() -> None:
        found, _, unreadable = gathered(surveys, model, dataset, run, more=plain)
        results.append(
            spent(lambda: [s.result(own, dataset, model, unreadable) for s, own in zip(surveys, found, strict=True)])
        )

    sides: dict[str, Callable[[], Any]] = {
        "plain": lambda: run(plain, model, dataset),
        "site": whole,
    }
    compiling = True
    for side in sides.values():
        with suppress(_CompiledError):
            side()
    compiling = False
    found = compared(in_turn(sides, options.rounds), "site", "plain")
    last = {"results_cpu_s": round(results[-1].cpu_s, 2), "results_wall_s": round(results[-1].wall_s, 2)}
    return {"size": options.size, "images": len(data), "batch": options.batch, **found, **last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratio", action="store_true")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--detail", choices=("full", "light"), default="full")
    parser.add_argument("--layers", type=int, default=0, help="the last so many only, to try it out")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    print(json.dumps((ratio if options.ratio else site)(options)))


if __name__ == "__main__":
    main()
