"""LeNet as Caffe trains it on MNIST, in Flax NNX: no ReLU after the convolutions, one between the dense layers."""

from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv, Linear
from cnnviz_plugins.models.layers import FlattenChannelsFirst, MaxPool, ReLU


class LeNet(nnx.Module):
    """Two convolutions with pooling, two dense layers; 431,080 parameters.

    Args:
        rngs: Keys for the first weights.
    """

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(1, 20, (5, 5), padding="VALID", rngs=rngs)
        self.pool1 = MaxPool(2, 2)
        self.conv2 = Conv(20, 50, (5, 5), padding="VALID", rngs=rngs)
        self.pool2 = MaxPool(2, 2)
        self.flatten = FlattenChannelsFirst()
        self.fc1 = Linear(800, 500, rngs=rngs)
        self.relu1 = ReLU()
        self.fc2 = Linear(500, 10, rngs=rngs)

    def __call__(self, images: Float[Array, "n 28 28 1"]) -> Float[Array, "n 10"]:
        """Scores of digits given as white on black in [0, 255/256]."""
        x = self.pool1(self.conv1(images))  # n 12 12 20
        x = self.pool2(self.conv2(x))  # n 4 4 50
        return self.fc2(self.relu1(self.fc1(self.flatten(x))))
