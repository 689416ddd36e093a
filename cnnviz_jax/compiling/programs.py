"""Compiled programs: one cache, the options each backend wants, what a program needs in memory, and the count.

Everything that runs is compiled here. Light: JAX is imported when the first program is compiled, because it reads where
to keep programs on disk (`use_compile_cache`) when it is imported.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import os
import platform
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.errors import UsageError

_KEPT = 256
_cache: collections.OrderedDict[Hashable, Executable] = collections.OrderedDict()
# Traces whose shapes were asked for, until the program is compiled from them. A trace holds much: few are kept.
_traces: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()
_TRACES_KEPT = 8
_count = 0


@dataclass(frozen=True)
class Executable:
    """One compiled program; call it with arguments of the shapes it was compiled for."""

    run: Callable[..., Any]
    need_bytes: int
    """Predicted peak memory of one call, arguments included."""
    out: Any
    """Shapes and dtypes of what it returns."""
    flops: float | None = None
    """Floating-point operations of one call as the compiler counts them, where it does."""

    def __call__(self, *args: Any) -> Any:
        """Return what the compiled function returns; arguments of the shapes it was compiled for."""
        return self.run(*args)


def compilations() -> int:
    """Return how many programs were compiled in this process."""
    return _count


def compiled(
    function: Callable[..., Any], identity: Hashable, args: tuple[Any, ...], *, donate: tuple[int, ...] = ()
) -> Executable:
    """Return `function` compiled for the shapes of `args`, from the cache where it can.

    Args:
        function: Pure and traceable.
        identity: Equal for functions that compute the same thing from the same argument shapes.
        args: Arrays or `ShapeDtypeStruct`s in any pytrees; the shardings of the latter are kept.
        donate: Positions of arguments whose memory the program may reuse.
    """
    global _count
    key, shapes = _keyed(identity, args, donate)
    if key not in _cache:
        lowered = (_traces.pop(key, None) or _traced(function, shapes, donate)).lower()
        options = compiler_options()
        program = lowered.compile(compiler_options=options) if options else lowered.compile()
        _count += 1
        _cache[key] = Executable(program, _need_bytes(program), lowered.out_info, _flops(program))
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def shapes_returned(function: Callable[..., Any], identity: Hashable, args: tuple[Any, ...]) -> Any:
    """Return the shapes and dtypes of what `function` returns; arguments as for `compiled`.

    Nothing is traced twice: not where the program is compiled already, and a later `compiled` uses this trace.
    """
    key, shapes = _keyed(identity, args, ())
    if key in _cache:
        return _cache[key].out
    if key not in _traces:
        _traces[key] = _traced(function, shapes, ())
        while len(_traces) > _TRACES_KEPT:
            _traces.popitem(last=False)
    return _traces[key].out_info


def _keyed(identity: Hashable, args: tuple[Any, ...], donate: tuple[int, ...]) -> tuple[Hashable, tuple[Any, ...]]:
    """Return what tells programs apart, and the arguments' shapes."""
    import jax

    leaves, treedef = jax.tree.flatten(args)
    leaves = [abstract(leaf) for leaf in leaves]
    kinds = tuple((leaf.shape, str(leaf.dtype), leaf.weak_type, leaf.sharding) for leaf in leaves)
    return (identity, treedef, kinds, donate), jax.tree.unflatten(treedef, leaves)


def _traced(function: Callable[..., Any], shapes: tuple[Any, ...], donate: tuple[int, ...]) -> Any:
    import jax

    return jax.jit(function, donate_argnums=donate).trace(*shapes)


def abstract(leaf: Any) -> Any:
    """Return shape, dtype and weak type of an array or a number."""
    import jax

    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.result_type(leaf)
    # A weak type decides what a leaf meets other dtypes as: int32 from `jnp.asarray(0)` times 0.1 is allowed under
    # strict promotion, where a plain int32 is refused.
    return jax.ShapeDtypeStruct(np.shape(leaf), dtype, weak_type=getattr(leaf, "weak_type", False))


_FORWARD_BATCH = 64
"""Images of one batch. More gain nothing on CPU cores, and their activations are held at once."""


def in_batches(function: Callable[..., Any], identity: Hashable, fixed: tuple[Any, ...], images: Any) -> Any:
    """Return `function(*fixed, images)` of any number of images, computed in batches of one compiled shape.

    Args:
        function: Pure and traceable; what it returns has a leading axis of images throughout.
        identity: As for `compiled`.
        fixed: Arguments before the images.
        images: Any array; (n, ...).
    """
    import jax

    count, parts = len(images), []
    size = min(_FORWARD_BATCH, count)
    for first in range(0, count, size):
        # The last batch repeats the last image: padding costs less than a second program of another shape.
        args = (*fixed, images[np.minimum(np.arange(first, first + size), count - 1)])
        parts.append(compiled(function, identity, args)(*args))
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *leaves: jax.numpy.asarray(np.concatenate(leaves)[:count]), *parts)


# What XLA:CPU may give to its YNNPACK: products of matrices, or nothing where a release knows no such choice.
_FUSIONS = ("LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", "")


@functools.cache
def compiler_options() -> dict[str, str | bool]:
    """Return the compiler options that this backend wants and accepts.

    XLA:CPU of jax 0.10 sends convolutions without padding to a library path several times slower than its threaded
    one; keeping them off it is 3 to 8 times faster on such convolutions. Products of matrices stay there: without it,
    a few rows times a transposed matrix, as in the gradient of a wide dense layer, take up to 40 times as long.
    """
    import jax

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


def _need_bytes(program: Any) -> int:
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    # Measured on the CPU: resident growth is 1.3 to 1.5 times temporaries plus outputs.
    work = analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(analysis.argument_size_in_bytes + 1.5 * max(work, 0))


def _flops(program: Any) -> float | None:
    try:
        analysis = program.cost_analysis()
    except RuntimeError:  # not every backend counts
        return None
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    return float(analysis["flops"]) if analysis and "flops" in analysis else None


def use_compile_cache(choice: str | None) -> Path | None:
    """Keep compiled programs in a private folder, or in `choice`; `off` keeps none. Before JAX is imported.

    Raises:
        UsageError: The folder named cannot be made.
    """
    if choice == "off":
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(choice) if choice else home / "cnnviz" / "compiled" / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if choice:
            raise UsageError(f"no compile cache at {folder}: {error.strerror}") from error
        return None  # a home that cannot be written only costs time
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "true"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return folder


def _machine() -> str:
    """Return jaxlib's version and a hash of what this CPU can do: what lies in the cache is native code."""
    features = platform.machine() + platform.processor()
    try:
        with open("/proc/cpuinfo") as lines:
            features += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        pass
    return f"{metadata.version('jaxlib')}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"
