"""What a Captum user writes for one saliency map: SqueezeNet 1.1, one photograph, a PNG. Used by `benchmarks/start.py`.

Needs `torch==2.13.0`, `captum`, `matplotlib` and `pillow` only:

    python benchmarks/peers/saliency_script.py WEIGHTS.pth IMAGE OUT.png
"""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from captum.attr import Saliency
from PIL import Image
from torch import nn


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1 x 1 and 3 x 3 convolutions (Iandola et al. 2016)."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps of the block."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def squeezenet() -> nn.Module:
    """Return SqueezeNet 1.1 under torchvision's names."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True),
        Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True),
        Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
    )  # fmt: skip
    classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return _Both(features, classifier)


class _Both(nn.Module):
    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return self.classifier(self.features(x))


def main(weights: str, image: str, out: str) -> None:
    """Write the map beside the photograph."""
    model = squeezenet().eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    photograph = Image.open(image).convert("RGB")
    scale = 256 / min(photograph.size)
    photograph = photograph.resize((round(photograph.width * scale), round(photograph.height * scale)))
    left, top = (photograph.width - 224) // 2, (photograph.height - 224) // 2
    pixels = np.asarray(photograph.crop((left, top, left + 224, top + 224)), np.float32) / 255
    given = (torch.from_numpy(pixels) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    given = given.permute(2, 0, 1)[None].requires_grad_()
    best = int(model(given).argmax())
    heat = Saliency(model).attribute(given, target=best)[0].amax(0).numpy()
    figure, axes = plt.subplots(1, 2, figsize=(8, 4))
    axes[0].imshow(pixels)
    axes[1].imshow(heat, cmap="inferno")
    for axis in axes:
        axis.axis("off")
    figure.savefig(out)
    print(f"class {best}")


if __name__ == "__main__":
    main(*sys.argv[1:])
