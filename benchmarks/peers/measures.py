"""Measures beside Quantus on the same images, maps and masks: one JSON line for each, values and CPU seconds.

Run from the repository's root, with `torch` and `quantus==0.6.0` installed beside this package:

    python benchmarks/peers/measures.py --images 200
    python benchmarks/peers/measures.py --images 8 --measures auc focus

A small network of seeded weights stands in PyTorch and, read from it, here; maps are gradient x input of its logits.
`difference` is the largest difference between the two lists of numbers over the largest number. The CPU seconds of both
sides are those of the second of two runs, so that neither side counts what it does once in a process; they are counted
in turn, A B A B. `peer_passes_s` is what of Quantus' seconds the network's own forward passes in PyTorch take: who asks
the network the same questions at that pace cannot take less. Quantus adds 1e-7 or 1e-10 to some denominators; where its
numbers are another formula's, ours are those of `convention="quantus"`.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import quantus
import torch
from torch import nn

import cnnviz_jax as cv
from cnnviz_plugins.measure.robustness.lipschitz import lipschitz
from cnnviz_plugins.measure.robustness.relative import relative, stability
from cnnviz_plugins.measure.robustness.sensitivity import relative_change

np.trapz = np.trapezoid  # type: ignore[attr-defined]  # Quantus 0.6 calls it by its name before NumPy 2.4

SIZE, CLASSES, STEP, PATCH = 32, 2, 64, 8
QUIET: dict[str, Any] = {"disable_warnings": True, "return_aggregate": False}
ALIKE: dict[str, Any] = {"unit": "element", "score": "target", "step": STEP, "fill": 0.0}
BLACK: dict[str, Any] = {"features_in_step": STEP, "perturb_baseline": 0.0, "normalise": False}


def network() -> nn.Module:
    """Return the network that both sides run."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, CLASSES),
    ).eval()  # fmt: skip


class Sides:
    """Images, maps and masks as both sides take them."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(0)
        self.images = random.uniform(size=(count, SIZE, SIZE, 3)).astype(np.float32)
        self.images[:, 0, 0] = 0.0  # so that "black", the least value of an image, is black
        self.torch = network()
        self.passes_s = 0.0
        self.torch.register_forward_pre_hook(lambda *_: self._passed(-1))
        self.torch.register_forward_hook(lambda *_: self._passed(1))
        self.model = cv.adapt(self.torch, input_shape=(SIZE, SIZE, 3))
        self.labels = np.asarray(self.model(self.images)).argmax(1)
        maps = cv.explain("input-x-gradient", self.model, self.images, self.labels)
        self.maps = maps
        # No two elements alike and no map without a sum: what is a matter of order, or of dividing by nearly 0, is not
        # what the two sides are compared by. Every map's largest sum over channels is 1: Quantus scales by the batch.
        values = np.asarray(maps.values) + 0.01 * random.uniform(size=self.images.shape) * np.abs(maps.values).max()
        self.values = np.float32(values / np.abs(values.sum(-1)).max((1, 2))[:, None, None, None])
        self.flat = np.ascontiguousarray(self.values.sum(-1))
        self.mask = np.zeros(self.flat.shape, bool)
        for own, (row, col) in zip(self.mask, random.integers(0, SIZE - 12, (count, 2)), strict=True):
            own[row : row + 12, col : col + 9] = True
        wave = 0.05 * np.cos(np.arange(self.images[0].size)).reshape(3, SIZE, SIZE).transpose(1, 2, 0)
        self.shaken = np.float32(self.images + wave)

    def _passed(self, sign: int) -> None:
        self.passes_s += sign * time.process_time()

    def theirs(self, metric: Any, *, flat: bool = False, again: bool = False, **options: Any) -> Any:
        """Return what Quantus says; `again`: of the technique's own maps, which it makes again."""
        values = np.asarray(self.maps.values) if again else self.values
        maps = values.sum(-1)[:, None] if flat else values.transpose(0, 3, 1, 2)
        return metric(
            model=self.torch, x_batch=self.images.transpose(0, 3, 1, 2).copy(), y_batch=self.labels.copy(),
            a_batch=maps.copy(), device="cpu", **{"channel_first": True, "softmax": False, **options},
        )  # fmt: skip

    def ours(self, name: str, *, flat: bool = False, again: bool = False, **options: Any) -> Any:
        """Return what this project says."""
        if again:
            return cv.measure(name, self.model, None, self.maps, progress=False, **options)
        maps = self.flat if flat else self.values
        return cv.measure(name, self.model, self.images, maps, self.labels, progress=False, **options)


def flat_explained(model: nn.Module, inputs: Any, targets: Any, **more: Any) -> Any:
    """Return gradient x input, summed over channels."""
    return explained(model, inputs, targets, **more).sum(1, keepdims=True)


def explained(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> Any:
    """Return gradient x input, as Quantus wants it."""
    x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
    chosen = model(x)[torch.arange(len(x)), torch.as_tensor(np.asarray(targets))]
    return (torch.autograd.grad(chosen.sum(), x)[0] * x).detach().numpy()


Case = tuple[Callable[[Sides], Any], Callable[[Sides], Any]]


def localized(metric: Any, name: str, *, theirs: dict[str, Any] | None = None, **options: Any) -> Case:
    """Return a measure of flat maps against masks."""
    made = metric(normalise=False, **QUIET, **(theirs or {}))
    return (
        lambda sides: sides.theirs(made, flat=True, s_batch=sides.mask[:, None].copy()),
        lambda sides: sides.ours(name, flat=True, mask=sides.mask, **options).values,
    )


def of_map(metric: Any, name: str, *, theirs: dict[str, Any] | None = None, **options: Any) -> Case:
    """Return a measure of flat maps alone."""
    made = metric(**QUIET, **(theirs or {}))
    return (lambda sides: sides.theirs(made, flat=True), lambda sides: sides.ours(name, flat=True, **options).values)


def faithful(metric: Any, name: str, theirs: dict[str, Any], curve: bool = False, **options: Any) -> Case:
    """Return a measure that changes the image."""
    made = metric(**QUIET, **theirs)

    def ours(sides: Sides) -> Any:
        found = sides.ours(name, **options)
        return found.curve if curve else found.values

    return (lambda sides: sides.theirs(made), ours)


REGION: dict[str, Any] = {"patch_size": PATCH, "perturb_baseline": 0.0, "normalise": False}
REGIONS: dict[str, Any] = {"patch_px": PATCH, "fill": 0.0, "score": "target"}


def region(order: str) -> Case:
    """Return region perturbation's curve; ours begins with the untouched image."""
    made = quantus.RegionPerturbation(**QUIET, **REGION, regions_evaluation=16, order=order)
    return (
        lambda sides: sides.theirs(made),
        lambda sides: sides.ours("region-perturbation", flat=True, order=order, **REGIONS).curve[:, 1:],
    )


def quadrants() -> Case:
    """Return the share of the map in two of four quadrants."""
    made, cells = quantus.Focus(**QUIET), (True, False, False, True)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[: SIZE // 2, : SIZE // 2] = mask[SIZE // 2 :, SIZE // 2 :] = True
    return (
        lambda sides: sides.theirs(made, flat=True, custom_batch=[cells] * len(sides.images)),
        lambda sides: sides.ours("focus", flat=True, mask=np.stack([mask] * len(sides.images))).values,
    )


def consistent() -> Case:
    """Return the share of images of equal first signs that are predicted alike; who has none is 0 there, NaN here."""
    made = quantus.Consistency(**QUIET, abs=False, normalise=False)
    return (
        lambda sides: sides.theirs(made, flat=True, batch_size=len(sides.images)),
        lambda sides: np.nan_to_num(sides.ours("consistency", flat=True).values),
    )


def near() -> Case:
    """Return the share of images of near maps that are predicted alike; who has none is 0 there, NaN here."""
    made = quantus.Sufficiency(**QUIET, threshold=0.9)
    return (
        lambda sides: sides.theirs(made, flat=True, batch_size=len(sides.images)),
        lambda sides: np.nan_to_num(sides.ours("sufficiency", flat=True, threshold=0.9).values),
    )


def shifts() -> Case:
    """Return how far maps move as images are shifted; of one image at a time, as its scaling is of the batch."""
    made = quantus.Continuity(**QUIET, nr_steps=7)
    return (
        lambda sides: sides.theirs(made, again=True, explain_func=explained, batch_size=1),
        lambda sides: sides.ours("continuity", again=True, steps=7, fill=0.0).values,
    )


def wave(arr: Any, **_: Any) -> Any:
    """Return flat images (n, c h w), shaken by a wave."""
    return arr + 0.05 * np.cos(np.arange(arr[0].size)).reshape(arr[0].shape)


def shaken(metric: Any, formula: Callable[..., Any], **options: Any) -> Case:
    """Return a measure of one shaken copy; the formula gets maps, images and logits before and after."""
    made = metric(**QUIET, nr_samples=1, perturb_func=wave, **options)

    def ours(sides: Sides) -> Any:
        after = cv.explain("input-x-gradient", sides.model, sides.shaken, sides.labels, progress=False)
        logits = [np.asarray(sides.model(images), np.float64) for images in (sides.images, sides.shaken)]
        return formula(np.asarray(sides.maps.values), np.asarray(after.values), sides.images, sides.shaken, *logits)

    return (lambda sides: sides.theirs(made, again=True, explain_func=explained), ours)


def logit() -> Case:
    """Return the similarity to the map of the other class; of two there is one other."""
    made = quantus.RandomLogit(**QUIET, num_classes=CLASSES, normalise=False)
    return (
        lambda sides: sides.theirs(made, flat=True, again=True, explain_func=flat_explained),
        lambda sides: sides.ours("random-logit", again=True, convention="quantus", reduction="sum").values,
    )


CASES: dict[str, Callable[[], Case]] = {
    "faithfulness-estimate": lambda: faithful(quantus.FaithfulnessEstimate, "faithfulness-estimate", BLACK, **ALIKE),
    "pixel-flipping": lambda: faithful(
        quantus.PixelFlipping, "pixel-flipping", BLACK | {"return_auc_per_sample": True}, convention="quantus", **ALIKE
    ),
    "pixel-flipping curve": lambda: faithful(
        quantus.PixelFlipping, "pixel-flipping", BLACK, curve=True, convention="quantus", **ALIKE
    ),
    "monotonicity-correlation": lambda: faithful(
        quantus.MonotonicityCorrelation, "monotonicity-correlation", BLACK | {"nr_samples": 1}, **ALIKE
    ),
    "sensitivity-n": lambda: (
        lambda sides: sides.theirs(quantus.SensitivityN(**QUIET, **BLACK), batch_size=len(sides.images)),
        lambda sides: sides.ours("sensitivity-n", convention="quantus", **ALIKE).curve[0],
    ),
    "region-perturbation morf": lambda: region("morf"),
    "region-perturbation lerf": lambda: region("lerf"),
    "selectivity": lambda: (
        lambda sides: sides.theirs(quantus.Selectivity(**QUIET, **REGION)),
        lambda sides: sides.ours("selectivity", flat=True, **REGIONS).curve[:, 1:],
    ),
    "sufficiency": near,
    "consistency": consistent,
    "continuity": shifts,
    "focus": quadrants,
    "max-sensitivity": lambda: shaken(quantus.MaxSensitivity, lambda a, b, *_: relative_change(a, b), normalise=False),
    "local-lipschitz-estimate": lambda: shaken(
        quantus.LocalLipschitzEstimate, lambda a, b, x, y, *_: lipschitz(a, b, x, y), normalise=False
    ),
    "relative-input-stability": lambda: shaken(
        quantus.RelativeInputStability, lambda a, b, x, y, *_: stability(relative(a, b), relative(x, y))
    ),
    "pointing-game": lambda: localized(quantus.PointingGame, "pointing-game"),
    "attribution-localisation": lambda: localized(quantus.AttributionLocalisation, "attribution-localisation"),
    "top-k-intersection": lambda: localized(quantus.TopKIntersection, "top-k-intersection", theirs={"k": 50}, k=50),
    "relevance-rank-accuracy": lambda: localized(quantus.RelevanceRankAccuracy, "relevance-rank-accuracy"),
    "relevance-mass-accuracy": lambda: localized(
        quantus.RelevanceMassAccuracy, "relevance-mass-accuracy", part="signed"
    ),
    "auc": lambda: localized(quantus.AUC, "auc"),
    "sparseness": lambda: of_map(quantus.Sparseness, "sparseness"),
    "complexity": lambda: of_map(quantus.Complexity, "complexity"),
    "effective-complexity": lambda: of_map(
        quantus.EffectiveComplexity, "effective-complexity", theirs={"eps": 0.1}, eps=0.1
    ),
    "random-logit": logit,
}


def main() -> None:
    """Print a line for each measure, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--measures", nargs="+", default=list(CASES))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    sides, total = Sides(asked.images), np.zeros(3)
    for name in asked.measures:
        theirs, ours = CASES[name]()
        seconds, found = np.zeros(3), [np.empty(0), np.empty(0)]
        for _ in range(2):
            for side, run in enumerate((theirs, ours)):
                sides.passes_s, began = 0.0, time.process_time()
                found[side] = np.asarray(run(sides), np.float64)
                seconds[side] = time.process_time() - began
                if not side:
                    seconds[2] = sides.passes_s
        total += seconds
        row = {"measure": name, "images": asked.images, "difference": difference(*found)}
        names = ("peer_cpu_s", "cpu_s", "peer_passes_s")
        print(json.dumps(row | dict(zip(names, seconds.round(3).tolist(), strict=True))), flush=True)
    ratios = {"peer_over_ours": total[0] / total[1], "peer_over_its_passes": total[0] / total[2]}
    print(json.dumps({"all": len(asked.measures)} | {name: round(ratio, 2) for name, ratio in ratios.items()}))


def difference(one: np.ndarray, other: np.ndarray) -> float | str:
    """Return the largest difference over the largest number, or both shapes where they differ."""
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    return float(f"{np.nanmax(np.abs(one - other)) / max(np.nanmax(np.abs(one)), 1e-30):.2g}")


if __name__ == "__main__":
    main()
