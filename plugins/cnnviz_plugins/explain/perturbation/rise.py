"""RISE: the mean score over random masks that keep a pixel (Petsiuk et al. 2018)."""

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.plugin import Case, Heatmap, Model, SampledMean, UsageError
from cnnviz_plugins.explain.perturbation.fills import occluding_fill, resolved_fill
from cnnviz_plugins.explain.perturbation.plugin import RiseConfig
from cnnviz_plugins.explain.perturbation.spreading import along_axes


@dataclass(frozen=True, kw_only=True)
class Rise(SampledMean):
    """Sum over masks of score(masked image) * mask, over masks * probability, (h, w); of volumes along three axes.

    A mask is a coarse grid of zeros and ones, enlarged bilinearly to (cells + 1) times the cell and moved by a random
    part of a cell. Masks are made from the key as they are used; there is no array of all of them.

    The paper scores by probability: pass `cv.targets.class_score(index, of="probability")` for its numbers. With a
    logit the map has an offset, since every mask counts with its score whatever its sign.

    Cost: `masks` forward passes per image; memory for one chunk of masked images.
    Randomness: mask i of an image comes from fold_in(image's key, i).
    Source: Petsiuk, Das, Saenko 2018, sections 3.1 and 3.2; eclique/RISE explanations.py;
    `xplique`: xplique/attributions/rise.py, which divides by the masks' sum per pixel.
    """

    scores_only: ClassVar[bool] = True
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: RiseConfig
    cells: tuple[int, ...]
    """Of a mask along each axis."""

    @classmethod
    def build(cls, config: RiseConfig, model: Model) -> "Rise":
        """Return the fold for `model`.

        Raises:
            UsageError: The grid has another number of axes than the inputs, or the fill does not fit.
        """
        filled = replace(config, fill=resolved_fill(config.fill, model))
        extents, space = model.structure.extents, model.structure.space
        given = config.grid if isinstance(config.grid, tuple) else (config.grid,) * len(extents)
        if space is not None and len(space.spatial) == 1:
            given = (1, given[-1])  # held as an image of one row, across which there is nothing to choose
        if len(given) != len(extents):
            raise UsageError(f"grid is one number, or one for each of {len(extents)} axes; got {config.grid!r}")
        return cls(config=filled, count=config.masks, tolerance=config.tolerance, cells=given)

    @property
    def is_plain(self) -> bool:
        """Not by Xplique's convention: that is a quotient of two means."""
        return self.config.convention == "paper"

    def shared(self, case: Case) -> Float[Array, "h w c"]:
        """Return the image as it looks where masked."""
        return occluding_fill(self.config.fill, case)

    def draw(self, case: Case) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
        """Return mask `index` times its score over the probability, and the mask."""
        extents = case.model.structure.extents
        mask = random_mask(case.key, extents, self.cells, self.config.probability).reshape(-1, extents[-1])
        score = case.model.score(case.context + (case.image - case.context) * mask[:, :, None], case.target)[0]
        return score * mask / self.config.probability, mask

    def of_mean(self, case: Case, values: Float[Array, "h w"], more: Float[Array, "h w"]) -> Heatmap:
        """Return the map."""
        if self.config.convention == "xplique":
            values = values * self.config.probability / (more + 1e-4 / self.config.masks)
        return Heatmap(values=values, extras={"kept": more})


def random_mask(
    key: Key[Array, ""], size: tuple[int, ...], cells: tuple[int, ...], probability: float
) -> Float[Array, "..."]:
    """Return one mask: which cells are kept, enlarged bilinearly and moved by part of a cell."""
    drawn = jax.random.uniform(key, (len(size) + prod(cells),))
    kept = (drawn[len(size) :] < probability).astype(jnp.float32).reshape(cells)
    edges = [-(-pixels // count) for pixels, count in zip(size, cells, strict=True)]
    shifts = [(drawn[axis] * edges[axis]).astype(jnp.int32) for axis in range(len(size))]
    enlarging = [_enlarging(n, c, e, s) for n, c, e, s in zip(size, cells, edges, shifts, strict=True)]
    return along_axes(kept, enlarging)


def _enlarging(pixels: int, cells: int, edge: int, shift: Int[Array, ""]) -> Float[Array, "pixels cells"]:
    """The bilinear enlargement of `cells` cells to (cells + 1) * edge pixels, cut out from `shift` on, as a matrix."""
    place = (jnp.arange(pixels) + shift).astype(jnp.float32) + 0.5
    at = jnp.clip(place * (cells / ((cells + 1) * edge)) - 0.5, 0, cells - 1)
    return jax.nn.relu(1 - jnp.abs(at[:, None] - jnp.arange(cells, dtype=jnp.float32)))
