"""Captum's numbers on one network of one, two and three spatial axes, which `tests/explain/test_captums_axes.py` keeps.

Run from the repository's root, with `torch` and `captum==0.9.0` installed beside NumPy:

    python -m benchmarks.peers.axes

One line for each number of axes and method: the mean of its map over both inputs, and eight entries, channels last.
Grad-CAM is enlarged by Captum's `LayerAttribution.interpolate`; occlusion has windows over all channels.
"""

import json
from typing import Any

import numpy as np
import torch
from captum import attr
from torch import nn

from tests.explain import axes_network as net

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
ENLARGING = {1: "linear", 2: "bilinear", 3: "trilinear"}
WINDOWS = {1: ((4,), (3,)), 2: ((3, 4), (2, 3)), 3: ((2, 3, 4), (2, 3, 2))}
"""Sides and strides of occlusion's windows."""


class Network(nn.Module):
    """The network of `axes_network`."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        numbers = {name: torch.from_numpy(value) for name, value in net.parameters(axes).items()}
        self.axes = axes
        self.conv1, self.conv2 = CONVS[axes](2, 4, 3, padding=1), CONVS[axes](4, 5, 3, stride=2, padding=1)
        self.act1, self.act2, self.pool = nn.ReLU(), nn.ReLU(), POOLS[axes](2)
        self.norm, self.head = NORMS[axes](5, eps=net.EPSILON), nn.Linear(5, 3)
        self.conv1.weight.data = _kernel(numbers["conv1"])
        self.conv1.bias.data = numbers["bias1"]
        self.conv2.weight.data = _kernel(numbers["conv2"])
        self.conv2.bias.data = torch.zeros(5)
        self.norm.weight.data, self.norm.bias.data = numbers["scale"], numbers["shift"]
        self.norm.running_mean, self.norm.running_var = numbers["mean"], numbers["variance"]
        self.head.weight.data, self.head.bias.data = numbers["head"].T.contiguous(), numbers["bias"]

    def forward(self, x: Any) -> Any:
        """Scores."""
        x = self.act2(self.norm(self.conv2(self.pool(self.act1(self.conv1(x))))))
        return self.head(x.mean(tuple(range(2, 2 + self.axes))))


def _kernel(weights: Any) -> Any:
    """(*sides, in, out) as (out, in, *sides)."""
    return weights.movedim((-1, -2), (0, 1)).contiguous()


def maps(axes: int) -> dict[str, np.ndarray]:
    """Return Captum's maps by method, channels last."""
    network = Network(axes).eval()
    x = torch.from_numpy(net.inputs(axes)).movedim(-1, 1).contiguous()
    window, stride = WINDOWS[axes]
    cam = attr.LayerGradCam(network, network.act2).attribute(x, net.TARGET, relu_attributions=True)
    found = {
        "saliency": attr.Saliency(network).attribute(x, net.TARGET, abs=False),
        "integrated-gradients": attr.IntegratedGradients(network).attribute(
            x, 0.0, net.TARGET, n_steps=net.NODES, method="gausslegendre"
        ),
        "grad-cam": attr.LayerAttribution.interpolate(cam, net.SIDES[axes], interpolate_mode=ENLARGING[axes]),
        "occlusion": attr.Occlusion(network).attribute(x, (2, *window), (2, *stride), 0.0, net.TARGET),
    }
    return {name: value.detach().movedim(1, -1).numpy() for name, value in found.items()}


if __name__ == "__main__":
    for axes in net.SIDES:
        for method, values in maps(axes).items():
            print(json.dumps({"axes": axes, "method": method, "some": [round(v, 8) for v in net.some(values)]}))
