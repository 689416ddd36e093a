"""Extremal perturbation: the smooth mask of a given area that raises the score most (Fong et al. 2019)."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Fill, Fold, Heatmap, Model, blurred, word_and_number
from cnnviz_plugins.explain.perturbation.fills import is_word, occluding_fill, resolved_fill
from cnnviz_plugins.explain.perturbation.part_options import FILLS
from cnnviz_plugins.explain.perturbation.plugin import ExtremalPerturbationConfig

_COLDNESS = 20.0


@dataclass(frozen=True)
class SmoothMask:
    """Masks of an image of height and width `size` from parameters `step` pixels apart.

    Pixel u is the soft maximum over nearby parameters v of k(|u - v| / sigma) * parameter, with
    k(z) = exp(-2 max(z - 1/2, 0)^2): no mask is rougher than its kernel.

    Source: Fong, Patrick, Vedaldi 2019, section 3.2 and its appendix; the kernel and the temperature 20 of
    facebookresearch/TorchRay, there with zeros and a margin around the image, here with its border repeated.
    """

    size: tuple[int, int]
    step: int
    sigma: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of parameters."""
        return -(-self.size[0] // self.step), -(-self.size[1] // self.step)

    @property
    def radius(self) -> int:
        """Parameters that reach a pixel, to each side of its own."""
        return 1 + math.ceil(self.sigma / self.step)

    def offsets(self) -> tuple[Float[Array, "h near"], Float[Array, "w near"]]:
        """Return the distance of each pixel from its nearby parameters along each axis, in sigmas."""
        near = jnp.arange(-self.radius, self.radius + 1)

        def along(pixels: int) -> Float[Array, "pixels near"]:
            place = jnp.arange(pixels)[:, None]
            centre = ((place // self.step + near).astype(jnp.float32) + 0.5) * self.step - 0.5
            return (place.astype(jnp.float32) - centre) / self.sigma

        return along(self.size[0]), along(self.size[1])

    def ranked(self, mask: Float[Array, "h w"]) -> Float[Array, " pixels"]:
        """Return the mask's values in ascending order; which of equal ones comes first is spread over the image.

        At the first step all values are nearly equal. In raster order the area constraint would then push the top of
        the image down and the bottom up, far more strongly than any score can.
        """
        values = mask.reshape(-1)
        scattered = jnp.arange(len(values), dtype=jnp.float32) * 0.618034 % 1
        return values[jnp.argsort(values + 1e-4 * scattered)]

    def __call__(
        self, parameters: Float[Array, "rows cols"], offsets: tuple[Float[Array, "h near"], Float[Array, "w near"]]
    ) -> Float[Array, "h w"]:
        """Return the mask of some parameters in [0, 1]."""
        near = jnp.arange(2 * self.radius + 1)
        rows, cols = ((jnp.arange(pixels) // self.step)[:, None] + near for pixels in self.size)
        padded = jnp.pad(parameters, self.radius, mode="edge")  # else a mask of equal heights has higher corners
        heights = padded[rows][:, :, cols]  # h near w near
        distance2 = (offsets[0] ** 2)[:, :, None, None] + (offsets[1] ** 2)[None, None]
        bump = jnp.exp(-2 * jax.nn.relu(jnp.sqrt(distance2) - 0.5) ** 2)
        values = jnp.transpose(bump * heights, (0, 2, 1, 3)).reshape(*self.size, -1)
        return (values * jax.nn.softmax(_COLDNESS * values, axis=-1)).sum(-1)


@dataclass(frozen=True, kw_only=True)
class ExtremalPerturbation(Fold):
    """The mean over areas of the mask that keeps so much of the image and raises the score most, (h, w) in [0, 1].

    Each mask is found by gradient ascent on score - weight * mean (sorted mask - ideal)^2, the ideal being 0 but for
    the area's share of ones; the weight grows at every step. `extras["masks"]` has one mask per area,
    `extras["rewards"]` what each reached, `extras["kept"]` the share it keeps.

    Cost: areas * steps forward and backward passes per image, two of each with `game="dual"`.
    Source: Fong, Patrick, Vedaldi 2019, sections 3 and 4; numbers of facebookresearch/TorchRay.
    """

    config: ExtremalPerturbationConfig
    fill: Fill
    mask: SmoothMask

    @classmethod
    def build(cls, config: ExtremalPerturbationConfig, model: Model) -> "ExtremalPerturbation":
        """Return the fold for `model`, lengths scaled to its images."""
        height, width, _ = model.input_shape
        share = min(height, width) / 224
        step = config.step_px or max(1, round(7 * share))
        sigma = config.sigma_px or max(1.0, 21 * share)
        fill = resolved_fill(config.fill, model) if config.fill is not None else f"blur({max(1.0, 20 * share):g})"
        notes = (("step_px", step), ("sigma_px", sigma), ("fill", fill))
        return cls(config=config, fill=fill, mask=SmoothMask((height, width), step, sigma), notes=notes)

    @property
    def evaluations(self) -> int:
        """One per area."""
        return len(self.config.areas)

    def prepare(self, case: Case) -> Any:
        """Return the image from most to least occluded, and the distances that masks are made of."""
        word, sigma = word_and_number(self.fill, "fill", FILLS) if is_word(self.fill) else ("", None)
        if word == "blur" and sigma:
            last = self.config.levels - 1
            occluded = [blurred(case.image, sigma * (1 - level / last)) for level in range(last)]
        else:
            occluded = [occluding_fill(self.fill, case)]
        return jnp.stack([*occluded, case.image]), self.mask.offsets()

    def evaluate(self, case: Case) -> tuple[Float[Array, "h w"], Float[Array, ""]]:
        """Return the mask of area `index` and the reward it reaches."""
        levels, offsets = case.context
        config = self.config
        pixels = case.image.shape[0] * case.image.shape[1]
        area = jnp.asarray(config.areas, jnp.float32)[case.index]
        ideal = (jnp.arange(pixels, dtype=jnp.float32) >= jnp.floor(pixels * (1 - area))).astype(jnp.float32)

        def reward(mask: Float[Array, "h w"], step: Int[Array, ""]) -> Float[Array, ""]:
            def score(kept: Float[Array, "h w"]) -> Float[Array, ""]:
                seen = between(levels, kept)
                mirrored = jnp.where(step % 2 == 0, seen[:, ::-1], seen) if config.flip else seen
                return case.model.score(mirrored, case.target)[0]

            if config.game == "preserve":
                return score(mask)
            return -score(1 - mask) if config.game == "delete" else score(mask) - score(1 - mask)

        def energy(heights: Any, step: Int[Array, ""]) -> Float[Array, ""]:
            mask = self.mask(heights, offsets)
            weight = config.area_weight * config.area_growth ** step.astype(jnp.float32)
            return reward(mask, step) - weight * ((self.mask.ranked(mask) - ideal) ** 2).mean()

        def ascend(step: Int[Array, ""], state: Any) -> Any:
            heights, direction = state
            slope = jax.grad(energy)(heights, step)
            # As PyTorch's SGD with dampening: the first step takes the whole gradient.
            direction = jnp.where(step == 0, slope, config.momentum * direction + (1 - config.momentum) * slope)
            return jnp.clip(heights + config.rate * direction, 0, 1), direction

        start = jnp.ones(self.mask.shape, jnp.float32)
        heights, _ = jax.lax.fori_loop(0, config.steps, ascend, (start, jnp.zeros_like(start)))
        mask = self.mask(heights, offsets)
        return mask, reward(mask, jnp.int32(1))

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the masks' mean."""
        masks, rewards = gathered
        extras = {"masks": masks, "rewards": rewards, "kept": masks.mean((1, 2))}
        return Heatmap(values=masks.mean(0), extras=extras)


def between(levels: Float[Array, "levels h w c"], kept: Float[Array, "h w"]) -> Float[Array, "h w c"]:
    """Return the image that shows at each pixel the level that `kept` in [0, 1] asks for, read linearly."""
    place = kept * (len(levels) - 1)
    lower = jnp.clip(jnp.floor(place), 0, len(levels) - 2)
    part = (place - lower)[None, :, :, None]
    at = lower.astype(jnp.int32)[None, :, :, None]
    near = [jnp.take_along_axis(levels, at + more, 0) for more in (0, 1)]
    return (near[0] + part * (near[1] - near[0]))[0]
