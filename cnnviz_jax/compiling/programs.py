"""Everything that runs is compiled here: one cache, what a program needs in memory, and the count."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from cnnviz_jax.compiling.collection import without_collection
from cnnviz_jax.compiling.options import (
    compiler_options,
    pays_to_compile_quickly,
    quick_options,
    traced_to_be_compiled,
)
from cnnviz_jax.errors import ModelError, reason_of

_KEPT = 256
_cache: collections.OrderedDict[Hashable, Executable] = collections.OrderedDict()
# Traces whose shapes were asked for, until the program is compiled from them. A trace holds much: few are kept.
_traces: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()
_TRACES_KEPT = 8
_count = 0
_NO_GRADIENT = (
    "do not support JVP",  # callbacks
    "cannot be differentiated",  # foreign functions
    "Reverse-mode differentiation does not work",  # loops whose length is known at run time only
    "Differentiation rule for",
)
"""What JAX says of a function that it cannot differentiate; it has no exception of its own for that."""


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
    places: Any = None
    """Where on a mesh the arguments must lie; `None` where they lie right."""

    def __call__(self, *args: Any) -> Any:
        """Return what the compiled function returns; arguments of the shapes it was compiled for."""
        if self.places is None:
            return self.run(*args)
        import jax

        # What one program leaves on a mesh, spread as XLA saw fit, the next may want otherwise; what lies right stays.
        return self.run(*jax.device_put(args, self.places))


def compilations() -> int:
    """Return how many programs were compiled in this process."""
    return _count


def compiled(
    function: Callable[..., Any],
    identity: Hashable,
    args: tuple[Any, ...],
    *,
    donate: tuple[int, ...] = (),
    evaluations: int | None = None,
) -> Executable:
    """Return `function` compiled for the shapes of `args`, from the cache where it can.

    Args:
        function: Pure and traceable.
        identity: Equal for functions that compute the same thing from the same argument shapes.
        args: Arrays or `ShapeDtypeStruct`s in any pytrees; the shardings of the latter are kept.
        donate: Positions of arguments whose memory the program may reuse.
        evaluations: How many evaluations of the network the whole call takes, where that is known; where they are few,
            `compiling_quickly` holds and the program has no loop, it is compiled quickly and runs slower.
    """
    import jax

    global _count
    same, shapes = _keyed(identity, args, donate)
    is_quick = pays_to_compile_quickly(evaluations)
    key = (same, is_quick)
    if key not in _cache:
        with traced_to_be_compiled(quickly=is_quick):
            traced = _traces.pop(same, None) or _traced(function, shapes, donate)
        with without_collection():
            lowered = traced.lower()
        options = quick_options() if is_quick and not _has_loop(traced.jaxpr) else compiler_options()
        program = lowered.compile(compiler_options=options) if options else lowered.compile()
        _count += 1
        is_spread = any(leaf.sharding for leaf in jax.tree.leaves(shapes))
        # Over several processes, arrays cannot be moved from one of them: a sweep places its own.
        places = _places(program, shapes) if is_spread and jax.process_count() == 1 else None
        _cache[key] = Executable(program, _need_bytes(program), lowered.out_info, _flops(program), places)
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def shapes_returned(function: Callable[..., Any], identity: Hashable, args: tuple[Any, ...]) -> Any:
    """Return the shapes and dtypes of what `function` returns; arguments as for `compiled`.

    Nothing is traced twice: not where the program is compiled already, and a later `compiled` uses this trace.
    """
    key, shapes = _keyed(identity, args, ())
    for is_quick in (False, True):
        if (key, is_quick) in _cache:
            return _cache[key, is_quick].out
    if key not in _traces:
        _traces[key] = _traced(function, shapes, ())
        while len(_traces) > _TRACES_KEPT:
            _traces.popitem(last=False)
    return _traces[key].out_info


def _places(program: Any, shapes: tuple[Any, ...]) -> Any:
    """Where a program on several devices wants its arguments; what it does not read, where it is asked for."""
    import jax

    anywhere = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def place(shape: Any, wanted: Any) -> Any:
        return wanted if shape is None or wanted is not None else shape.sharding or anywhere

    return jax.tree.map(place, shapes, program.input_shardings[0], is_leaf=lambda leaf: leaf is None)


def _keyed(identity: Hashable, args: tuple[Any, ...], donate: tuple[int, ...]) -> tuple[Hashable, tuple[Any, ...]]:
    """Return what tells programs apart, and the arguments' shapes."""
    import jax

    leaves, treedef = jax.tree.flatten(args)
    leaves = [abstract(leaf) for leaf in leaves]
    # The dtype itself, not its name: NumPy makes a name anew each time, a third of a warm call's own time.
    kinds = tuple((leaf.shape, leaf.dtype, leaf.weak_type, leaf.sharding) for leaf in leaves)
    return (identity, treedef, kinds, donate), jax.tree.unflatten(treedef, leaves)


def _traced(function: Callable[..., Any], shapes: tuple[Any, ...], donate: tuple[int, ...]) -> Any:
    import jax

    try:
        with without_collection():
            return jax.jit(function, donate_argnums=donate).trace(*shapes)
    except (ValueError, NotImplementedError) as error:
        if any(words in str(error) for words in _NO_GRADIENT):
            raise ModelError(
                f"a part of the model has no gradient: {reason_of(error)} Techniques that only evaluate the model, "
                "such as occlusion and rise, need none"
            ) from error
        raise


def _has_loop(jaxpr: Any) -> bool:
    """Whether a traced program runs a part of itself many times: its one evaluation is then as long as many."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("scan", "while"):
            return True
        for value in equation.params.values():
            parts = value if isinstance(value, tuple) else (value,)
            if any(hasattr(part, "eqns") and _has_loop(part) for part in parts):
                return True
    return False


def abstract(leaf: Any) -> Any:
    """Return shape, dtype and weak type of an array or a number, and its sharding where it lies on several devices."""
    import jax
    import numpy as np

    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    # An array on one device goes where the program wants it; what is spread over a mesh stays so and is compiled for.
    sharding = leaf.sharding if isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer) else None
    sharding = sharding if sharding is not None and len(sharding.device_set) > 1 else None
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.result_type(leaf)
    # A weak type decides what a leaf meets other dtypes as: int32 from `jnp.asarray(0)` times 0.1 is allowed under
    # strict promotion, where a plain int32 is refused.
    weak = getattr(leaf, "weak_type", False)
    return jax.ShapeDtypeStruct(np.shape(leaf), dtype, sharding=sharding, weak_type=weak)


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
