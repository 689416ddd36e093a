"""Networks of known shapes, small: each asks `get(name, shape)` for its parameters and works in either layout."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Layers:
    """The operations of one network, in one layout; spatial axes are where the layout has them."""

    def __init__(self, get, layout="NHWC"):
        self.get, self.layout = get, layout
        self.numbers = ("NHWC", "HWIO", "NHWC") if layout == "NHWC" else ("NCHW", "OIHW", "NCHW")
        self.channel = 3 if layout == "NHWC" else 1

    def spread(self, vector):
        return vector.reshape(1, 1, 1, -1) if self.channel == 3 else vector.reshape(1, -1, 1, 1)

    def conv(self, x, name, out, size=3, stride=1, padding="SAME", groups=1, dilation=1, bias=True):
        size = (size, size) if isinstance(size, int) else size
        depth = x.shape[self.channel] // groups
        kernel = self.get(f"{name}.kernel", (*size, depth, out))
        kernel = kernel if self.channel == 3 else jnp.transpose(kernel, (3, 2, 0, 1))
        if padding == "TORCH":
            padding = [(dilation * (k - 1) // 2,) * 2 for k in size]
        x = lax.conv_general_dilated(
            x, kernel, (stride, stride), padding, rhs_dilation=(dilation, dilation), dimension_numbers=self.numbers,
            feature_group_count=groups,
        )  # fmt: skip
        return x + self.spread(self.get(f"{name}.bias", (out,))) if bias else x

    def norm(self, x, name):
        depth = x.shape[self.channel]
        mean, variance = self.get(f"{name}.mean", (depth,)), self.get(f"{name}.var", (depth,)) ** 2 + 0.5
        scale, shift = self.get(f"{name}.scale", (depth,)) + 1, self.get(f"{name}.shift", (depth,))
        return (x - self.spread(mean)) * self.spread(scale * lax.rsqrt(variance + 1e-3)) + self.spread(shift)

    def pool(self, x, kind, size=2, stride=2, padding="VALID"):
        window, step = ([1] * 4 for _ in range(2))
        for axis in self.spatial:
            window[axis], step[axis] = size, stride
        if isinstance(padding, tuple):
            padding = [padding if axis in self.spatial else (0, 0) for axis in range(4)]
        if kind == "max":
            return lax.reduce_window(x, -jnp.inf, lax.max, tuple(window), tuple(step), padding)
        total = lax.reduce_window(x, 0.0, lax.add, tuple(window), tuple(step), padding)
        return total / lax.reduce_window(jnp.ones_like(x), 0.0, lax.add, tuple(window), tuple(step), padding)

    @property
    def spatial(self):
        return (1, 2) if self.channel == 3 else (2, 3)

    def mean(self, x):
        return x.mean(self.spatial)

    def join(self, parts):
        return jnp.concatenate(parts, self.channel)

    def dense(self, x, name, out):
        return x @ self.get(f"{name}.kernel", (x.shape[-1], out)) + self.get(f"{name}.bias", (out,))


def vgg19(layers, x, width=64, hidden=4096, classes=1000, counts=(2, 2, 4, 4, 4)):
    for stage, (factor, count) in enumerate(zip((1, 2, 4, 8, 8), counts, strict=True)):
        for i in range(count):
            x = jax.nn.relu(layers.conv(x, f"conv{stage}_{i}", width * factor))
        x = layers.pool(x, "max")
    x = x.reshape(x.shape[0], -1)
    for i in range(2):
        x = jax.nn.relu(layers.dense(x, f"fc{i}", hidden))
    return layers.dense(x, "fc2", classes)


def resnet50(layers, x, width=64, classes=1000, blocks=(3, 4, 6, 3)):
    x = jax.nn.relu(layers.norm(layers.conv(x, "stem", width, 7, 2, "TORCH", bias=False), "stem.norm"))
    x = layers.pool(x, "max", 3, 2, (1, 1))
    for stage, count in enumerate(blocks):
        inner = width * 2**stage
        for i in range(count):
            name, stride = f"s{stage}_{i}", 2 if stage and not i else 1
            y = jax.nn.relu(layers.norm(layers.conv(x, f"{name}.a", inner, 1, bias=False), f"{name}.na"))
            y = jax.nn.relu(
                layers.norm(layers.conv(y, f"{name}.b", inner, 3, stride, "TORCH", bias=False), f"{name}.nb")
            )
            y = layers.norm(layers.conv(y, f"{name}.c", 4 * inner, 1, bias=False), f"{name}.nc")
            if not i:
                x = layers.norm(layers.conv(x, f"{name}.d", 4 * inner, 1, stride, bias=False), f"{name}.nd")
            x = jax.nn.relu(x + y)
    return layers.dense(layers.mean(x), "head", classes)


def squeezenet(layers, x, width=4, classes=7):
    x = jax.nn.relu(layers.conv(x, "stem", 2 * width, 3, 2, "VALID"))
    for i in range(3):
        if i < 2:
            x = layers.pool(x, "max", 3, 2)
        squeezed = jax.nn.relu(layers.conv(x, f"fire{i}.s", width, 1))
        wide = [jax.nn.relu(layers.conv(squeezed, f"fire{i}.e{k}", 2 * width, k)) for k in (1, 3)]
        x = layers.join(wide)
    return layers.mean(jax.nn.relu(layers.conv(x, "last", classes, 1)))


def mobilenet_v2(layers, x, width=4, classes=7):
    x = jax.nn.relu6(layers.norm(layers.conv(x, "stem", width, 3, 2, bias=False), "stem.norm"))
    for i, (out, stride) in enumerate(((width, 1), (2 * width, 2), (2 * width, 1), (3 * width, 2))):
        depth = x.shape[layers.channel]
        y = jax.nn.relu6(layers.norm(layers.conv(x, f"b{i}.e", 3 * depth, 1, bias=False), f"b{i}.ne"))
        y = layers.conv(y, f"b{i}.d", 3 * depth, 3, stride, groups=3 * depth, bias=False)
        y = layers.norm(layers.conv(jax.nn.relu6(layers.norm(y, f"b{i}.nd")), f"b{i}.p", out, 1, bias=False), f"b{i}.n")
        x = x + y if stride == 1 and out == depth else y
    return layers.dense(layers.mean(jax.nn.hard_swish(x)), "head", classes)


def densenet(layers, x, width=4, classes=7):
    x = layers.pool(jax.nn.relu(layers.norm(layers.conv(x, "stem", 2 * width, 3, 2), "stem.n")), "max", 3, 2, "SAME")
    for block in range(2):
        for i in range(2):
            y = layers.conv(jax.nn.relu(layers.norm(x, f"d{block}{i}.na")), f"d{block}{i}.a", 2 * width, 1)
            y = layers.conv(jax.nn.relu(layers.norm(y, f"d{block}{i}.nb")), f"d{block}{i}.b", width, 3)
            x = layers.join([x, y])
        x = layers.pool(layers.conv(jax.nn.silu(x), f"t{block}", 2 * width, 1), "avg")
    return layers.dense(layers.mean(x), "head", classes)


def inception(layers, x, width=4, classes=7):
    x = jax.nn.relu(layers.conv(x, "stem", width, 3, 2, "VALID"))
    for i in range(2):
        tower = layers.conv(jax.nn.relu(layers.conv(x, f"i{i}.b0", width, (1, 5))), f"i{i}.b1", width, (5, 1))
        wide = layers.conv(x, f"i{i}.c", width, 3, dilation=2)
        pooled = layers.conv(layers.pool(x, "avg", 3, 1, "SAME"), f"i{i}.p", width, 1)
        x = jax.nn.relu(layers.join([layers.conv(x, f"i{i}.a", width, 1), tower, wide, pooled]))
        x = layers.join([layers.conv(x, f"r{i}", width, 3, 2, "VALID"), layers.pool(x, "max", 3, 2)])
    return layers.dense(layers.mean(x), "head", classes)


NETWORKS = {
    "vgg19": functools.partial(vgg19, width=4, hidden=16, classes=7, counts=(2, 1, 2, 1, 1)),
    "resnet50": functools.partial(resnet50, width=4, classes=7, blocks=(1, 2, 1, 1)),
    "squeezenet": squeezenet,
    "mobilenet_v2": mobilenet_v2,
    "densenet": densenet,
    "inception": inception,
}


def shapes_of(network, size, layout="NHWC", channels=3):
    """The network's parameters as shapes, by name."""
    found = {}

    def get(name, shape):
        found[name] = jax.ShapeDtypeStruct(shape, jnp.float32)
        return jnp.zeros(shape)

    def run(x):
        return network(Layers(get, layout), jnp.moveaxis(x, -1, 1) if layout == "NCHW" else x)

    jax.eval_shape(run, jax.ShapeDtypeStruct((1, *size, channels), jnp.float32))
    return found


def forward_of(network, layout="NHWC"):
    """`fn(params, images)` of a network; images are NHWC in either layout."""

    def forward(params, x):
        x = jnp.moveaxis(x, -1, 1) if layout == "NCHW" else x
        return network(Layers(lambda name, shape: params[name], layout), x)

    return forward


def random_params(shapes, seed=0):
    """Seeded parameters that keep activations near 1."""
    rng = np.random.default_rng(seed)

    def one(leaf):
        scale = np.float32(math.sqrt(2 / math.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0.1)
        return jnp.asarray(scale * rng.standard_normal(leaf.shape, np.float32))

    return jax.tree.map(one, shapes)
