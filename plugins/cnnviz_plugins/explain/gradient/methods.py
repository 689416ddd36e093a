"""Every gradient method as one function of an image, so that each can be averaged over noise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, Target, fill_of
from cnnviz_plugins.explain.gradient.deeplift import deeplift_map
from cnnviz_plugins.explain.gradient.input_gradient import RULES, input_gradient
from cnnviz_plugins.explain.gradient.plugin import DeepliftConfig, GradientMethod, IntegratedGradientsConfig
from cnnviz_plugins.explain.gradient.quadrature import rule_of


def method_map(
    model: Model, image: Float[Array, "h w c"], target: Target, method: GradientMethod
) -> Float[Array, "h w c"]:
    """Return what the method gives for one image, with its own defaults.

    Cost: one forward and one backward pass; 50 for integrated gradients, one after another; two for DeepLIFT.
    """
    if method in RULES:
        return input_gradient(model, image, target, method)
    if method == "input-x-gradient":
        return image * input_gradient(model, image, target)
    if method == "deeplift":
        config = DeepliftConfig()
        reference = fill_of(image, config.baseline, model)
        return deeplift_map(model, image, reference, target, epsilon=config.epsilon)
    path = IntegratedGradientsConfig()
    start = fill_of(image, path.baseline, model)
    at, weights = map(jnp.asarray, rule_of(*path.rule))

    def add(total: Float[Array, "h w c"], node: tuple[Array, Array]) -> tuple[Array, None]:
        return total + node[1] * input_gradient(model, start + node[0] * (image - start), target), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(image), (at, weights))
    return (image - start) * total
