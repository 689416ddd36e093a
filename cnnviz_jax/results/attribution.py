"""What explain techniques return: which parts of each image a score rests on."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Unpack

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from cnnviz_jax.plugins.display_options import DisplayOptions
from cnnviz_jax.plugins.rendering import required
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.pytrees import Numbers, static
from cnnviz_jax.results.result import Result

_NORMAL, _UPPER, _MANY = 1.96, 0.975, 30
"""A 95 % interval in standard errors, the quantile of its upper end, and from how many draws on the first will do."""

View = Literal["heatmap", "pixels", "maps", "layer"]
"""How values are meant to be looked at: one map over the image, signed pixels, independent channel maps, or a layer's
units with its own axes, whose sum over channels is a map."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """What a fold returns for one image (or, with a leading n, for many)."""

    values: Float[Numbers, "..."]
    """(h, w) or (h, w, c) at the image's size, or, for a layer's channels or units, at the layer's."""
    low_res: Float[Numbers, "..."] | None = None
    """The raw map (rows, cols) before upsampling, where the method makes one."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further numbers by name, such as a completeness gap."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, repr=False)
class Attribution(Result):
    """Which parts of each image a score rests on; positive means in favour."""

    values: Float[Numbers, "n ..."]
    """Raw signed values, (n, h, w) or (n, h, w, c), of inputs other than images with axes of their own; unit:
    score, or score per unit of intensity for gradients. (n, c) are those of a layer that has no map."""
    low_res: Float[Numbers, "n ..."] | None
    """The raw map before upsampling, where the method makes one."""
    scores: Float[Numbers, " n"]
    """The target's score on the untouched image."""
    target: Any
    """Class index per image (int32), or the `cnnviz_jax.targets.Target` that was scored."""
    images: Float[Numbers, "n ..."]
    """The images (n, h, w, c), in [0, 1], or other inputs with axes of their own."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further numbers by name."""
    probabilities: Float[Numbers, " n"] | None = None
    """Of the class explained, where each image's top class was; else none."""
    axes: tuple[tuple[str, tuple[int, ...]], ...] = static(default=())
    """Of several inputs, whose numbers stand in one row: the name and the axes of each."""
    parts: Mapping[str, "Attribution"] = field(default_factory=dict)
    """By name, the results of inputs that were explained one at a time; see `inputs`."""
    view: View = static(default="heatmap")
    names: tuple[str, ...] = static(default=())
    """One per image, such as its file's; none where they have none."""
    provenance: Provenance = static(kw_only=True)
    warnings: tuple[str, ...] = static(default=())

    @property
    def has_map(self) -> bool:
        """Whether the values are a map over the image or sum to one; a layer's channels are several, units and
        parts without places none."""
        return self.view != "maps" and not (self.view == "layer" and self.low_res is None)

    @property
    def standard_error(self) -> Shaped[Numbers, "..."] | None:
        """The standard error of every value, where the map is a mean of random draws; else none.

        Twice of it on either side holds the value of endlessly many draws in about 95 of 100 places.
        """
        return self.extras.get("standard_error")

    @property
    def is_resolved(self) -> Bool[np.ndarray, "..."] | None:
        """Where the draws tell a value from 0, where the map is a mean of random draws; else none.

        A value is told from 0 where its 95 % interval leaves 0 out: 1.96 standard errors to both sides, or Student's
        quantile for fewer than 30 draws. Nothing is resolved by a single draw.
        """
        error = self.standard_error
        if error is None:
            return None
        from scipy.special import stdtrit  # here, since most runs never ask

        values, draws = np.asarray(self.values), np.asarray(self.extras.get("samples", self._draws), np.float64)
        width = np.where(draws < _MANY, stdtrit(np.maximum(draws - 1, 1), _UPPER), _NORMAL)
        reach = width.reshape(width.shape + (1,) * (values.ndim - width.ndim)) * np.asarray(error)
        return np.abs(values) > np.where(np.isnan(reach), np.inf, reach)

    @property
    def _draws(self) -> float:
        """How many draws each image had, where that is an option of the technique; else many."""
        config = self.provenance.config
        found = next((getattr(config, name) for name in ("samples", "masks", "designs") if hasattr(config, name)), None)
        return float(_MANY if found is None else found)

    @property
    def inputs(self) -> dict[str, "Attribution"]:
        """The result for each of several inputs, by name, with its own axes; empty where the model takes one input.

        `extras["share"]` is the input's share of all |values|, which compares numbers of different units. Where inputs
        were explained one at a time, one in which there is nothing to look at is left out.
        """
        if self.parts:
            return dict(self.parts)
        total = np.abs(np.asarray(self.values)).sum(-1)
        found, first = {}, 0
        for name, axes in self.axes:
            end = first + math.prod(axes)
            shape = (len(self.values), *axes)
            values, own = (np.asarray(each)[:, first:end] for each in (self.values, self.images))
            share = np.abs(values).sum(-1) / np.where(total == 0, 1, total)
            rows = {
                key: np.asarray(each)[:, first:end].reshape(shape) if np.shape(each) == np.shape(self.values) else each
                for key, each in self.extras.items()
            }
            found[name] = dataclasses.replace(
                self, values=values.reshape(shape), images=own.reshape(shape), axes=(), extras={**rows, "share": share}
            )
            first = end
        return found

    def overlay(self, **display: Unpack[DisplayOptions]) -> Float[np.ndarray, "n h w 3"]:
        """Return each map over its image as a colour image in [0, 1], drawn as `cv.render` draws it.

        Args:
            **display: Display options, such as `colormap`, `opacity` and `policy`.

        Raises:
            RenderError: No renderer offers it, the result is of channel maps, or a value is not finite.
            UsageError: A display option is unknown or out of range.
        """
        return required("overlay", self)(self, **display)

    def __getitem__(self, index: int) -> "Attribution":
        """The result for one image, with a leading axis of 1."""
        keep = slice(index, index + 1 or None)
        call = self.provenance.call
        provenance = dataclasses.replace(
            self.provenance, targets=self.provenance.targets[keep], call=None if call is None else call.rows(keep)
        )
        own = jax.tree.map(lambda leaf: leaf[keep], dataclasses.replace(self, parts={}))
        parts = {name: part[index] for name, part in self.parts.items()}
        return dataclasses.replace(own, parts=parts, names=self.names[keep], provenance=provenance)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The best classes of one image."""

    classes: Int[Numbers, " k"]
    scores: Float[Numbers, " k"]
    probabilities: Float[Numbers, " k"]
    labels: tuple[str, ...]
