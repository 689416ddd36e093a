"""The gradient of a score with respect to the image, its ReLUs rewritten where a method asks for it."""

from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, RuleError, Target

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


def rewritten(model: Model, method: str, instead: str = "saliency") -> tuple[tuple[str, Any], ...]:
    """Return the note that lists which ReLUs the method's rule replaces; where there are none, `instead` needs none.

    Raises:
        RuleError: The program has no true ReLU, so that the rule would change nothing.
    """
    rules = RULES.get(method)
    if rules is None:
        return ()
    names = model.program.rewritten(rules)
    if not names:
        others = model.program.unruled_activations()
        met = f" (it has {', '.join(sorted(set(others)))})" if others else ""
        raise RuleError(f"{method} rewrites ReLUs, and {model.name} has none{met}; {instead} needs none")
    return (("rewritten", tuple(names)),)


def passed_through(model: Model, method: str) -> tuple[str, ...]:
    """Return a warning that names the activations which the method leaves as they are."""
    names = model.program.unruled_activations() if RULES.get(method) is not None else ()
    if not names:
        return ()
    return (f"{method} has no agreed rule for these activations and leaves them as they are: {', '.join(names)}",)
