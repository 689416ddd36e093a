"""VGG19, ResNet-50 and SqueezeNet 1.1 twice with equal weights: in PyTorch, written here, and in NNX, by our builders.

Both have torchvision's module paths, so one dictionary of seeded arrays in torchvision's names fills either.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

import cnnviz_jax as cv
from cnnviz_plugins.models.naming import abstract, load_arrays
from cnnviz_plugins.models.resnet import ResNet
from cnnviz_plugins.models.squeezenet import TABLES as TABLES_OF_SQUEEZENET
from cnnviz_plugins.models.squeezenet import SqueezeNet
from cnnviz_plugins.models.vgg import TABLES, VGG

NAMES = ("vgg19", "resnet50", "squeezenet1_1")


@dataclass(frozen=True)
class Pair:
    """One network in both frameworks."""

    torch: nn.Module
    """In evaluation mode; its parameters ask for no gradient, so that a peer does no needless work."""
    jax: cv.Model
    """Fed with the same values: no mean is subtracted."""
    map_layer: str
    """The layer of Grad-CAM, by one name in both."""


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut; a ReLU of its own each, as Captum's hooks want it."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            projection = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps of the block."""
        main = self.relu1(self.bn1(self.conv1(x)))
        main = self.relu2(self.bn2(self.conv2(main)))
        return self.relu3(self.bn3(self.conv3(main)) + self.downsample(x))


class TorchResNet(nn.Module):
    """ResNet of bottlenecks (He et al. 2016)."""

    def __init__(self, counts: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        channels = width
        for number, count in enumerate(counts):
            inner, blocks = width * 2**number, []
            for index in range(count):
                blocks.append(Bottleneck(channels, inner, 2 if number and not index else 1))
                channels = 4 * inner
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean((2, 3)))


class TorchVGG(nn.Module):
    """VGG without BatchNorm (Simonyan and Zisserman 2015)."""

    def __init__(self, table: tuple[int | str, ...], hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for row in table:
            if isinstance(row, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, row, 3, padding=1), nn.ReLU()]
            channels = row
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        dense = nn.Linear(49 * channels, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU()
        self.classifier = nn.Sequential(*dense, nn.Dropout(), nn.Linear(hidden, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class Fire(nn.Module):
    """Squeezes by 1 x 1, then expands by 1 x 1 and 3 x 3; a ReLU of its own each, named as in our builder."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(channels, squeezed, 1), nn.ReLU()
        self.expand1x1, self.expand1x1_activation = nn.Conv2d(squeezed, expanded, 1), nn.ReLU()
        self.expand3x3, self.expand3x3_activation = nn.Conv2d(squeezed, expanded, 3, padding=1), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps of both halves."""
        x = self.squeeze_activation(self.squeeze(x))
        halves = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat(halves, 1)


class TorchSqueezeNet(nn.Module):
    """SqueezeNet 1.1 (Iandola et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        channels = 64
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 2), nn.ReLU()]
        for row in TABLES_OF_SQUEEZENET["squeezenet1_1"][1]:
            if isinstance(row, str):
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
                continue
            squeezed, expanded = row
            layers.append(Fire(channels, squeezed, expanded))
            channels = 2 * expanded
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return self.classifier(self.features(x)).flatten(1)


def pair(name: str, size: int, slim: int = 1) -> Pair:
    """Return the network `name` in both frameworks.

    Args:
        name: One of `NAMES`.
        size: Pixels of the image's side.
        slim: Divides the number of channels; more than 1 to try a script out. SqueezeNet stays as it is.
    """
    native, builder, layer = _built(name, slim)
    arrays = seeded(native)
    native.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()}, strict=False)
    native.eval().requires_grad_(False)
    network = abstract(builder)
    load_arrays(network, arrays, source="seeded noise")
    network.eval()
    model = cv.adapt(network, input_shape=(size, size, 3), adapter="nnx", name=f"{name}-shaped")
    return Pair(native, model, layer)


def _built(name: str, slim: int) -> tuple[nn.Module, Callable[..., object], str]:
    if name == "vgg19":
        table = tuple(row if isinstance(row, str) else row // slim for row in TABLES["vgg19"])
        hidden = 4096 // slim
        return TorchVGG(table, hidden), lambda rngs: VGG(table, hidden=hidden, rngs=rngs), "features.35"
    if name == "resnet50":
        counts, width = (3, 4, 6, 3), 64 // slim
        return (
            TorchResNet(counts, width),
            lambda rngs: ResNet("bottleneck", counts, width=width, rngs=rngs),
            "layer4.2.relu3",
        )
    if name == "squeezenet1_1":
        layer = "features.12.expand3x3_activation"
        return TorchSqueezeNet(), lambda rngs: SqueezeNet("squeezenet1_1", rngs=rngs), layer
    raise ValueError(f"network is one of {', '.join(NAMES)}, got {name!r}")


def seeded(network: nn.Module) -> dict[str, Float[np.ndarray, "..."]]:
    """Return seeded arrays for every parameter and statistic: He et al.'s scale, small biases, BatchNorm near 1."""
    random, arrays = np.random.default_rng(0), {}
    for key, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        if key.endswith("num_batches_tracked"):
            continue
        if len(shape) > 1:
            array = random.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif key.endswith("running_var") or (key.endswith("weight") and len(shape) == 1):
            array = random.uniform(0.5, 1.0, shape)
        else:
            array = 0.05 * random.normal(size=shape)
        arrays[key] = array.astype(np.float32)
    return arrays


def images(count: int, size: int) -> Float[np.ndarray, "n h w 3"]:
    """Return seeded images in [0, 1]: smooth noise, so that neighbouring pixels are alike as in photographs."""
    coarse = np.random.default_rng(1).uniform(size=(count, 8, 8, 3))
    grid = np.linspace(0, 7, size)
    low = np.minimum(grid.astype(int), 6)
    part = grid - low
    rows = coarse[:, low] * (1 - part)[:, None, None] + coarse[:, low + 1] * part[:, None, None]
    smooth = rows[:, :, low] * (1 - part)[:, None] + rows[:, :, low + 1] * part[:, None]
    return smooth.astype(np.float32)
