"""Linear centred kernel alignment (CKA): biased, debiased, or averaged over minibatches.

Debiased is the default: the biased form tends to 1 where a layer has more channels than there are images, whatever the
networks compute.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.independence import LEAST, hsic1_sums, product_squares, ratio, warn
from cnnviz_jax.similarity.minibatches import MINIBATCH, MinibatchSums
from cnnviz_jax.similarity.rows import Rows, Values, as_rows, centred, paired_rows

Form = Literal["debiased", "biased", "minibatch"]
"""How CKA is estimated."""

_ROWS_PER_CHANNEL = 10
_SMALL_MINIBATCH = 32


def cka(x: Values, y: Values, form: Form = "debiased", *, rows: Rows = "pooled", minibatch: int = MINIBATCH) -> float:
    """Return how alike two layers arrange the same images: 1 for the same up to rotation and scale, 0 for unrelated.

    The debiased form may be below 0. `nan`, with a warning, where a layer hardly changes from image to image.

    Args:
        x: Values of one layer, (n, c) or (n, h, w, c).
        y: Values of the other for the same images in the same order.
        form: `debiased`; `biased`, as first published; `minibatch`, the debiased estimate averaged over minibatches of
            rows in their order, before the ratio.
        rows: What one row is, of maps.
        minibatch: Rows of a minibatch; a last one of fewer than 4 is left out.

    Raises:
        UsageError: Fewer than 4 rows, other images on the two sides, or no such form.

    Cost: n c d operations, or n² (c + d) where that is less.

    Source: Kornblith et al. 2019, section 3; debiased: Song et al. 2007; minibatch: Nguyen et al. 2021, section 2.2.
    """
    table = cka_table([as_rows(x, rows)], [as_rows(y, rows)], form, minibatch=minibatch)
    return float(table[0, 0])


def cka_table(
    xs: Sequence[Values],
    ys: Sequence[Values],
    form: Form = "debiased",
    *,
    rows: Rows = "pooled",
    minibatch: int = MINIBATCH,
) -> Float[np.ndarray, "a b"]:
    """Return the CKA of each layer of one network with each of another; arguments as for `cka`."""
    if form not in ("debiased", "biased", "minibatch"):
        raise UsageError(f'form is "debiased", "biased" or "minibatch", got {form!r}')
    if not xs or not ys:
        raise UsageError("at least one layer on each side is needed")
    tables_x = [centred(paired_rows(x, ys[0], rows, least=LEAST)[0]) for x in xs]
    tables_y = [centred(paired_rows(xs[0], y, rows, least=LEAST)[1]) for y in ys]
    count = len(tables_x[0])
    if form == "biased":
        widest = max(table.shape[1] for table in (*tables_x, *tables_y))
        if count < _ROWS_PER_CHANNEL * widest:
            warn(f"biased CKA of {count} rows and {widest} channels tends to 1 whatever is compared; use debiased")
        cross = np.array([[product_squares(x, y) for y in tables_y] for x in tables_x])
        own = [np.array([product_squares(table, table) for table in side]) for side in (tables_x, tables_y)]
        return ratio(cross, own[0], own[1])
    if form == "debiased":
        return ratio(*hsic1_sums(tables_x, tables_y))
    if minibatch < _SMALL_MINIBATCH:
        warn(f"CKA of minibatches of {minibatch} rows is a ratio of noisy means; 32 rows and more are steady")
    starts = [first for first in range(0, count, minibatch) if min(first + minibatch, count) - first >= LEAST]
    if not starts:
        raise UsageError(f"a minibatch has at least {LEAST} rows, got {minibatch}")
    if (left := count - starts[-1] - minibatch) > 0:
        warn(f"the last {left} rows fill no minibatch of {LEAST} and are left out")
    sums = MinibatchSums(size=minibatch)
    for number, first in enumerate(starts):
        last = first + minibatch
        sums = sums.plus(number, [x[first:last] for x in tables_x], [y[first:last] for y in tables_y])
    return sums.cka()


def participation_ratio(x: Values, *, rows: Rows = "pooled") -> float:
    """Return how many directions carry a layer's variance, (Σλ)² / Σλ² of its covariance: from 1 to c; 0 if none does.

    CKA looks at the directions of largest variance; where they are few, it says little of the others.
    """
    table = centred(as_rows(x, rows))
    total, squares = float((table * table).sum()), product_squares(table, table)
    return total * total / squares if squares > 0 else 0.0


def without_outliers(x: Values, y: Values, share: float = 0.01, *, rows: Rows = "pooled") -> float:
    """Return debiased CKA without that share of rows of largest norm, of either side: few images can move it far.

    Source: Davari et al. 2023.
    """
    first, second = paired_rows(x, y, rows, least=LEAST)
    out = int(np.ceil(share * len(first)))
    far = {int(i) for each in (first, second) for i in np.argsort(-(centred(each) ** 2).sum(1), kind="stable")[:out]}
    kept = np.array([i not in far for i in range(len(first))])
    return cka(first[kept], second[kept])
