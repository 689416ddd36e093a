"""SmoothGrad and its relatives: what gradients are over noisy copies of the image (Smilkov et al. 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, SampledMean, Target, View, fill_of, noisy_image
from cnnviz_plugins.explain.gradient.deeplift import deeplift_map
from cnnviz_plugins.explain.gradient.path import rule_of
from cnnviz_plugins.explain.gradient.plugin import (
    DeepliftConfig,
    GradientMethod,
    IntegratedGradientsConfig,
    SmoothgradConfig,
    SmoothgradSquaredConfig,
    VargradConfig,
)
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.input_gradient import RULES, input_gradient, relu_rule


@dataclass(frozen=True, kw_only=True)
class Smoothgrad(SampledMean):
    """The mean of signed gradients over noisy copies, (h, w, c), with its standard error.

    Randomness: copy i of an image is image + sigma * normal(fold_in(image's key, i)), so the result
    depends on the seed and the image, not on chunk, batch or device.
    Cost: `samples` times the cost of the method, which is one forward and one backward pass for most; memory
    for one chunk of copies.
    Source: Smilkov, Thorat, Kim, Viégas, Wattenberg 2017, section 3.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: SmoothgradConfig
    view: View = "pixels"
    is_squared: ClassVar[bool] = False

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`."""
        notes, warnings = noted(config, model, is_squared=cls.is_squared)
        return cls(config=config, count=config.copies, tolerance=config.tolerance, notes=notes, warnings=warnings)

    def shared(self, case: Case) -> Float[Array, ""]:
        """Return the noise's standard deviation."""
        return self.config.used_noise.sigma(case.image)

    def draw(self, case: Case) -> tuple[Float[Array, "h w c"], Any]:
        """Return the gradient at one noisy copy."""
        return noisy_map(case, case.context, self.config.method), ()


@dataclass(frozen=True, kw_only=True)
class SmoothgradSquared(Smoothgrad):
    """The mean of squared gradients over noisy copies, (h, w, c); never negative.

    Randomness, cost: see `Smoothgrad`; the same seed gives the same copies.
    Source: Hooker, Erhan, Kindermans, Kim 2019, section 3 ("SmoothGrad-Squared").
    """

    config: SmoothgradSquaredConfig
    is_squared: ClassVar[bool] = True

    def draw(self, case: Case) -> tuple[Float[Array, "h w c"], Any]:
        """Return the squared gradient at one noisy copy."""
        return super().draw(case)[0] ** 2, ()


@dataclass(frozen=True, kw_only=True)
class Vargrad(PixelSum):
    """The variance of gradients over noisy copies, (h, w, c); never negative.

    Randomness, cost: see `Smoothgrad`; one gradient more.
    Source: Adebayo et al. 2018, appendix A.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: VargradConfig

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`."""
        notes, warnings = noted(config, model, is_squared=True)
        return cls(config=config, count=config.copies, notes=(*notes, ("ddof", config.subtracted)), warnings=warnings)

    def prepare(self, case: Case) -> Any:
        """Return the noise's standard deviation and the untouched gradient: differences to it lose no digits."""
        return self.config.used_noise.sigma(case.image), method_map(
            case.model, case.image, case.target, self.config.method
        )

    def evaluate(self, case: Case) -> Any:
        """Return the difference to the untouched gradient, and its square."""
        difference = noisy_map(case, case.context[0], self.config.method) - case.context[1]
        return difference, difference**2

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the variance."""
        total, squares = gathered
        count = self.config.copies
        spread = jnp.maximum(squares - total**2 / count, 0.0)
        return Heatmap(values=spread / (count - self.config.subtracted))


def noted(
    config: SmoothgradConfig, model: Model, *, is_squared: bool
) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
    """Return the notes on copies, noise, rewritten ReLUs and the unit, and the warnings of ReLUs left as they are."""
    notes, warnings = relu_rule(model, config.method)
    unit = "score per unit of intensity" if config.method in RULES else "score"
    unit = f"({unit})²" if is_squared else unit
    return (*notes, ("samples", config.copies), ("noise", str(config.used_noise)), ("unit", unit)), warnings


def noisy_map(case: Case, sigma: Float[Array, ""], method: GradientMethod) -> Float[Array, "h w c"]:
    """Return what the method gives at one noisy copy."""
    return method_map(case.model, noisy_image(case.image, sigma, case.key), case.target, method)


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
