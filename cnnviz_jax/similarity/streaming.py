"""CKA and kin of all pairs of layers from one pass: sums of products that add exactly in any order.

What every number here needs of two layers is Σxy', Σx, Σy, Σ|x|², Σ|y|², Σ|x|²y, Σ|y|²x and Σ|x|²|y|² over images. With
|x|² and 1 as two further columns of a row these are one matrix product, and all layers of a network side by side are
one wide row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.fixed_point import FIRST_ROWS, MOST_ROWS, Products, Scale, added, as_floats, products, steps
from cnnviz_jax.similarity.independence import LEAST, from_norms, ratio
from cnnviz_jax.similarity.matching import UnitMatching, matching_of

Layers = Sequence[Float[np.ndarray, "n _"]]
"""Rows of each layer of one network, for the same images."""


@dataclass(frozen=True, kw_only=True)
class PairSums:
    """Sums over images about all pairs of layers of two networks; those of different images add to the bit.

    Example:
        empty = PairSums.for_rows(first_x, first_y)  # the first images, up to 1,000, decide shift and scale
        total = merged([empty.plus(x, y) for x, y in batches])
        total.cka()
    """

    scales: tuple[tuple[Scale, ...], tuple[Scale, ...]]
    count: int
    """Images summed."""
    left_out: int
    """Images with a value that is not finite, or 256 times as far out as any of the first."""
    cross: Products
    """All columns of one network by all of the other."""
    own: tuple[tuple[Products, ...], tuple[Products, ...]]
    """Of each layer by itself."""

    @classmethod
    def for_rows(cls, xs: Layers, ys: Layers) -> "PairSums":
        """Return the sums of no images, with shift and scale from the first rows, which are not added.

        Raises:
            UsageError: There are no rows, or one is not finite.
        """
        scales = tuple(Scale.of(x[:FIRST_ROWS]) for x in xs), tuple(Scale.of(y[:FIRST_ROWS]) for y in ys)
        wide = [sum(len(scale.shift) + 1 for scale in side) + 1 for side in scales]
        nothing = products(np.zeros((0, wide[0]), np.int64), np.zeros((0, wide[1]), np.int64))
        own = [
            tuple(products(*2 * (np.zeros((0, len(scale.shift) + 2), np.int64),)) for scale in side) for side in scales
        ]
        return cls(scales=scales, count=0, left_out=0, cross=nothing, own=(own[0], own[1]))

    def plus(self, xs: Layers, ys: Layers) -> "PairSums":
        """Return the sums with the rows of more images added.

        Raises:
            UsageError: The rows do not fit, or there are more than two million in all.
        """
        if len(xs) != len(self.scales[0]) or len(ys) != len(self.scales[1]):
            raise UsageError(f"these sums are of {len(self.scales[0])} and {len(self.scales[1])} layers")
        found = [
            [steps(rows, scale) for rows, scale in zip(each, side, strict=True)]
            for each, side in zip((xs, ys), self.scales, strict=True)
        ]
        fits = np.all([on_grid for side in found for _, on_grid in side], 0)
        count = self.count + int(fits.sum())
        if count > MOST_ROWS:
            raise UsageError(f"sums hold {MOST_ROWS} images at most; add up parts")
        ones = np.ones((int(fits.sum()), 1), np.int64)
        tables = [[table[fits] for table, _ in side] for side in found]
        wide = [np.concatenate([*side, ones], 1) for side in tables]
        own = [
            tuple(
                added([total, products(*2 * (np.concatenate([table, ones], 1),))])
                for total, table in zip(totals, side, strict=True)
            )
            for totals, side in zip(self.own, tables, strict=True)
        ]
        return replace(
            self,
            count=count,
            left_out=self.left_out + int((~fits).sum()),
            cross=added([self.cross, products(wide[0], wide[1])]),
            own=(own[0], own[1]),
        )

    def cka(self, form: Literal["debiased", "biased"] = "debiased") -> Float[np.ndarray, "a b"]:
        """Return the CKA of every layer of one network with every layer of the other.

        Raises:
            UsageError: Fewer than 4 images.
        """
        if self.count < LEAST:
            raise UsageError(f"CKA needs {LEAST} images, got {self.count}")
        sides = [range(len(scales)) for scales in self.scales]
        cross = np.array([[self._between(a, b).alignment(form) for b in sides[1]] for a in sides[0]])
        own = [np.array([self._within(side, k).alignment(form) for k in sides[side]]) for side in (0, 1)]
        return ratio(cross, own[0], own[1])

    def match(self, a: int, b: int, *, absolute: bool = False) -> UnitMatching:
        """Return the units of layer `a` of one network matched with those of layer `b` of the other."""
        own = [np.diagonal(self._within(side, k).centred()) for side, k in ((0, a), (1, b))]
        return matching_of(self._between(a, b).centred(), own[0].copy(), own[1].copy(), absolute=absolute)

    def participation_ratio(self, side: int, k: int) -> float:
        """Return how many directions carry the variance of a layer; see `similarity.participation_ratio`."""
        own = self._within(side, k).centred()
        squares = float((own * own).sum())
        return float(np.trace(own)) ** 2 / squares if squares > 0 else 0.0

    def _between(self, a: int, b: int) -> "Sums":
        """Return the sums of layer `a` of one network with layer `b` of the other."""
        rows, columns = self._columns(0, a), self._columns(1, b)
        block: Products = tuple(part[np.ix_(rows, columns)] for part in self.cross)
        return Sums.of(block, self.scales[0][a], self.scales[1][b])

    def _within(self, side: int, k: int) -> "Sums":
        """Return the sums of a layer with itself; side 0 is the first network."""
        scale = self.scales[side][k]
        return Sums.of(self.own[side][k], scale, scale)

    def _columns(self, side: int, k: int) -> Int[np.ndarray, " _"]:
        widths = [len(scale.shift) + 1 for scale in self.scales[side]]
        first = sum(widths[:k])
        return np.array([*range(first, first + widths[k]), sum(widths)])


def merged(parts: Sequence[PairSums]) -> PairSums:
    """Return the sums over all images of several parts, in any order, to the same bits.

    Raises:
        UsageError: They were not begun from the same first rows.
    """
    first = parts[0]
    alike = [
        all(
            one.exponent == other.exponent and np.array_equal(one.shift, other.shift)
            for mine, others in zip(first.scales, part.scales, strict=True)
            for one, other in zip(mine, others, strict=True)
        )
        for part in parts
    ]
    if not all(alike):
        raise UsageError("sums add where shift and scale are the same; begin every part from one `for_rows`")
    own = [tuple(added(totals) for totals in zip(*(part.own[side] for part in parts), strict=True)) for side in (0, 1)]
    return replace(
        first,
        count=sum(part.count for part in parts),
        left_out=sum(part.left_out for part in parts),
        cross=added([part.cross for part in parts]),
        own=(own[0], own[1]),
    )


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over the same images of two layers' rows, less their shifts."""

    n: float
    x: Float[np.ndarray, " c"]
    y: Float[np.ndarray, " d"]
    norm_x: float
    """Σ|x|²."""
    norm_y: float
    norm_x_y: Float[np.ndarray, " d"]
    """Σ|x|²y."""
    norm_y_x: Float[np.ndarray, " c"]
    norms: float
    """Σ|x|²|y|²."""
    product: Float[np.ndarray, "c d"]
    """Σxy'."""

    @classmethod
    def of(cls, block: Products, scale_x: Scale, scale_y: Scale) -> "Sums":
        """Return the sums of a block whose last two rows and columns are the squared norm and 1."""
        exponents = [
            np.array([*[scale.exponent] * len(scale.shift), scale.norm_exponent, 0]) for scale in (scale_x, scale_y)
        ]
        table = as_floats(block, exponents[0], exponents[1])
        return cls(
            n=float(table[-1, -1]),
            x=table[:-2, -1],
            y=table[-1, :-2],
            norm_x=float(table[-2, -1]),
            norm_y=float(table[-1, -2]),
            norm_x_y=table[-2, :-2],
            norm_y_x=table[:-2, -2],
            norms=float(table[-2, -2]),
            product=table[:-2, :-2],
        )

    def centred(self) -> Float[np.ndarray, "c d"]:
        """Return Σ(x - mean)(y - mean)'."""
        return self.product - np.outer(self.x, self.y) / self.n

    def alignment(self, form: Literal["debiased", "biased"]) -> float:
        """Return HSIC₁, or the squared norm of the centred product."""
        centred = self.centred()
        squares = float((centred * centred).sum())
        if form == "biased":
            # `ratio` takes the root of a product of such squares.
            return squares
        n, m, k = self.n, self.x / self.n, self.y / self.n
        mm, kk = float(m @ m), float(k @ k)
        norms = (
            self.norms
            - 2 * float(k @ self.norm_x_y)
            + kk * self.norm_x
            - 2 * float(m @ self.norm_y_x)
            + 4 * float(m @ self.product @ k)
            + mm * self.norm_y
            - 3 * n * mm * kk
        )
        return from_norms(int(n), squares, norms, self.norm_x - n * mm, self.norm_y - n * kk)
