"""Reads the table of contents of a PyTorch checkpoint, a pickle, without running anything it names.

A pickle is a small program that may call any function it can name and ask for any amount of memory. So Python's own
unpickler never sees it: `pickletools` splits it into instructions, and a machine of the few that state dicts need works
on plain tuples, lists and dicts. Names are a closed list, each with a stand-in of our own; any other stops the reading
before it is looked up. What comes out are `StoredTensor` records that say where in which storage each tensor lies, to
be checked and filled by `torch_file`.

What the machine leaves out is what attacks are made of: a place in the memo costs its size in Python's unpickler, a
string its promised length; a dict hashes its keys, and hashing nested tuples needs stack without bound.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import ml_dtypes
import numpy as np

from cnnviz_jax.plugin import WeightsError, printable

_MOST_INSTRUCTIONS = 4_000_000
"""A tensor takes some sixty."""


@dataclass(frozen=True)
class StorageType:
    """Stands for a class such as `torch.FloatStorage`."""

    dtype: np.dtype[Any]
    """Type of its elements."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers kept elsewhere in the file."""

    key: str
    """Its name in the file."""
    dtype: np.dtype[Any]
    """Type of its elements."""
    size: int
    """Number of its elements."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a strided window on a storage; nothing in it but the types is checked yet."""

    storage: Storage
    """Where its numbers are."""
    offset: int
    """Index of its first element in the storage."""
    shape: tuple[int, ...]
    """Its shape."""
    stride: tuple[int, ...]
    """Steps between neighbours along each axis, in elements."""


@dataclass(frozen=True)
class _StandIn:
    """Something the pickle may call."""

    function: Callable[..., Any]


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    numbers = (offset, *_sequence(shape), *_sequence(stride))
    if not isinstance(storage, Storage) or not all(type(number) is int for number in numbers):
        raise ValueError("a tensor whose storage or numbers are something else")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def _sequence(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list):
        raise ValueError("a size that is no sequence")
    return tuple(value)


def _dict_of(pairs: Any = ()) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in _sequence(pairs):
        key, value = _sequence(pair)
        made[_key(key)] = value
    return made


def _key(key: Any) -> Any:
    # Whole numbers that are far apart can be made to share their hash, and a dict of them takes quadratic time.
    if isinstance(key, str | bytes) or (type(key) is int and abs(key) < 1 << 48):
        return key
    raise ValueError(f"a dictionary whose key is of type {type(key).__name__}")


_DTYPES: dict[str, Any] = {
    "Double": np.float64,
    "Float": np.float32,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
}

ALLOWED: dict[tuple[str, str], _StandIn | StorageType] = {
    ("collections", "OrderedDict"): _StandIn(_dict_of),
    ("torch", "Size"): _StandIn(_sequence),
    ("torch._utils", "_rebuild_tensor"): _StandIn(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _StandIn(_tensor),
    ("torch._utils", "_rebuild_parameter"): _StandIn(lambda tensor, *_: tensor),
    **{("torch", f"{name}Storage"): StorageType(np.dtype(dtype)) for name, dtype in _DTYPES.items()},
}
"""Every name that a pickle may use, and what it gets for it."""

_IGNORED = {"PROTO", "FRAME"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NUMBERS = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_OLD_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_REMEMBER = {"PUT", "BINPUT", "LONG_BINPUT"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}
_NAMING = {"GLOBAL", "INST"}


class TablePickle:
    """Reads one pickle of a PyTorch file; `storages` then lists the storages it refers to."""

    def __init__(self, file: IO[bytes], source: str) -> None:
        self._file = file
        self._source = source
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """Return what the pickle holds and leave the file right behind it.

        Raises:
            WeightsError: It names something that is not on the list; that is not imported to find out more.
            ValueError: It is no pickle, or does what no state dict needs. (Other errors too, where it is damaged.)
        """
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            if opcode.name == "STOP":
                return self._stack.pop()
            if count == _MOST_INSTRUCTIONS:
                raise ValueError(f"a pickle of more than {_MOST_INSTRUCTIONS:,} instructions")
            self._do(opcode.name, argument)
        raise ValueError("a pickle without an end")

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _NUMBERS or name in _TEXTS:
            stack.append(argument)
        elif name in _OLD_TEXTS:  # of Python 2; PyTorch reads them as UTF-8, pickletools as Latin-1
            stack.append(argument.encode("latin-1").decode("utf-8"))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise ValueError("a tuple of more than there is")
            stack[-count:] = [tuple(stack[-count:])]
        elif name in _REMEMBER or name == "MEMOIZE":
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _RECALL:
            stack.append(self._memo[argument])
        elif name in _NAMING:
            stack.append(self._named(*argument.split(" ", 1)))
        elif name in _HANDLERS:
            _HANDLERS[name](self)
        elif name not in _IGNORED:
            raise ValueError(f"the instruction {name} in its pickle, which state dicts do not need")

    def _named(self, module: Any, name: Any) -> Any:
        if (module, name) not in ALLOWED:
            raise WeightsError(
                f"{self._source!r} names {printable(str(module), 80)}.{printable(str(name), 80)}, which weights do not"
                " need; reading stopped there and nothing was run. Save the bare state dict, best as .safetensors"
            )
        return ALLOWED[module, name]

    def _stack_named(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        self._stack.append(self._named(module, name))

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _tuple(self) -> None:
        items = tuple(self._since_mark())
        self._stack.append(items)

    def _list(self) -> None:
        items = self._since_mark()
        self._stack.append(items)

    def _dict(self) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._fill(items)

    def _append(self) -> None:
        self._extend([self._stack.pop()])

    def _appends(self) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise ValueError("something appended to what is no list")
        self._stack[-1].extend(items)

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _set_items(self) -> None:
        self._fill(self._since_mark())

    def _fill(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict) or len(items) % 2:
            raise ValueError("something put into what is no dictionary")
        self._stack[-1].update((_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))

    def _call(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _StandIn):
            raise ValueError("a call of what is no function")
        self._stack.append(function.function(*_sequence(arguments)))

    def _build(self) -> None:
        self._stack.pop()  # the attributes of a state dict say which versions its modules had
        if not isinstance(self._stack[-1], dict):
            raise ValueError("the file alters a function")

    def _pop(self) -> None:
        self._stack.pop()

    def _refer(self) -> None:
        match self._stack.pop():
            case ("storage", StorageType(dtype=dtype), str(key), str(), int(size), *rest) if rest in ([], [None]):
                self._stack.append(self.storages.setdefault(key, Storage(key, dtype, size)))
            case _:
                raise ValueError("an unknown reference to a storage")


_HANDLERS: dict[str, Callable[[TablePickle], None]] = {
    "STACK_GLOBAL": TablePickle._stack_named,
    "MARK": TablePickle._mark,
    "TUPLE": TablePickle._tuple,
    "LIST": TablePickle._list,
    "DICT": TablePickle._dict,
    "APPEND": TablePickle._append,
    "APPENDS": TablePickle._appends,
    "SETITEM": TablePickle._set_item,
    "SETITEMS": TablePickle._set_items,
    "REDUCE": TablePickle._call,
    "BUILD": TablePickle._build,
    "POP": TablePickle._pop,
    "BINPERSID": TablePickle._refer,
}
"""What each instruction does that takes what it needs from the stack."""
