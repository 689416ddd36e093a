"""Parts of what stands at a site, the image or a layer: each replaced alone, and what the score loses."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Fold, GivenArray, Heatmap, Model, UsageError, word_and_number
from cnnviz_plugins.explain.perturbation.part_options import Segmentation
from cnnviz_plugins.explain.perturbation.plugin import FeatureAblationConfig, FeaturePermutationConfig
from cnnviz_plugins.explain.site import IMAGE, Site

_WORDS = {"channels": False, "pixels": False, "elements": False, "grid": True}


@dataclass(frozen=True)
class SiteParts:
    """Which part each value at a site belongs to, numbered from 0."""

    word: str
    shape: tuple[int, ...]
    """Of the value: (h, w, c) or (c,)."""
    count: int
    cells: tuple[int, ...] = ()
    """Those of a grid along each axis of places."""
    extents: tuple[int, ...] = ()
    """Lengths of these axes: rows and columns, or depth, rows and columns."""
    mask: Any = None
    """Numbers given by the user, as nested tuples."""

    @classmethod
    def of(cls, option: Segmentation, site: Site, model: Model) -> "SiteParts":
        """Return the parts that the option `segments` means at a site.

        Raises:
            UsageError: It is another word, or numbers of another shape than the site's.
        """
        shape, where = site.shape(model), site.layer or "the image"
        if not isinstance(option, str):
            numbers = np.asarray(option)
            fits = numbers.shape in (shape, shape[:2] if len(shape) == 3 else shape)
            if not fits or numbers.dtype.kind not in "iu" or numbers.min() < 0:
                raise UsageError(
                    f"segments is a word or a mask of part numbers from 0, as large as {where}, {shape}; "
                    f"got one of shape {numbers.shape}"
                )
            return cls("given", shape, int(numbers.max()) + 1, mask=option)
        word, number = word_and_number(option, "segments", _WORDS)
        if word == "channels" or (word == "elements" and len(shape) == 1):
            return cls("channels", shape, shape[-1])
        if word == "elements":
            return cls(word, shape, int(np.prod(shape)))
        if len(shape) != 3:
            raise UsageError(
                f"segments={option!r} needs a map, and {where} has the shape {shape}; channels serves there"
            )
        if word == "grid" and (not number or number != int(number) or number < 1):
            raise UsageError(f"segments takes a positive whole number, got {option!r}")
        extents = site.extents(model)
        cells = extents if word == "pixels" else tuple(min(int(number or 0), extent) for extent in extents)
        return cls(word, shape, prod(cells), cells=cells, extents=extents)

    @property
    def are_places(self) -> bool:
        """Whether a part is made of places of a map, with all their channels."""
        return bool(self.cells) or (self.mask is not None and len(self.shape) == 3 and np.ndim(self.mask) == 2)

    def numbers(self) -> Int[np.ndarray, "..."]:
        """Return the part of each value."""
        if self.mask is not None:
            given = np.asarray(self.mask, np.int32)
            return np.broadcast_to(given[..., None] if given.ndim < len(self.shape) else given, self.shape)
        if self.cells:
            along = [np.arange(n) * k // n for n, k in zip(self.extents, self.cells, strict=True)]
            places: np.ndarray = np.ravel_multi_index(np.meshgrid(*along, indexing="ij"), self.cells)
            return np.broadcast_to(places.astype(np.int32).reshape(*self.shape[:2], 1), self.shape)
        if self.word == "channels":
            return np.broadcast_to(np.arange(self.shape[-1], dtype=np.int32), self.shape)
        return np.arange(self.count, dtype=np.int32).reshape(self.shape)

    def shown(self, site: Site, per_part: Float[Array, " count"]) -> Heatmap:
        """Return a number per part as values at a site: each value has that of its part."""
        numbers = jnp.asarray(self.numbers())
        values, extras = per_part[numbers], {"per_segment": per_part}
        if site == IMAGE:
            low_res = per_part.reshape(self.cells) if self.cells else None
            return Heatmap(values=values[..., 0] if self.are_places else values, low_res=low_res, extras=extras)
        return Heatmap(values=values, low_res=values[..., 0] if self.are_places else None, extras=extras)


@dataclass(frozen=True, kw_only=True)
class ReplacedParts(Fold):
    """score - score with the part replaced, one number per part: positive where it supports the score."""

    scores_only: ClassVar[bool] = True
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    site: Site
    parts: SiteParts

    @property
    def evaluations(self) -> int:
        """One per part."""
        return self.parts.count

    def instead(self, case: Case) -> Float[Array, "..."]:
        """Return what takes the place of each part."""
        raise TypeError(f"{type(self).__name__} says not what parts are replaced by")

    def prepare(self, case: Case) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, ""]]:
        """Return what stands at the site, what takes its place, and the score."""
        own = self.site.value(case.model, case.image)
        return own, self.instead(case), case.model.score(case.image, case.target)[0]

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the fall of the score without part `index`."""
        own, other, score = case.context
        mixed = jnp.where(jnp.asarray(self.parts.numbers()) == case.index, other, own)
        return score - self.site.score(case.model, case.image, mixed, case.target)

    def finish(self, case: Case, gathered: Float[Array, " count"]) -> Heatmap:
        """Return the falls, each at all values of its part."""
        return self.parts.shown(self.site, gathered)


def notes_of(site: Site, parts: SiteParts) -> tuple[tuple[str, Any], ...]:
    """Return what the result says of its parts."""
    named = (("parts", parts.count), ("sum", "nothing: every part is replaced alone"), ("unit", "score"))
    return (*named, ("map", "the number of each place's part")) if site != IMAGE and parts.are_places else named


@dataclass(frozen=True, kw_only=True)
class LayerAblation(ReplacedParts):
    """How much the score falls when each part of a layer is set to a number: channels, places, or values.

    `values` has the layer's axes; every value of a part has the part's number, which `extras["per_segment"]` lists.

    Cost: one forward pass, and one from the layer on for each part.
    Source: Captum's LayerFeatureAblation; Morcos et al. 2018, arXiv:1803.06959, section 2.2, for channels.
    """

    config: FeatureAblationConfig

    @classmethod
    def build(cls, config: FeatureAblationConfig, model: Model, site: Site) -> "LayerAblation":
        """Return the fold for `model` and a layer.

        Raises:
            UsageError: The parts or the fill do not fit the layer.
        """
        config = replace(config, fill=0.0 if config.fill is None else config.fill)
        fill, shape = config.fill, site.shape(model)
        if isinstance(fill, str) and not isinstance(fill, GivenArray):
            raise UsageError(
                f"at a layer fill is a number, one per channel, or an array like it, {shape}; got {fill!r}"
            )
        if isinstance(fill, tuple) and len(fill) != shape[-1]:
            raise UsageError(f"fill has {len(fill)} values, {site.layer} has {shape[-1]} channels")
        parts = SiteParts.of(config.segments or "channels", site, model)
        return cls(config=config, parts=parts, notes=(*notes_of(site, parts), ("fill", str(fill))), **site.fields())

    def array_shape(self, option: str, model: Model) -> tuple[int, ...]:
        """Return that of the layer's value."""
        return self.site.shape(model)

    def instead(self, case: Case) -> Float[Array, "..."]:
        """Return the fill, as large as the layer's value."""
        fill: Any = self.config.fill
        if isinstance(fill, GivenArray):
            found: Array = case.given[fill.option]
            return found
        return jnp.broadcast_to(jnp.asarray(fill, jnp.float32), self.parts.shape)


@dataclass(frozen=True, kw_only=True)
class FeaturePermutation(ReplacedParts):
    """How much the score falls when each part of the image, or of a layer, is that of another of the images.

    No image keeps its own: with `order="roll"` image i takes the part of image i - 1, the first that of the last. So
    the numbers depend on which images are explained together, and in which order.

    Randomness: with `order="random"` a cycle through all images, drawn from the key.
    Cost: one forward pass per part; at a layer, two up to it and one from it on for each part.
    Source: Breiman 2001, section 10, for one image; Captum's FeaturePermutation, whose permutation may leave an image
    its own part.
    """

    config: FeaturePermutationConfig
    mixes_images = True

    @classmethod
    def build(cls, config: FeaturePermutationConfig, model: Model) -> "FeaturePermutation":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
            UsageError: The parts do not fit.
        """
        site = Site.of(config.at, model)
        usual = "grid(8)" if site == IMAGE else "channels"
        config = replace(config, segments=usual if config.segments is None else config.segments)
        parts = SiteParts.of(config.segments or usual, site, model)
        notes = (*notes_of(site, parts), ("order", config.order))
        return cls(config=config, parts=parts, notes=notes, **site.fields("heatmap" if parts.are_places else "pixels"))

    def companions(self, images: Float[np.ndarray, "n h w c"], key: Any) -> dict[str, Any]:
        """Return for every image the one whose parts it takes.

        Raises:
            UsageError: There is one image, whose parts can only be its own.
        """
        count = len(images)
        if count < 2:
            raise UsageError(
                "feature-permutation exchanges parts between images, and got one; explain several together"
            )
        if self.config.order == "roll":
            return {"other": np.roll(images, 1, 0)}
        # A walk through all images in random order, each taking from the one before: a cycle leaves none its own.
        walk = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist()).permutation(count)
        other = np.empty_like(images)
        other[walk] = images[np.roll(walk, 1)]
        return {"other": other}

    def instead(self, case: Case) -> Float[Array, "..."]:
        """Return what stands at the site for the other image."""
        return self.site.value(case.model, case.given["other"])
