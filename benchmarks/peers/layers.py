"""Layer and Neuron classes beside Captum on six PyTorch networks: one line for each, with the largest difference.

Run from the repository's root, with `torch` and `captum==0.9.0` installed beside this package:

    python benchmarks/peers/layers.py

The networks are plain, residual with batch norms, grouped and dilated, with one functional ReLU used thrice, with
branches joined, and with SiLU; weights are seeded. `difference` is the largest difference over Captum's largest number,
of all numbers at the layer or of the image. `why` names what the documentation says where Captum does something else.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum import attr
from torch import nn
from torch.nn import functional as F

import cnnviz_jax as cv

TARGET, UNIT = 1, (1, 2, 2)
"""The class, and a unit as (channel, row, column)."""


class Plain(nn.Module):
    """Convolution, max pool, convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.act, self.pool = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.conv, self.act2, self.mean = nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        x = self.conv(self.pool(self.act(self.body(x))))
        return self.head(self.mean(self.act2(x)).flatten(1))


class Residual(nn.Module):
    """A skip connection, with batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0, self.act0 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.conv, self.norm, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.mean, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        x = self.act0(self.norm0(self.stem(x)))
        return self.head(self.mean(self.act(x + self.norm(self.conv(x)))).flatten(1))


class Grouped(nn.Module):
    """Groups, and holes between the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act0 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()
        self.conv, self.act = nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2), nn.ReLU()
        self.mean, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        return self.head(self.mean(self.act(self.conv(self.act0(self.stem(x))))).flatten(1))


class Functional(nn.Module):
    """ReLU as a function, used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.hidden, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        return self.head(F.relu(self.hidden(F.relu(self.conv(F.relu(self.stem(x)))).mean((2, 3)))))


class Joined(nn.Module):
    """Two branches, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.right = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.act0, self.act1, self.act = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.conv, self.mean, self.head = nn.Conv2d(5, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        x = torch.cat([self.act0(self.stem(x)), self.act1(self.right(x))], 1)
        return self.head(self.mean(self.act(self.conv(x))).flatten(1))


class Smooth(nn.Module):
    """SiLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act0 = nn.Conv2d(2, 4, 3, padding=1), nn.SiLU()
        self.conv, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.SiLU()
        self.mean, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        """Scores."""
        return self.head(self.mean(self.act(self.conv(self.act0(self.stem(x))))).flatten(1))


NETWORKS = (Plain, Residual, Grouped, Functional, Joined, Smooth)
KINKS = "Captum's DeepLIFT through max pools, functional ReLUs or SiLU"
FUNCTIONS = "Captum does not see ReLUs that are functions"
NO_RELU = "there is no ReLU to rewrite, which is an error here; Captum gives the plain gradient"
SKIPS = "Captum's LRP counts a skip connection twice, sees no functions, and refuses SiLU"
KNOWN = {
    **{(name, kind): KINKS for name in ("LayerDeepLift", "LayerDeepLiftShap", "NeuronDeepLift", "NeuronDeepLiftShap")
       for kind in ("Plain", "Functional", "Smooth")},
    **{(name, "Functional"): FUNCTIONS for name in ("NeuronGuidedBackprop", "NeuronDeconvolution")},
    **{(name, "Smooth"): NO_RELU for name in ("NeuronGuidedBackprop", "NeuronDeconvolution")},
    **{("LayerLRP", kind): SKIPS for kind in ("Residual", "Functional", "Smooth")},
}  # fmt: skip


class Pair:
    """A network, an image and baselines as both sides take them."""

    def __init__(self, kind: type[nn.Module]) -> None:
        torch.manual_seed(3)
        self.torch = kind()
        for module in self.torch.modules():
            if isinstance(module, nn.Conv2d):
                module.bias.data.add_(0.3)  # few units are shut, the one that is explained is not
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
        self.torch.eval()
        random = np.random.default_rng(0)
        self.image, self.base = random.uniform(size=(2, 8, 8, 2)).astype(np.float32)
        self.several = random.uniform(size=(3, 8, 8, 2)).astype(np.float32)
        self.model = cv.adapt(self.torch, input_shape=(8, 8, 2))
        self.x, self.b, self.bs = map(self.given, (self.image[None], self.base[None], self.several))
        self.layer = self.torch.conv

    def given(self, images: np.ndarray) -> torch.Tensor:
        """Return images as Captum takes them."""
        return torch.tensor(images.transpose(0, 3, 1, 2))

    def ours(self, name: str, *, neuron: bool = False, at: bool = True, **options: Any) -> np.ndarray:
        """Return this project's numbers as (channel, row, column)."""
        channel, row, col = UNIT
        target = cv.targets.neuron("conv", row, col, channel) if neuron else TARGET
        place = {} if neuron or not at else {"at": "conv"}
        result = cv.explain(name, self.model, self.image, target, progress=False, **place, **options)
        return np.asarray(result.values)[0].transpose(2, 0, 1)

    def parts(self) -> np.ndarray:
        """Return the fall of the score without each channel of the layer, spread over the channel."""
        result = cv.explain("feature-ablation", self.model, self.image, TARGET, at="conv", progress=False)
        values = np.asarray(result.values)[0]
        return values.transpose(2, 0, 1)


def layered(name: str) -> Callable[..., Any]:
    """Return a call of one of Captum's Layer or Neuron classes."""

    def run(pair: Pair, **options: Any) -> Any:
        method = getattr(attr, name)(pair.torch, pair.layer)
        which: dict[str, Any] = {"neuron_selector": UNIT} if name.startswith("Neuron") else {"target": TARGET}
        if name == "NeuronConductance":
            which["target"] = TARGET
        found = method.attribute(pair.x, **which, **options)
        return (found[0] if isinstance(found, tuple) else found)[0].detach().numpy()

    return run


CHANNELS = torch.arange(8)[None, :, None, None]
CASES: dict[str, tuple[Callable[[Pair], Any], Callable[[Pair], Any]]] = {
    "LayerGradientXActivation": (
        lambda p: layered("LayerGradientXActivation")(p), lambda p: p.ours("input-x-gradient")),
    "LayerIntegratedGradients": (
        lambda p: layered("LayerIntegratedGradients")(p, baselines=p.b, n_steps=50),
        lambda p: p.ours("integrated-gradients", baseline=p.base, nodes=50)),
    "LayerConductance": (
        lambda p: layered("LayerConductance")(p, baselines=p.b, n_steps=50),
        lambda p: p.ours("conductance", baseline=p.base, nodes=50, quadrature="captum")),
    "InternalInfluence": (
        lambda p: layered("InternalInfluence")(p, baselines=p.b, n_steps=50),
        lambda p: p.ours("internal-influence", baseline=p.base, nodes=50)),
    "LayerDeepLift": (
        lambda p: layered("LayerDeepLift")(p, baselines=p.b), lambda p: p.ours("deeplift", baseline=p.base)),
    "LayerDeepLiftShap": (
        lambda p: layered("LayerDeepLiftShap")(p, baselines=p.bs),
        lambda p: p.ours("deeplift-shap", baselines=p.several)),
    "LayerLRP": (
        lambda p: layered("LayerLRP")(p), lambda p: p.ours("lrp", convention="captum")),
    "LayerFeatureAblation": (
        lambda p: layered("LayerFeatureAblation")(p, layer_mask=CHANNELS[:, : p.layer.out_channels]),
        Pair.parts),
    "LayerGradCam": (
        lambda p: layered("LayerGradCam")(p),
        lambda p: np.asarray(cv.explain("grad-cam", p.model, p.image, TARGET, layer="conv", convention="captum",
                                        progress=False).low_res)[0][None]),
    "NeuronGradient": (
        lambda p: layered("NeuronGradient")(p), lambda p: p.ours("saliency", neuron=True)),
    "NeuronIntegratedGradients": (
        lambda p: layered("NeuronIntegratedGradients")(p, baselines=p.b, n_steps=50),
        lambda p: p.ours("integrated-gradients", neuron=True, baseline=p.base, nodes=50)),
    "NeuronConductance": (
        lambda p: layered("NeuronConductance")(p, baselines=p.b, n_steps=50),
        lambda p: p.ours("conductance", unit=(UNIT[1], UNIT[2], UNIT[0]), baseline=p.base, nodes=50,
                         quadrature="captum")),
    "NeuronDeepLift": (
        lambda p: layered("NeuronDeepLift")(p, baselines=p.b),
        lambda p: p.ours("deeplift", neuron=True, baseline=p.base)),
    "NeuronDeepLiftShap": (
        lambda p: layered("NeuronDeepLiftShap")(p, baselines=p.bs),
        lambda p: p.ours("deeplift-shap", neuron=True, baselines=p.several)),
    "NeuronGuidedBackprop": (
        lambda p: layered("NeuronGuidedBackprop")(p), lambda p: p.ours("guided-backprop", neuron=True)),
    "NeuronDeconvolution": (
        lambda p: layered("NeuronDeconvolution")(p), lambda p: p.ours("deconvnet", neuron=True)),
}  # fmt: skip


def main() -> None:
    """Print a line for each class and network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", nargs="+", default=list(CASES))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in NETWORKS:
        pair = Pair(kind)
        for name in asked.classes:
            theirs, ours = CASES[name]
            row: dict[str, Any] = {"class": name, "network": kind.__name__}
            try:
                one, other = theirs(pair), ours(pair)
                row["difference"] = float(f"{np.abs(one - other).max() / np.abs(one).max():.1e}")
            except Exception as reason:  # a line of the table, whoever refuses and however
                row["refused"] = f"{type(reason).__name__}: {str(reason)[:90]}"
            if row.get("difference", 1) > 1e-4:
                row["why"] = KNOWN.get((name, kind.__name__), "unexplained")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
