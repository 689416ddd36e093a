"""The two networks of the adapter contract in PyTorch: modules and functions, channels first, in training mode."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.adapters.networks import CLASSES, weights

torch.set_num_threads(1)  # its threads and XLA's would take turns


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.dense = nn.Linear(3 * 2 * 8, CLASSES)

    def forward(self, x):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = F.max_pool2d(torch.relu(bn(conv(x))), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # the dense weights were made for channels last
        return self.dense(self.drop(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x
        return self.relu(y)


class Down(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(6, 8, 3, 2, padding=1), nn.BatchNorm2d(8)
        self.shortcut = nn.Conv2d(6, 4, 1, 2)

    def forward(self, x):
        return torch.cat([F.relu(self.bn1(self.conv1(x))), self.shortcut(x)], 1)


class Resnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.layer1, self.layer2 = Residual(), Down()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.stem_bn(self.stem(x)))))
        return self.fc(self.drop(x.mean((2, 3))))


def native(name: str) -> tuple[nn.Module]:
    """Return the network with its weights, in training mode as its constructor leaves it."""
    module = {"vgg": Vgg, "resnet": Resnet}[name]()
    words = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    state = module.state_dict()
    for path, array in weights(name).items():
        owner, _, word = path.rpartition(".")
        turned = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        state[f"{owner}.{words.get(word, word)}"] = torch.from_numpy(turned.copy())
    module.load_state_dict(state)
    return (module,)


def outputs(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what hooks say each module returned at its first call, channels last."""
    module = native(name)[0].eval()
    found: dict[str, Any] = {}

    def hook(path: str) -> Any:
        def record(module, args, out):
            found.setdefault(path, out.clone().numpy())

        return record

    for path, inner in module.named_modules():
        inner.register_forward_hook(hook(path))
    with torch.no_grad():
        module(torch.from_numpy(np.moveaxis(x, -1, 1).copy()))
    return {path: np.moveaxis(value, 1, -1) for path, value in found.items() if path}


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, signal):
        (x,) = ctx.saved_tensors
        return signal.clamp(min=0) * (x > 0)


def guided_gradient(name: str, x: np.ndarray, target: int) -> np.ndarray:
    """Return the guided gradient that PyTorch's own autograd gives, channels last."""
    module = native(name)[0].eval()
    tensor = torch.from_numpy(np.moveaxis(x, -1, 1).copy()).requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "relu", _Guided.apply)
        patch.setattr(F, "relu", lambda x, inplace=False: _Guided.apply(x))
        module(tensor)[:, target].sum().backward()
    return np.moveaxis(tensor.grad.numpy(), 1, -1)
