"""The gradient of a score with respect to the image, its ReLUs rewritten where a method asks for it."""

from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, RuleError, Target, in_few

RULES: dict[str, dict[str, str] | None] = {
    "saliency": None,
    "guided-backprop": {"relu": "guided"},
    "guided-grad-cam": {"relu": "guided"},
    "deconvnet": {"relu": "deconv"},
}
"""ReLU rule of each gradient method."""


def input_gradient(
    model: Model, image: Float[Array, "h w c"], target: Target, method: str = "saliency"
) -> Float[Array, "h w c"]:
    """Return d score / d image, signed, per unit of intensity of images in [0, 1].

    Cost: one forward and one backward pass.
    """

    def score(pixels: Float[Array, "h w c"]) -> Float[Array, ""]:
        return model.score(pixels, target, rules=RULES[method])[0]

    return jax.grad(score)(image)


def relu_rule(
    model: Model, method: str, instead: str = "saliency"
) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
    """Return the note that lists which ReLUs the method's rule replaces, and a warning of what it leaves as it is.

    Raises:
        RuleError: The program has no true ReLU, so that the rule would change nothing; `instead` needs none.
    """
    rules = RULES.get(method)
    if rules is None:
        return (), ()
    names, others = model.program.rewritten(rules), model.program.unruled_activations()
    if not names:
        met = f" (it has {in_few(sorted(set(others)), 3)})" if others else ""
        raise RuleError(f"{method} rewrites ReLUs, and {model.name} has none{met}; {instead} needs none")
    left = f"{method} has no agreed rule for these activations and leaves them as they are: {in_few(others, 3)}"
    return (("rewritten", tuple(names)),), (left,) if others else ()
