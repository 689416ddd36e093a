"""Models that are awkward to read: each as a function of (params, x), with what its layers should be called."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, named_scope

SHAPE = (8, 8, 3)


@dataclass
class Awkward:
    """One model."""

    fn: Callable[[Any, Any], Any]
    params: Any
    layers: tuple[str, ...] = ()
    """Names that must be among its layers."""
    warning: str = ""
    """What `adapt` must say about it."""
    options: dict[str, Any] = field(default_factory=dict)


def conv(x: Any, kernel: Any, **options: Any) -> Any:
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC"), **options}
    return lax.conv_general_dilated(x, kernel, **options)


def numbers(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) * 0.4, jnp.float32)


def kernel(inputs: int = 4, outputs: int = 4, size: int = 3, seed: int = 0) -> dict[str, Any]:
    return {"kernel": numbers(size, size, inputs, outputs, seed=seed)}


def params(**more: Any) -> dict[str, Any]:
    return {"stem": kernel(3), "fc": {"kernel": numbers(4, 5, seed=9)}, **more}


def net(middle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A stem, something awkward on (n, 8, 8, 4), and a head."""

    def fn(p: Any, x: Any) -> Any:
        x = middle(p, jax.nn.relu(conv(x, p["stem"]["kernel"])))
        return x.mean((1, 2)) @ p["fc"]["kernel"]

    return fn


@jax.custom_jvp
def squareplus(x: Any) -> Any:
    return (x + jnp.sqrt(x * x + 4)) / 2


squareplus.defjvp(lambda p, t: (squareplus(*p), t[0] * (1 + p[0] * lax.rsqrt(p[0] * p[0] + 4)) / 2))


@jax.custom_vjp
def clipped(x: Any) -> Any:
    return jnp.clip(x, -1, 1)


clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (g,))

STACK = {"kernel": numbers(2, 3, 3, 4, 4)}


def scanned(p: Any, x: Any) -> Any:
    with named_scope("blocks"):
        return lax.scan(lambda x, k: (jax.nn.relu(conv(x, k)), None), x, p["blocks"]["kernel"])[0]


def looped(p: Any, x: Any) -> Any:
    return lax.fori_loop(0, 2, lambda i, x: jax.nn.relu(conv(x, p["blocks"]["kernel"][i])), x)


def stripped_of_names(p: Any, x: Any) -> Any:
    @jax.jit
    def block(x: Any, k: Any) -> Any:
        return jax.nn.relu(conv(x, k))

    return block(block(x, p["a"]["kernel"]), p["b"]["kernel"])


def vit(p: Any, x: Any) -> Any:
    x = conv(x, p["stem"]["kernel"], window_strides=(4, 4), padding="VALID").reshape(x.shape[0], 4, 4)
    x = jnp.concatenate([jnp.broadcast_to(p["token"], (x.shape[0], 1, 4)), x], 1)
    with named_scope("attention"):
        inner = p["attention"]
        weight = jax.nn.softmax(jnp.einsum("nqc,nkc->nqk", x @ inner["query"]["kernel"], x @ inner["key"]["kernel"]))
        x = x + jnp.einsum("nqk,nkc->nqc", weight, x)
    return x[:, 0] @ p["fc"]["kernel"]


def sharded(p: Any, x: Any) -> Any:
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec()
    return jax.shard_map(lambda x: jnp.tanh(x), mesh=mesh, in_specs=spec, out_specs=spec)(x)


OPAQUE = "are run but not looked into"
CLOSED = numbers(3, 3, 4, 4, seed=5)

MODELS: dict[str, Awkward] = {
    "a scan over layers": Awkward(net(scanned), params(blocks=STACK), ("blocks[0].conv", "blocks[1].relu")),
    "a loop of fixed length": Awkward(net(looped), params(blocks=STACK), ("blocks[0]", "blocks[1]")),
    "remat": Awkward(
        net(lambda p, x: jax.checkpoint(lambda x: jax.nn.relu(conv(x, p["a"]["kernel"])))(x)),
        params(a=kernel()),
        ("a", "relu#1"),
    ),
    "one jitted block used twice": Awkward(
        net(stripped_of_names), params(a=kernel(), b=kernel(seed=2)), ("a", "b", "relu#2")
    ),
    "a custom derivative forward": Awkward(net(lambda p, x: squareplus(conv(x, p["a"]["kernel"]))), params(a=kernel())),
    "a custom derivative backward": Awkward(net(lambda p, x: clipped(conv(x, p["a"]["kernel"]))), params(a=kernel())),
    "a condition": Awkward(
        net(lambda p, x: lax.cond(p["on"] > 0, jnp.tanh, lambda x: 2 * x, x)), params(on=numbers()), ("stem",), OPAQUE
    ),
    "a loop of unknown length": Awkward(
        net(lambda p, x: lax.while_loop(lambda x: jnp.max(jnp.abs(x)) > 1.0, lambda x: x / 2, x)),
        params(),
        ("stem",),
        OPAQUE,
    ),
    "a call to the host": Awkward(
        net(
            lambda p, x: (
                x
                + jax.pure_callback(np.zeros_like, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")
            )
        ),
        params(),
        ("stem",),
        "pure_callback",
    ),
    "a region for one device": Awkward(net(sharded), params(), ("stem",), "shard_map"),
    "one module used twice": Awkward(
        net(lambda p, x: conv(conv(x, p["a"]["kernel"]), p["a"]["kernel"])), params(a=kernel()), ("a", "a#1")
    ),
    "several outputs": Awkward(
        lambda p, x: {"logits": x.mean((1, 2)) @ p["w"], "features": x}, {"w": numbers(3, 5)}, ()
    ),
    "endpoints beside the scores": Awkward(
        lambda p, x: (net(lambda p, x: x)(p, x), {"stem": conv(x, p["stem"]["kernel"])}), params(), ("stem",)
    ),
    "parameters that are closed over": Awkward(net(lambda p, x: conv(x, CLOSED)), params(), ("conv",)),
    "bfloat16 parameters": Awkward(
        lambda p, x: net(lambda p, x: x)(p, x.astype(jnp.bfloat16)),
        jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params()),
        ("stem", "fc"),
    ),
    "a random state among the parameters": Awkward(net(lambda p, x: x), params(rngs=jax.random.key(0)), ("stem",)),
    "channels first inside": Awkward(
        net(
            lambda p, x: conv(
                x.transpose(0, 3, 1, 2), p["a"]["kernel"], dimension_numbers=("NCHW", "HWIO", "NCHW")
            ).transpose(0, 2, 3, 1)
        ),
        params(a=kernel()),
        ("a",),
    ),
    "a gate": Awkward(
        net(lambda p, x: x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True) @ p["gate"]["kernel"])),
        params(gate={"kernel": numbers(4, 4)}),
        ("gate", "sigmoid"),
    ),
    "space to depth and back": Awkward(
        net(
            lambda p, x: (
                x.reshape(-1, 4, 2, 4, 2, 4)
                .transpose(0, 1, 3, 2, 4, 5)
                .reshape(-1, 4, 4, 16)
                .reshape(-1, 4, 4, 2, 2, 4)
                .transpose(0, 1, 3, 2, 4, 5)
                .reshape(-1, 8, 8, 4)
            )
        ),
        params(),
        ("stem",),
    ),
    "upsampling": Awkward(
        net(
            lambda p, x: jax.image.resize(
                conv(x, p["a"]["kernel"], lhs_dilation=(2, 2), padding=[(2, 1), (2, 1)]),
                (x.shape[0], 20, 20, 4),
                "bilinear",
            )
        ),
        params(a=kernel()),
        ("a",),
    ),
    "dense connections": Awkward(
        net(lambda p, x: jnp.concatenate([x, conv(x, p["a"]["kernel"])], -1)[..., ::2]),
        params(a=kernel()),
        ("a", "concat"),
    ),
    "depthwise and dilated": Awkward(
        net(lambda p, x: conv(x, p["a"]["kernel"], feature_group_count=4, rhs_dilation=(2, 2))),
        params(a=kernel(1)),
        ("a",),
    ),
    "standardised weights": Awkward(
        net(lambda p, x: conv(x, (p["a"]["kernel"] - p["a"]["kernel"].mean()) / p["a"]["kernel"].std())),
        params(a=kernel()),
        ("a",),
    ),
    "a vision transformer": Awkward(
        vit,
        params(
            stem=kernel(3, size=4),
            token=numbers(1, 1, 4),
            attention={"query": {"kernel": numbers(4, 4)}, "key": {"kernel": numbers(4, 4)}},
        ),
        ("stem", "attention.query", "attention.softmax"),
    ),
}
