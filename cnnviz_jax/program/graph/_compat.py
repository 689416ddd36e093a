"""Every JAX-internal name this library uses, in one place, so that a JAX release can break one file only.

`jax.extend.core` promises no compatibility; the attributes read here have been the same from JAX 0.4.38 to 0.12.
Nothing in the library binds a primitive by hand: `evaluate_equation` hands a one-equation program to
`jax.core.eval_jaxpr`, which knows the calling convention of its own release.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.api_util
import jax.extend.core as jex
from jax import lax

from cnnviz_jax.compiling import without_collection

Literal: Any = jex.Literal
Tracer = jax.core.Tracer
_DEBUG_INFO: Any = getattr(jax.api_util, "debug_info", None)

# Equations that hold a sub-program of equal arity and shapes and yet are not plain calls of it.
_NOT_CALLS = frozenset(
    {"scan", "while", "cond", "shard_map", "pallas_call", "custom_partitioning", "xla_pmap", "run_state", "smap"}
)


def _stacked(axis: int, *parts: Any) -> Any:
    return lax.concatenate([lax.expand_dims(part, (axis,)) for part in parts], axis)


def _unstacked(axis: int, whole: Any) -> list[Any]:
    return [lax.index_in_dim(whole, k, axis, keepdims=False) for k in range(whole.shape[axis])]


_JOINS: dict[str, Callable[..., Any]] = {"stack": _stacked, "unstack": _unstacked}
"""Primitives of JAX 0.10 that joins and slices say in more words; every rule knows those."""


def _like(equation: Any) -> list[Any]:
    return [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]


def open_program(value: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """The open program and its constants, if `value` is a program."""
    if hasattr(value, "jaxpr") and hasattr(value, "consts"):
        open_program = value.jaxpr
        return (open_program, tuple(value.consts)) if hasattr(open_program, "eqns") else None
    return (value, ()) if hasattr(value, "eqns") and hasattr(value, "invars") else None


def _programs(equation: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    return [found for value in equation.params.values() if (found := open_program(value)) is not None]


def _shapes(atoms: Sequence[Any]) -> list[Any]:
    return [getattr(atom.aval, "shape", None) for atom in atoms]


def called_program(equation: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """The program that a call-like equation runs on its operands, with its constants; `None` for anything else.

    Recognised by structure, because names move between releases (`pjit` became `jit`, `remat2`, `checkpoint`, ...):
    exactly one sub-program whose operands and results have the shapes of the equation's. `stack` and `unstack` count as
    calls of joins and slices.
    """
    if equation.primitive.name in _NOT_CALLS:
        return None
    if equation.primitive.name in _JOINS:
        program, consts, _ = trace(partial(_JOINS[equation.primitive.name], equation.params["axis"]), *_like(equation))
        return program, consts
    programs = _programs(equation)
    if len(programs) != 1:
        return None
    program, consts = programs[0]
    same = _shapes(program.invars) == _shapes(equation.invars) and _shapes(program.outvars) == _shapes(equation.outvars)
    return (program, consts) if same else None


def scanned_program(equation: Any) -> tuple[Any, tuple[Any, ...], int, int, int, bool] | None:
    """`(body, constants, closed-over operands, carries, length, reverse)` of a scan; `None` for anything else.

    Arities are read off the shapes: JAX 0.11 renamed the parameters that used to hold them. Carries have the body's
    shape, stacked results one axis more.
    """
    if equation.primitive.name != "scan":
        return None
    programs = _programs(equation)
    if len(programs) != 1:
        return None
    # `c, ys = scan(f, c0, xs)`: the equation reads (closed-over..., c0..., xs...) and gives (c..., ys...), its body the
    # same with one slice of each xs and ys. A carry of shape (4,) is (4,) inside and outside, `ys` of 3 steps (5,)
    # inside and (3, 5) outside: the first shape that differs ends the carries, and likewise begins the stacked
    # operands.
    body, consts = programs[0]
    length = int(equation.params["length"])
    inside, outside = _shapes(body.outvars), _shapes(equation.outvars)
    carries = next((k for k, (i, o) in enumerate(zip(inside, outside, strict=True)) if i != o), len(inside))
    operands_in, operands_out = _shapes(body.invars), _shapes(equation.invars)
    stacked = next((k for k, (i, o) in enumerate(zip(operands_in, operands_out, strict=True)) if i != o), None)
    consts_count = (len(operands_in) if stacked is None else stacked) - carries
    return body, consts, consts_count, carries, length, bool(equation.params["reverse"])


def scope_text(equation: Any) -> str:
    """The name stack of an equation as text, such as `ResNet/layer1/conv1`; empty where there is none."""
    return str(equation.source_info.name_stack)


def call_name(equation: Any) -> str:
    """The name of the function that a call-like equation runs, or an empty string."""
    name = equation.params.get("name", "")
    return name if isinstance(name, str) else ""


def is_dropped(variable: Any) -> bool:
    """Whether the program drops a result variable."""
    return isinstance(variable, jex.DropVar) if hasattr(jex, "DropVar") else type(variable).__name__ == "DropVar"


def run_of(equations: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The open program that runs `equations` from the variables `inputs` to the variables `outputs`."""
    if _DEBUG_INFO is None:
        return jex.Jaxpr((), list(inputs), list(outputs), list(equations))
    info = _DEBUG_INFO("run_of", _run_of, tuple(inputs), {}, result_paths_thunk=lambda: ("",) * len(outputs))
    return jex.Jaxpr((), list(inputs), list(outputs), list(equations), debug_info=info)


def _run_of(*operands: Any) -> None:
    """Stands for a run of equations in JAX's error messages."""


def evaluate(open_program: Any, consts: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """The results of an open program on `values`."""
    return list(jax.core.eval_jaxpr(open_program, list(consts), *values))


def one_equation(equation: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """A program of one equation, the operand positions it reads and the result positions it yields."""
    # `y = add x x` reads one variable at two positions and literals at none: a program's operands must differ.
    positions: dict[Any, int] = {}
    for position, atom in enumerate(equation.invars):
        if not isinstance(atom, Literal):
            positions.setdefault(atom, position)
    kept = tuple(k for k, variable in enumerate(equation.outvars) if not is_dropped(variable))
    program = run_of([equation], list(positions), [equation.outvars[k] for k in kept])
    return program, tuple(positions.values()), kept


def refers(program: Any) -> bool:
    """Whether an open program reads or writes references (`jax.Ref`) at any depth."""
    atoms = [*program.invars, *program.constvars]
    atoms += [atom for equation in program.eqns for atom in (*equation.invars, *equation.outvars)]
    if any("Ref" in type(atom.aval).__name__ for atom in atoms):
        return True
    values = [value for equation in program.eqns for value in equation.params.values()]
    items = [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]
    return any(refers(inner[0]) for item in items if (inner := open_program(item)) is not None)


def trace(function: Any, *examples: Any) -> tuple[Any, tuple[Any, ...], Any]:
    """`(open program, constants, shapes of the outputs as a pytree)` of a function."""
    with without_collection():
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*examples)
    return closed.jaxpr, tuple(closed.consts), shapes


def subprograms(equation: Any) -> int:
    """How many sub-programs an equation holds; none for an ordinary operation."""
    count = 0
    for value in equation.params.values():
        many = value if isinstance(value, (tuple, list)) else (value,)
        count += sum(open_program(item) is not None for item in many)
    return count


def wrapped_rule(value: Any) -> tuple[Any, ...] | None:
    """The function and the transformations of a derivative rule that JAX has wrapped; `None` for anything else."""
    return (value.f, value.transforms, value.params) if type(value).__name__ == "WrappedFun" else None


def wrapped_function(value: Any) -> tuple[Any, ...] | None:
    """The function that `jax.jit` or a custom derivative wraps, and its options; `None` for anything else.

    A custom derivative's rules are closed over wherever they are used, so that they are looked into there.
    """
    if type(value).__name__ not in ("custom_jvp", "custom_vjp", "PjitFunction"):
        return None
    function = getattr(value, "__wrapped__", None)
    return None if function is None else (function, getattr(value, "nondiff_argnums", ()))


def batching_mark(value: Any) -> tuple[Any, ...] | None:
    """What `jax.vmap` leaves in a wrapped rule: the mapped axis, or the tag of its trace, which decides nothing."""
    kind = type(value).__name__
    if kind == "TraceTag":
        return (kind,)
    if kind != "AxisData":
        return None
    name = None if type(value.name) is object else value.name  # an axis without a name has a mark of its own
    return (kind, name, *(getattr(value, field, None) for field in ("size", "spmd_name", "_ema")))


def is_bookkeeping(function: Any, name: str, value: Any) -> bool:
    """Whether JAX's own wrapper of a derivative rule closes over `value` for its bookkeeping: memo, store, trace."""
    if not function.__module__.startswith("jax."):
        return False
    if "_memoize" in function.__qualname__:
        return name in ("cells", "sentinel")
    return type(value).__name__.endswith(("Store", "Trace"))
