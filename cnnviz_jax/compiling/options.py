"""The options that each backend's compiler wants and accepts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

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
        if _known(options):
            return options
    return {}


@functools.cache
def quick_options() -> dict[str, str | bool | int]:
    """Return the options with which this backend compiles soonest; what it makes of a program runs slower.

    LLVM's level 0 halves the time, and so does keeping XLA:CPU from its fusion emitters, a switch that jax 0.12 has no
    more.
    """
    options: dict[str, str | bool | int] = {**compiler_options()}
    if options:
        wanted: dict[str, bool | int] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
        if not _known(wanted):  # all at once first: each trial compiles a program
            wanted = {name: value for name, value in wanted.items() if _known({name: value})}
        options |= wanted
    return options


_FEW = 8
_quick_up_to = 0


@contextlib.contextmanager
def compiling_quickly() -> Iterator[None]:
    """Within the block, compile quickly what a call of at most eight evaluations runs.

    For a job that runs every program once and ends, as `cnnviz explain` and `cnnviz report` do; where programs run
    again and again, as in a comparison of techniques, it does not pay. Measured on SqueezeNet at 224 pixels, a
    gradient: 0.8 in place of 4.9 CPU seconds to compile, 0.32 in place of 0.07 to run; LRP 0.9 for 5.7 and 0.44 for
    0.11. Last bits differ between the two, so what is compiled how depends on the job alone.
    """
    global _quick_up_to
    before, _quick_up_to = _quick_up_to, _FEW
    try:
        yield
    finally:
        _quick_up_to = before


def pays_to_compile_quickly(evaluations: int | None) -> bool:
    """Return whether a program is to be compiled quickly that runs in a call of so many evaluations."""
    return evaluations is not None and evaluations <= _quick_up_to


_is_traced_for_it: ContextVar[bool] = ContextVar("traced to be compiled quickly", default=False)


@contextlib.contextmanager
def traced_to_be_compiled(*, quickly: bool) -> Iterator[None]:
    """Within the block, let `is_to_be_compiled_quickly` answer so."""
    token = _is_traced_for_it.set(quickly)
    try:
        yield
    finally:
        _is_traced_for_it.reset(token)


def is_to_be_compiled_quickly() -> bool:
    """Return whether what is traced now is compiled quickly: few operations then count for more than fast ones."""
    return _is_traced_for_it.get()


def _known(options: dict[str, Any]) -> bool:
    """Whether this XLA knows the options; it refuses a program compiled with others."""
    try:
        _smallest_program().compile(compiler_options=options)
    except (RuntimeError, ValueError):
        return False
    return True


@functools.cache
def _smallest_program() -> Any:
    import jax

    return jax.jit(jax.lax.neg).lower(jax.ShapeDtypeStruct((1,), "float32"))
