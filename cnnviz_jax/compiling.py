"""Compiled programs: one cache, the options each backend wants, and what a program needs in memory.

Everything the engine runs is compiled here, so here is where compilations are counted.
"""

import collections
import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import jax

_KEPT = 256
_cache: "collections.OrderedDict[Hashable, Executable]" = collections.OrderedDict()
_count = 0


@dataclass(frozen=True)
class Executable:
    """One compiled program; call it with arguments of the shapes it was compiled for."""

    run: Callable[..., Any]
    need_bytes: int
    """Predicted peak memory of one call, arguments included."""
    flops: float | None = None
    """Floating-point operations of one call as the compiler counts them, where it does."""

    def __call__(self, *args: Any) -> Any:
        """Return what the compiled function returns; arguments of the shapes it was compiled for."""
        return self.run(*args)


def compilations() -> int:
    """Return how many programs the engine has compiled in this process."""
    return _count


def compiled(
    function: Callable[..., Any], identity: Hashable, args: tuple[Any, ...], *, donate: tuple[int, ...] = ()
) -> Executable:
    """Return `function` compiled for the shapes of `args`, from the cache where it can.

    Args:
        function: Pure and traceable.
        identity: Equal for functions that compute the same thing from the same argument shapes.
        args: Arrays or `ShapeDtypeStruct`s in any pytrees.
        donate: Positions of arguments whose memory the program may reuse.
    """
    global _count
    leaves, treedef = jax.tree.flatten(args)
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in map(_abstract, leaves))
    key = (identity, treedef, shapes, donate)
    if key not in _cache:
        jitted = jax.jit(function, donate_argnums=donate)
        lowered = jitted.lower(*jax.tree.map(_abstract, args))
        options = compiler_options()
        executable = lowered.compile(compiler_options=options) if options else lowered.compile()
        _count += 1
        _cache[key] = Executable(executable, _need_bytes(executable), _flops(executable))
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    return jax.ShapeDtypeStruct(
        jax.numpy.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.result_type(leaf)
    )


# What XLA:CPU may give to its YNNPACK: products of matrices, or nothing where a release knows no such choice.
_FUSIONS = ("LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", "")


@functools.cache
def compiler_options() -> dict[str, str | bool]:
    """Return the compiler options that this backend wants and accepts.

    XLA:CPU of jax 0.10 sends convolutions without padding to a library path several times slower than its threaded
    one; keeping them off it is 3 to 8 times faster on such convolutions. Products of matrices stay there: without it,
    a few rows times a transposed matrix, as in the gradient of a wide dense layer, take up to 40 times as long.
    """
    if jax.default_backend() != "cpu":
        return {}
    for fusions in _FUSIONS:
        options: dict[str, str | bool] = {"xla_cpu_experimental_ynn_fusion_type": fusions}
        try:
            jax.jit(lambda x: x + 1).lower(jax.ShapeDtypeStruct((1,), "float32")).compile(compiler_options=options)
        except (RuntimeError, ValueError):  # this XLA does not know the option
            continue
        return options
    return {}


def _need_bytes(executable: Any) -> int:
    analysis = executable.memory_analysis()
    if analysis is None:
        return 0
    # Measured on the CPU: resident growth is 1.3 to 1.5 times temporaries plus outputs.
    work = analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(analysis.argument_size_in_bytes + 1.5 * max(work, 0))


def _flops(executable: Any) -> float | None:
    try:
        analysis = executable.cost_analysis()
    except RuntimeError:  # not every backend counts
        return None
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    return float(analysis["flops"]) if analysis and "flops" in analysis else None
