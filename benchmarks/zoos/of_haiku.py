"""Haiku's own `haiku.nets`."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network, paths_above


def architectures() -> Iterator[Architecture]:
    """Yield MobileNet, and ResNets of both versions."""
    yield Architecture("haiku", "MobileNetV1", partial(network, "MobileNetV1", num_classes=10))
    yield Architecture(
        "haiku", "MobileNetV1-without-norms", partial(network, "MobileNetV1", num_classes=10, use_bn=False)
    )
    for depth in (18, 34, 50, 101, 152, 200):
        for v2 in (False, True):
            options = {"num_classes": 10, "resnet_v2": v2}
            yield Architecture(
                "haiku", f"ResNet{depth}{'V2' if v2 else ''}", partial(network, f"ResNet{depth}", **options)
            )


def network(name: str, size: int = 64, **options: Any) -> Network:
    """Return a network of `haiku.nets` as a `Network`; options are its module's own."""
    import haiku as hk
    import jax
    import numpy as np

    from zoos.jax_modules import compiled_forward, filled

    def call(images: Any, is_training: bool = False) -> Any:
        return getattr(hk.nets, name)(**options)(images, is_training)

    transformed = hk.transform_with_state(call)
    shape = (size, size, 3)
    init: Callable[..., Any] = transformed.init
    image = jax.ShapeDtypeStruct((1, *shape), np.float32)
    with jax.numpy_dtype_promotion("standard"):
        params, state = filled(jax.eval_shape(lambda x: init(jax.random.key(0), x, True), image))
    forward = compiled_forward(lambda p, s, x: transformed.apply(p, s, None, x)[0], params, state)
    paths = [".".join(part for part in path.split("/")[1:] if part != "~") for path in params]
    return Network((transformed, params, state), shape, forward, paths_above(paths))
