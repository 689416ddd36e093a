"""DenseNet in Flax NNX, with torchvision's module paths: a growth rate and four counts per variant."""

import re

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import AveragePool, GlobalAveragePool, MaxPool, ReLU, batch_norm, convolution

TABLES: dict[str, tuple[int, tuple[int, ...]]] = {"densenet121": (32, (6, 12, 24, 16))}
"""Per variant: channels that each layer adds, and layers in each block (Huang et al. 2017, table 1)."""

_SQUEEZE = 4  # channels between the two convolutions of a layer, in growth rates


def published_name(name: str) -> str:
    """The name that a layer of the published file has here: `norm.1` there, from an older PyTorch, is `norm1` now."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)


class DenseLayer(nnx.Module):
    """BatchNorm, ReLU and convolution twice; its maps are joined to what came in.

    Args:
        channels: Channels coming in.
        growth: Channels it adds.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, growth: int, *, rngs: nnx.Rngs) -> None:
        between = _SQUEEZE * growth
        self.norm1 = batch_norm(channels, rngs=rngs)
        self.relu1 = ReLU()
        self.conv1 = convolution(channels, between, 1, rngs=rngs)
        self.norm2 = batch_norm(between, rngs=rngs)
        self.relu2 = ReLU()
        self.conv2 = convolution(between, growth, 3, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """All maps so far."""
        new = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))
        return jnp.concatenate([x, new], axis=-1)


class Transition(nnx.Module):
    """Halves channels, height and width between two blocks.

    Args:
        channels: Channels coming in.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self.norm = batch_norm(channels, rngs=rngs)
        self.relu = ReLU()
        self.conv = convolution(channels, channels // 2, 1, rngs=rngs)
        self.pool = AveragePool(2, 2)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The smaller maps."""
        return self.pool(self.conv(self.relu(self.norm(x))))


class DenseNet(nnx.Module):
    """DenseNet (Huang et al. 2017) as torchvision lays it out.

    Args:
        growth: Channels that each layer adds; the first convolution has twice as many.
        counts: Layers in each block.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, growth: int, counts: tuple[int, ...], *, classes: int = 1000, rngs: nnx.Rngs) -> None:
        channels = 2 * growth
        layers: dict[str, nnx.Module] = {
            "conv0": convolution(3, channels, 7, stride=2, rngs=rngs),
            "norm0": batch_norm(channels, rngs=rngs),
            "relu0": ReLU(),
            "pool0": MaxPool(3, 2, padding=1),
        }
        for block, count in enumerate(counts, start=1):
            names = {f"denselayer{number + 1}": channels + number * growth for number in range(count)}
            layers[f"denseblock{block}"] = nnx.Dict(
                {name: DenseLayer(incoming, growth, rngs=rngs) for name, incoming in names.items()}
            )
            channels += count * growth
            if block < len(counts):
                layers[f"transition{block}"] = Transition(channels, rngs=rngs)
                channels //= 2
        layers["norm5"] = batch_norm(channels, rngs=rngs)
        self.order = tuple(
            (name, tuple(layer) if isinstance(layer, nnx.Dict) else ()) for name, layer in layers.items()
        )
        self.features = nnx.Dict(layers)
        self.relu = ReLU()
        self.average = GlobalAveragePool()
        self.classifier = Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = images
        for name, inner in self.order:  # a dictionary of NNX may come back sorted by name
            part = self.features[name]
            for layer in [part[key] for key in inner] if inner else [part]:
                x = layer(x)
        return self.classifier(self.average(self.relu(x)))
