"""How many evaluations run at once: as many as pay off and as memory allows."""

import functools
import os
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, runtime_checkable

import jax

from cnnviz_jax.compiling import Executable
from cnnviz_jax.errors import MemoryBudgetError, UsageError

Chunk = int | Literal["auto"]

# More at once gains nothing on two to sixteen CPU cores and costs memory; accelerators want more.
_PREFERRED = {"cpu": 32}
_PREFERRED_ACCELERATOR = 128
# A small network's 128 evaluations take an accelerator less time than handing them over. So a chunk is to be worth 5 ms
# at a pace that is assumed: measured, it would let a sum's last bits depend on how busy the machine was.
_WORTH_FLOPS = 0.005 * 2e13
_MOST_ACCELERATOR = 2048
_BUDGET_SHARE = 0.6


def budget_bytes(memory_budget: int | None = None) -> int:
    """Return the bytes one program may need: the caller's figure, or a share of what the device has free."""
    if memory_budget is not None:
        if memory_budget <= 0:
            raise UsageError(f"memory_budget is a positive number of bytes, got {memory_budget}")
        return memory_budget
    # The rest is for what the prediction does not see: the allocator's gaps, and programs of others on the device.
    return int(_BUDGET_SHARE * _free_lately(int(time.monotonic())))


@functools.lru_cache(maxsize=1)
def _free_lately(second: int) -> int:
    # Read once a second at most: a warm call of a small network asks 200 times in it.
    return free_device_bytes()


def free_device_bytes() -> int:
    """Return the bytes that the first device has free; on the CPU, what this machine has available."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Without /proc, as on macOS, nobody says what is free: half of what is installed is a guess.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def check_chunk(chunk: Chunk) -> None:
    """Raise `UsageError` unless `chunk` is `"auto"` or a positive whole number."""
    if chunk != "auto" and (not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1):
        raise UsageError(f'chunk is "auto" or a positive whole number of evaluations at once, got {chunk!r}')


def evenly(count: int, at_most: int) -> int:
    """Return the size of the fewest equal parts of `count` that are not above `at_most`: 50 by 32 gives 25 (twice).

    Parts of one size are padded, so what is left over in the last one is computed for nothing.
    """
    # Parts of 32 would be 32 and 18 padded to 32, so 14 evaluations for nothing; two of 25 waste none.
    parts = -(-count // min(count, at_most))
    return -(-count // parts)


def fitting(
    compile_for: Callable[[int], Executable],
    chunk: Chunk,
    most: int,
    memory_budget: int | None,
    preferred: int | None = None,
) -> tuple[int, Executable]:
    """Return the chunk to use and the program compiled for it.

    An explicit chunk is taken as it is. `"auto"` compiles the size that pays off on this backend, reads
    the program's predicted memory, and only if that is above the budget compiles smaller ones; on an accelerator, where
    the operations that the compiler counts are few, one larger one.

    Args:
        compile_for: Compiles the program that runs so many evaluations at once.
        chunk: `"auto"` or a number.
        most: There are no more evaluations than this.
        memory_budget: Bytes; `None` for a share of what is free.
        preferred: What pays off for this program, where it is known better than by the backend.

    Raises:
        MemoryBudgetError: Not even one evaluation fits a budget that the caller set.
    """
    check_chunk(chunk)
    if chunk != "auto":
        # Unchecked: the prediction is rough, whoever names a chunk may know better, and running out is caught later.
        size = min(int(chunk), most)
        return size, compile_for(size)
    budget = budget_bytes(memory_budget)

    def smaller(size: int, need: int) -> int:
        # A tenth below what proportion says: parameters do not shrink with the chunk, so proportion is a little high.
        return evenly(most, max(1, min(size // 2, int(0.9 * size * budget / need))))

    preferred = preferred or _PREFERRED.get(jax.default_backend(), _PREFERRED_ACCELERATOR)
    size, program = largest_fitting(compile_for, evenly(most, preferred), budget, smaller=smaller)
    if jax.default_backend() != "cpu" and size < most and program.flops and program.need_bytes <= budget:
        worth = _WORTH_FLOPS * size / program.flops
        larger = int(min(worth, 0.9 * size * budget / max(program.need_bytes, 1), _MOST_ACCELERATOR))
        # A second compilation takes seconds, which a chunk that is only a little larger would not bring back.
        if larger >= 2 * size:
            size, program = largest_fitting(compile_for, evenly(most, larger), budget, smaller=smaller)
    if program.need_bytes > budget and memory_budget is not None:
        raise MemoryBudgetError(
            f"one evaluation needs about {program.need_bytes / 2**20:.0f} MiB, "
            f"more than the budget of {budget / 2**20:.0f} MiB"
        )
    return size, program


@runtime_checkable
class _Program(Protocol):
    @property
    def need_bytes(self) -> int: ...


P = TypeVar("P", bound=_Program)


def largest_fitting(
    compile_for: Callable[[int], P], size: int, budget: int, *, smaller: Callable[[int, int], int]
) -> tuple[int, P]:
    """Return a size and its program: `size`, or as much less as the budget asks for; 1 even if it does not fit.

    Args:
        compile_for: Compiles the program of a size; may raise that memory ran out.
        size: The size to begin with.
        budget: Bytes.
        smaller: `smaller(size, need_bytes)`: the next size to try. What a program needs grows nearly linearly with
            its size, so one compilation tells about where the budget is met, and two or three find it.
    """
    while True:
        try:
            program = compile_for(size)
        except Exception as error:
            if not is_exhausted(error) or size == 1:
                raise
            size //= 2  # the compiler gave up before it could say what is needed
            continue
        if program.need_bytes <= budget or size == 1:
            return size, program
        size = smaller(size, program.need_bytes)


def is_exhausted(error: BaseException) -> bool:
    """Return whether `error` says that the device ran out of memory."""
    # XLA has one type of error for everything that goes wrong on a device: only the text tells which it is.
    text = str(error)
    return "RESOURCE_EXHAUSTED" in text or "Out of memory" in text or isinstance(error, MemoryError)
