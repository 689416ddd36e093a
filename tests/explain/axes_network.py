"""The numbers of one small network of one, two or three spatial axes, and inputs for it, in NumPy alone.

Convolution 3, stride 1, padding 1; ReLU; max pool 2; convolution 3, stride 2, padding 1; batch norm; ReLU; mean; dense.
"""

import numpy as np

SIDES = {1: (19,), 2: (10, 13), 3: (6, 9, 10)}
"""Lengths of the axes, by how many there are."""
TARGET, NODES = 1, 12
EPSILON = 1e-3


def parameters(axes: int) -> dict[str, np.ndarray]:
    """Return the weights; kernels are (*sides, in, out)."""
    generator = np.random.default_rng(axes)
    shapes = {
        "conv1": (3,) * axes + (2, 4), "bias1": (4,), "conv2": (3,) * axes + (4, 5), "mean": (5,), "scale": (5,),
        "shift": (5,), "head": (5, 3), "bias": (3,),
    }  # fmt: skip
    found = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found["conv1"] *= np.float32(0.5)
    found["conv2"] *= np.float32(0.3)
    return found | {"variance": generator.uniform(0.5, 2, 5).astype(np.float32)}


def inputs(axes: int) -> np.ndarray:
    """Return two inputs (2, *sides, 2)."""
    return np.random.default_rng(10 + axes).random((2, *SIDES[axes], 2), np.float32)


def some(values: np.ndarray) -> list[float]:
    """Return the mean and eight entries: number i is at the flat place (37 i + 5) mod the number of all."""
    flat = np.asarray(values).reshape(-1)
    return [float(flat.mean()), *(float(flat[(37 * i + 5) % flat.size]) for i in range(8))]
