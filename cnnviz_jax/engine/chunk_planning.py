"""How many evaluations run at once: as many as pay off and as memory allows."""

import os
from collections.abc import Callable
from typing import Literal

import jax

from cnnviz_jax.compiling import Executable
from cnnviz_jax.errors import MemoryBudgetError, UsageError

Chunk = int | Literal["auto"]

# More at once gains nothing on two to sixteen CPU cores and costs memory; accelerators want more.
_PREFERRED = {"cpu": 32}
_PREFERRED_ACCELERATOR = 128
_BUDGET_SHARE = 0.6


def budget_bytes(memory_budget: int | None = None) -> int:
    """Return the bytes one program may need: the caller's figure, or a share of what the device has free."""
    if memory_budget is not None:
        if memory_budget <= 0:
            raise UsageError(f"memory_budget is a positive number of bytes, got {memory_budget}")
        return memory_budget
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(_BUDGET_SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    return int(_BUDGET_SHARE * _available_ram())


def _available_ram() -> int:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def check_chunk(chunk: Chunk) -> None:
    """Raise `UsageError` unless `chunk` is `"auto"` or a positive whole number."""
    if chunk != "auto" and (not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1):
        raise UsageError(f'chunk is "auto" or a positive whole number of evaluations at once, got {chunk!r}')


def evenly(count: int, at_most: int) -> int:
    """Return the size of the fewest equal parts of `count` that are not above `at_most`: 50 by 32 gives 25 (twice).

    Parts of one size are padded, so what is left over in the last one is computed for nothing.
    """
    parts = -(-count // min(count, at_most))
    return -(-count // parts)


def fitting(
    compile_for: Callable[[int], Executable], chunk: Chunk, most: int, memory_budget: int | None
) -> tuple[int, Executable]:
    """Return the chunk to use and the program compiled for it.

    An explicit chunk is taken as it is. `"auto"` compiles the size that pays off on this backend, reads
    the program's predicted memory, and only if that is above the budget compiles smaller ones.

    Args:
        compile_for: Compiles the program that runs so many evaluations at once.
        chunk: `"auto"` or a number.
        most: There are no more evaluations than this.
        memory_budget: Bytes; `None` for a share of what is free.

    Raises:
        MemoryBudgetError: Not even one evaluation fits a budget that the caller set.
    """
    check_chunk(chunk)
    if chunk != "auto":
        size = min(int(chunk), most)
        return size, compile_for(size)
    budget = budget_bytes(memory_budget)
    size = evenly(most, _PREFERRED.get(jax.default_backend(), _PREFERRED_ACCELERATOR))
    program = compile_for(size)
    while program.need_bytes > budget and size > 1:
        size = evenly(most, max(1, min(size // 2, int(0.9 * size * budget / program.need_bytes))))
        program = compile_for(size)
    if program.need_bytes > budget and memory_budget is not None:
        raise MemoryBudgetError(
            f"one evaluation needs about {program.need_bytes / 2**20:.0f} MiB, "
            f"more than the budget of {budget / 2**20:.0f} MiB"
        )
    return size, program


def is_exhausted(error: BaseException) -> bool:
    """Return whether `error` says that the device ran out of memory."""
    text = str(error)
    return "RESOURCE_EXHAUSTED" in text or "Out of memory" in text or isinstance(error, MemoryError)
