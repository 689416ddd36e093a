"""The bundled network: five convolutions, one of them with a skip, then global average and one dense layer.

Small, yet it has what the techniques are about: large colour filters in `conv1`, BatchNorm, a
residual sum at `add4`, and maps of 16 x 16 under an average and a dense layer, as CAM needs them.
"""

from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv, Linear
from cnnviz_plugins.models.layers import Add, GlobalAveragePool, MaxPool, ReLU

MEAN = (0.5, 0.5, 0.5)
"""Subtracted from images in [0, 1], one number a channel."""

STD = (0.25, 0.25, 0.25)
"""Divides them after that."""


class ShapesNetwork(nnx.Module):
    """Scores 64 x 64 images of shapes and textures; about 140,000 parameters.

    Args:
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, classes: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 24, (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(24, momentum=0.95, rngs=rngs)
        self.relu1 = ReLU()
        self.conv2 = Conv(24, 48, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = nnx.BatchNorm(48, momentum=0.95, rngs=rngs)
        self.relu2 = ReLU()
        self.pool2 = MaxPool(2, 2)
        self.conv3 = Conv(48, 64, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn3 = nnx.BatchNorm(64, momentum=0.95, rngs=rngs)
        self.relu3 = ReLU()
        self.conv4 = Conv(64, 64, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn4 = nnx.BatchNorm(64, momentum=0.95, rngs=rngs)
        self.add4 = Add()
        self.relu4 = ReLU()
        self.conv5 = Conv(64, 96, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn5 = nnx.BatchNorm(96, momentum=0.95, rngs=rngs)
        self.relu5 = ReLU()
        self.average = GlobalAveragePool()
        self.fc = Linear(96, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.relu1(self.bn1(self.conv1(images)))  # n 32 32 24
        x = self.pool2(self.relu2(self.bn2(self.conv2(x))))  # n 16 16 48
        x = self.relu3(self.bn3(self.conv3(x)))  # n 16 16 64
        x = self.relu4(self.add4(x, self.bn4(self.conv4(x))))
        x = self.relu5(self.bn5(self.conv5(x)))  # n 16 16 96
        return self.fc(self.average(x))
