"""One gradient of the score: plain (saliency), through rewritten ReLUs, or times the image; the family builds on it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, View
from cnnviz_plugins.explain.gradient.plugin import InputXGradientConfig, SaliencyConfig
from cnnviz_plugins.explain.input_gradient import RULES, relu_rule
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class PixelSum(Fold):
    """Values of pixels, (h, w, c), added up over `count` evaluations."""

    gather: Literal["sum", "stack"] = "sum"
    view: View = "pixels"
    count: int

    @property
    def evaluations(self) -> int:
        """One per copy, node or step."""
        return self.count


@dataclass(frozen=True, kw_only=True)
class Saliency(Fold):
    """The signed gradient of the score, (h, w, c), or at a layer with its axes; by Captum's convention its size.

    Cost: one forward and one backward pass per image.
    Source: Simonyan, Vedaldi, Zisserman 2013, section 3.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    view: View = "pixels"
    method: str = "saliency"
    is_absolute: bool = False
    site: Site = IMAGE

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, with the ReLUs that its method rewrites.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        is_absolute = isinstance(config, SaliencyConfig) and config.convention == "captum"
        notes, warnings = relu_rule(model, cls.method)
        notes += site.gradient_notes()
        return cls(is_absolute=is_absolute, notes=notes, warnings=warnings, **site.fields())

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the gradient."""
        return self.site.read(case.model, case.image, case.target, rules=RULES[self.method])[1]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it."""
        return self.site.heatmap(jnp.abs(gathered[0]) if self.is_absolute else gathered[0])


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Saliency):
    """The gradient with the backward rule relu(R) * 1[x > 0] at every true ReLU of the program.

    Raises (when built):
        RuleError: The program has no true ReLU.

    Cost: one forward and one backward pass per image.
    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, section 3.4.
    """

    method: str = "guided-backprop"


@dataclass(frozen=True, kw_only=True)
class Deconvnet(Saliency):
    """The gradient with the backward rule relu(R) at every true ReLU of the program.

    Raises (when built):
        RuleError: The program has no true ReLU.

    Cost: one forward and one backward pass per image.
    Source: Zeiler, Fergus 2013, section 2.1; max-pool keeps its switches.
    """

    method: str = "deconvnet"


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Fold):
    """The image in [0, 1] times the signed gradient, (h, w, c); at a layer its value times the gradient there.

    What is 0 gets 0 whatever it means to the score. Of a layer, `extras` has `completeness_gap`: what the values sum
    to, less the score. It is 0 where all above the layer is homogeneous: no biases, ReLUs and pools at most.

    Cost: one forward and one backward pass per image.
    Source: Shrikumar, Greenside, Shcherbina, Kundaje 2016, section 2; of a layer, Captum's
    LayerGradientXActivation.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    view: View = "pixels"
    site: Site = IMAGE

    @classmethod
    def build(cls, config: InputXGradientConfig, model: Model) -> "InputXGradient":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        return cls(notes=site.sum_note(model, "the score, less what biases above give"), **site.fields())

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return value times gradient."""
        value, gradient = self.site.read(case.model, case.image, case.target)
        return value * gradient

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it, of a layer with by how much its sum misses the score."""
        values = gathered[0]
        if self.site.layer is None:
            return self.site.heatmap(values)
        return self.site.heatmap(
            values, {"completeness_gap": values.sum() - case.model.score(case.image, case.target)[0]}
        )
