"""How many evaluations at once suit a CPU: its caches where they are forward passes, memory it reuses for gradients."""

import math
import os

import jax

from cnnviz_jax.model.model import Model
from cnnviz_jax.program.layers.activations import ACTIVATION_KINDS

_MOST = 32
# Where maps are small, handing a chunk over costs as much as computing it: many evaluations go by more at once. Few do
# not: how many images share a program would then depend on how many there are, and each number compile its own.
_MOST_OF_MANY, _MANY = 256, 2048
# Cores share 4 MiB and more of cache each. 25 images' maps of a MobileNet, 4.6 MiB an image, are written to memory and
# read back, and each chunk's memory is asked of the system anew; 3 images' maps stay in the cache. LIME takes 0.57 CPU
# seconds then in place of 0.85. Gradients write more than they read, and gain nothing.
_CACHE_BYTES_A_CORE = 8 * 2**20
# Weights are read once a chunk, so large ones want many images at once: ResNet-50 (98 MiB) gains nothing by few.
_MOST_WEIGHTS = 4
# Memory of up to 32 MiB is handed out again by glibc; more is asked of the system, which clears it, for every chunk. A
# gradient of an image of 224 pixels through SqueezeNet 1.1 needs 25 MiB: SmoothGrad of 50 samples takes 1.5 CPU seconds
# one at a time and 2.1 by 25, at 160 pixels 0.74 by twos and 1.02 by 25.
_REUSED_BYTES = 32 * 2**20
# Bytes that a gradient needs at once, in those of the layers it keeps: 25 MiB of 17 in SqueezeNet.
_NEEDED = 1.5
# Kept by no gradient: they are computed again within the layer behind them.
_FUSED = ACTIVATION_KINDS | {"norm", "scale", "module"}


def suiting_a_cpu(model: Model, *, scores_only: bool, layer: str | None = None, evaluations: int = 0) -> int | None:
    """Return how many evaluations of a model at once suit a CPU; `None` on other devices and where it hardly matters.

    Args:
        model: The model that is evaluated.
        scores_only: Whether an evaluation is a forward pass and no gradient.
        layer: The last layer that is computed, where the scores are not.
        evaluations: How many there are in all, where that is known.
    """
    if jax.default_backend() != "cpu":
        return None
    leaves = jax.tree.leaves(model.params)
    itemsize = max((leaf.dtype.itemsize for leaf in leaves), default=4)
    rows = list(model.layers.values())
    weights = sum(leaf.nbytes for leaf in leaves)
    if layer is not None and layer in model.layers:
        rows = rows[: 1 + [row.name for row in rows].index(model.layers[layer].name)]
        weights = itemsize * sum(math.prod(row.kernel_shape) for row in rows if row.kernel_shape is not None)
    if scores_only:
        largest = max(map(math.prod, (model.input_shape, *(row.shape for row in rows))))
        return forward_passes_at_once(itemsize * largest, weights, evaluations)
    kept = sum(math.prod(row.shape) for row in rows if row.kind not in _FUSED)
    return gradients_at_once(itemsize * kept, weights)


def forward_passes_at_once(largest: int, weights: int, evaluations: int = 0) -> int | None:
    """Return how many images' forward passes at once suit the caches; `None` where they do not matter.

    Args:
        largest: Bytes of the largest map of one image.
        weights: Bytes of the parameters.
        evaluations: How many there are in all, where that is known.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cache = cores * _CACHE_BYTES_A_CORE
    if weights > _MOST_WEIGHTS * cache:
        return None
    return max(1, min(_MOST if evaluations < _MANY else _MOST_OF_MANY, cache // max(1, largest)))


def gradients_at_once(kept: int, weights: int) -> int | None:
    """Return how many images' gradients at once need no new memory; `None` where not even one does.

    Args:
        kept: Bytes of the layers of one image that are not fused with the layer before.
        weights: Bytes of the parameters, of which transposed kernels are copies.
    """
    room = _REUSED_BYTES - weights
    if kept > room:
        return None
    # At least one: the estimate is rough, and one that just fails to fit loses nothing by itself.
    return max(1, min(_MOST, int(room / (_NEEDED * max(1, kept)))))
