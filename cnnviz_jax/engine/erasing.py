"""Images with their object painted out: the surroundings flow into its place, without an edge."""

import numpy as np
from jaxtyping import Bool, Float


def painted_out(images: Float[np.ndarray, "n h w c"], mask: Bool[np.ndarray, "n h w"]) -> Float[np.ndarray, "n h w c"]:
    """Return the images with what is masked filled from around it; pixels that are not masked stay as they are.

    Means of the known pixels of ever coarser cells fill the holes of finer ones, so that what fills a large object is
    smooth: a fill of one colour would keep its outline. An image that is masked whole becomes grey.

    Cost: about three passes over the pixels.

    Source: push-pull, Gortler et al. 1996, The Lumigraph, section 3.4.
    """
    return _filled(images, (~mask).astype(np.float32)).astype(np.float32)


def _filled(images: Float[np.ndarray, "n h w c"], known: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n h w c"]:
    height, width = known.shape[1:]
    # Weights count known pixels: a cell with one keeps its own mean (share 1), one without takes the coarser (share 0).
    share = np.minimum(known, 1)[..., None]
    if min(height, width) == 1 or known.min() >= 1:
        return np.where(share > 0, images, 0.5)
    # An odd side gets one row or column more, of weight 0, which no mean counts.
    even = ((0, 0), (0, height % 2), (0, width % 2))
    weights = np.pad(known, even)
    sums = np.pad(images * known[..., None], (*even, (0, 0)))
    rows, columns = weights.shape[1] // 2, weights.shape[2] // 2
    weight = weights.reshape(-1, rows, 2, columns, 2).sum((2, 4))
    total = sums.reshape(len(images), rows, 2, columns, 2, -1).sum((2, 4))
    coarse = _filled(total / np.maximum(weight, 1e-12)[..., None], weight)
    return share * images + (1 - share) * _doubled(coarse)[:, :height, :width]


def _doubled(images: Float[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n h2 w2 c"]:
    """Return the images at twice the size, linear between the middles of pixels."""
    for axis in (1, 2):
        last = images.shape[axis] - 1
        here = np.arange(last + 1)
        before, after = (np.take(images, np.clip(here + step, 0, last), axis) for step in (-1, 1))
        # A fine pixel's middle is a quarter of a coarse one off that one's, towards a neighbour: 3/4 and 1/4.
        pair = np.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], axis + 1)
        images = pair.reshape(*images.shape[:axis], 2 * (last + 1), *images.shape[axis + 1 :])
    return images
