"""Max pooling whose gradient is made of comparisons.

XLA's own gradient of a max pool (`select_and_scatter`) runs on one thread of a CPU, element by element: 15 % of VGG19's
gradient. Here each place of the window is compared with the maximum and the first that equals it takes the gradient:
the same rule and the same numbers in elementwise operations, 2.5 to 25 times faster. JAX has no gradient at all for max
pools with dilation; here they have one. The value itself is XLA's.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node

_MOST_PLACES = 16
"""Places of a window up to which comparing all of them is faster."""


@dataclass(frozen=True)
class PoolWindows:
    """Where the windows of a pool lie: one entry per axis of the array."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, node: Node) -> "PoolWindows | None":
        """Return the windows of a `reduce_window` node; `None` where the array is spread out first."""
        if set(node.params["base_dilation"]) != {1}:
            return None
        return cls(
            size=tuple(node.params["window_dimensions"]),
            strides=tuple(node.params["window_strides"]),
            padding=tuple((int(low), int(high)) for low, high in node.params["padding"]),
            dilation=tuple(node.params["window_dilation"]),
        )

    @property
    def places(self) -> int:
        """Places of one window."""
        return math.prod(self.size)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def max_pool(x: Float[Array, "..."], windows: PoolWindows) -> Float[Array, "..."]:
    """Return the maximum of every window; of equal values the first in row order takes the gradient."""
    return lax.reduce_window(
        x, -jnp.inf, lax.max, windows.size, windows.strides, windows.padding, window_dilation=windows.dilation
    )


@max_pool.defjvp
def _max_pool_jvp(windows: PoolWindows, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    top = max_pool(primals[0], windows)
    tangent = zeros = lax.full_like(top, 0)
    is_taken = lax.full_like(top, False, bool)
    values = window_places(primals[0], -jnp.inf, top.shape, windows)
    changes = window_places(tangents[0], 0.0, top.shape, windows)
    for value, change in zip(values, changes, strict=True):
        # Of `lax`, whose operations are traced in less time than those of `jax.numpy`.
        is_first = lax.bitwise_and(lax.eq(value, top), lax.bitwise_not(is_taken))
        is_taken = lax.bitwise_or(is_taken, is_first)
        tangent = lax.add(tangent, lax.select(is_first, change, zeros))
    return top, tangent


def window_places(x: Array, fill: float, shape: tuple[int, ...], windows: PoolWindows) -> Iterator[Array]:
    """Yield, for each place within the window in row order, what all windows hold there; `shape` is the result's."""
    padded = lax.pad(x, jnp.asarray(fill, x.dtype), [(low, high, 0) for low, high in windows.padding])
    for place in itertools.product(*map(range, windows.size)):
        first = [at * dilation for at, dilation in zip(place, windows.dilation, strict=True)]
        end = [at + (count - 1) * step + 1 for at, count, step in zip(first, shape, windows.strides, strict=True)]
        yield lax.slice(padded, first, end, windows.strides)


def compared_pools(graph: Graph, *, all_that_gain: bool = True) -> dict[int, Override]:
    """Return overrides by `max_pool` of the max pools that gain by it: on a CPU all, elsewhere those with dilation.

    Pools of integers, of spread-out images or of more than 16 places are left as they are, and so are those inside
    of scans, remats and functions with a gradient of their own.

    Args:
        graph: The program.
        all_that_gain: If not, those with dilation alone. At LLVM's level 0 nothing is gained: SqueezeNet's gradient
            with its three pools compared takes 0.26 CPU seconds for 0.20, and 0.2 more to trace and compile.
    """
    is_cpu = all_that_gain and jax.default_backend() == "cpu"
    found: dict[int, Override] = {}
    for leaf in graph.leaves:
        if leaf.name == "reduce_window_max" and leaf.is_transparent:
            windows = PoolWindows.of(leaf)
            is_float = jnp.issubdtype(graph.values[leaf.outputs[0]].dtype, jnp.floating)
            if windows is None or not is_float:
                continue
            gains = is_cpu or any(step > 1 for step in windows.dilation)
            if gains and windows.places <= _MOST_PLACES:
                found[leaf.outputs[0]] = Override(leaf.inputs, functools.partial(max_pool, windows=windows))
    return found
