"""A digest of a traced program: equal where two traces compute the same, so that one compiled program serves both.

Everything that decides a result or a name goes in: operations and their parameters, shapes, constants by value, name
stacks. What a module holds, such as JAX's mark for "not specified", goes in by its name there. What cannot be told
equal by value or name (a backward rule that closes over an object, say) goes in by identity: such traces are compiled
apart, which costs time and is never wrong. Without such a thing, the digest is the same in every process.
"""

import enum
import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.program.graph import _compat

_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.dtype, np.generic)
_DEEPEST = 60
"""Levels of closures and containers that are looked into; deeper ones go in by identity."""
_NAMED: dict[str, Any] = {}
"""What each name stood for when it first went into a digest: a name that is bound anew tells nothing any more."""


def fingerprint(*values: Any) -> str:
    """Return a digest of programs, constants, functions and plain values.

    Digests of two things are comparable while both exist: some of what goes in may be known by its place in memory.
    """
    digest = hashlib.sha256()
    for word in _words(values, 0):
        digest.update(word if isinstance(word, bytes) else word.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _words(value: Any, depth: int) -> Iterator[str | bytes]:
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif depth > _DEEPEST:
        yield _identity(value)
    elif isinstance(value, enum.Enum):
        yield f"{type(value).__qualname__}.{value.name}"
    elif isinstance(value, (tuple, list, set, frozenset)):
        yield f"{type(value).__qualname__} {len(value)}"  # a named tuple's type decides what its numbers mean
        for item in sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value:
            yield from _words(item, depth + 1)
    elif isinstance(value, Mapping):
        yield f"{type(value).__qualname__} {len(value)}"
        for key, item in value.items():
            yield from _words((key, item), depth + 1)
    elif (program := _compat.open_program(value)) is not None:
        yield from _program_words(*program, depth + 1)
    elif isinstance(value, (np.ndarray, jax.Array)) and not isinstance(value, jax.core.Tracer):
        yield from _array_words(value)
    elif isinstance(value, types.FunctionType):
        yield from _function_words(value, depth + 1)
    elif isinstance(value, functools.partial):
        yield "partial"
        yield from _words((value.func, value.args, value.keywords), depth + 1)
    elif (rule := _compat.wrapped_rule(value)) is not None:
        yield from _words(rule, depth + 1)
    elif (wrapped := _compat.wrapped_function(value)) is not None:
        yield type(value).__qualname__
        yield from _words(wrapped, depth + 1)
    elif (mark := _compat.batching_mark(value)) is not None:
        yield from _words(mark, depth + 1)
    elif isinstance(value, (jax.core.ShapedArray, jax.tree_util.PyTreeDef)):
        yield f"{value!r}"
    elif isinstance(value, types.CodeType):
        yield from (value.co_code, repr(value.co_names), repr(value.co_varnames))
        yield from _words(value.co_consts, depth + 1)
    else:
        yield _identity(value)


def _identity(value: Any) -> str:
    """Return where a module holds a value, else its place in memory."""
    kind = type(value)
    module = sys.modules.get(kind.__module__)
    if module is not None and kind.__module__ != "__main__":
        for name, held in tuple(vars(module).items()):
            if held is value:
                return f"{kind.__qualname__} {_name(f'{kind.__module__}.{name}', value)}"
    return f"{kind.__qualname__} at {id(value)}"


def _name(name: str, value: Any) -> str:
    return name if _NAMED.setdefault(name, value) is value else f"{name} at {id(value)}"


def _globals_word(function: types.FunctionType) -> str:
    """Return the module that a function reads its global names from; one made by `exec` has none."""
    home = function.__globals__.get("__name__", "__main__")
    module = None if home == "__main__" else sys.modules.get(home)
    if module is None or vars(module) is not function.__globals__:
        return f"at {id(function.__globals__)}"
    return _name(f"{home}.*", function.__globals__)


def _array_words(value: Any) -> Iterator[str | bytes]:
    if jnp.issubdtype(value.dtype, jax.dtypes.extended) or not getattr(value, "is_fully_addressable", True):
        yield _identity(value)  # a random key, or spread over processes
        return
    array = np.asarray(value)
    yield f"array {array.shape} {array.dtype} {getattr(value, 'weak_type', False)}"
    yield np.ascontiguousarray(array).tobytes() if array.dtype != object else _identity(value)


def _function_words(function: types.FunctionType, depth: int) -> Iterator[str | bytes]:
    yield f"function {function.__module__}.{function.__qualname__} {_globals_word(function)}"
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    try:
        closed_over = {name: cell.cell_contents for name, cell in cells}
    except ValueError:  # a cell that is not filled yet
        yield _identity(function)
        return
    decides = {name: value for name, value in closed_over.items() if not _compat.is_bookkeeping(function, name, value)}
    yield from _words((function.__code__, function.__defaults__, function.__kwdefaults__, decides), depth)


def _program_words(program: Any, consts: Sequence[Any], depth: int) -> Iterator[str | bytes]:
    numbers: dict[Any, int] = {}

    def atom(variable: Any) -> Iterator[str | bytes]:
        aval = variable.aval
        yield f"{getattr(aval, 'shape', aval)} {getattr(aval, 'dtype', '')} {getattr(aval, 'weak_type', '')}"
        if isinstance(variable, _compat.Literal):
            yield from _words(variable.val, depth)
        else:
            yield str(numbers.setdefault(variable, len(numbers)))

    for variable in (*program.constvars, *program.invars):
        yield from atom(variable)
    for equation in program.eqns:
        yield f"{equation.primitive.name} in {_compat.scope_text(equation)} {len(equation.invars)}"
        for variable in (*equation.invars, *equation.outvars):
            yield from atom(variable)
        for name, value in sorted(equation.params.items()):
            yield name
            yield from _words(value, depth)
    for variable in program.outvars:
        yield from atom(variable)
    yield from _words(tuple(consts), depth)
