"""The device batch: as many images per device and step as pay off and as memory allows."""

from __future__ import annotations

import re
from typing import Any

import jax

from cnnviz_jax.engine.chunk_planning import budget_bytes
from cnnviz_jax.sweep.errors import OutOfMemoryError, SweepUsageError
from cnnviz_jax.sweep.step import FIXED_BYTES, Step, compile_step
from cnnviz_jax.sweep.work import Work

# Larger device batches gain nothing on CPU cores; accelerators want to be filled.
_PREFERRED = {"cpu": 16}
_PREFERRED_ACCELERATOR = 64
_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def device_budget(text: str) -> int:
    """Return the bytes that one device may use, from a share of what is free such as `0.6`, or a size such as `8GiB`.

    A size is for one device. On the CPU the share is of the memory available now, divided by this process's devices.

    Raises:
        SweepUsageError: The text is neither.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)?", text.strip(), re.IGNORECASE)
    if not found or float(found[1]) <= 0:
        raise SweepUsageError(f"memory-budget is a share such as 0.6 or a size such as 8GiB, got {text!r}")
    if found[2]:
        unit = found[2].upper()
        return int(float(found[1]) * _UNITS[unit if "I" in unit or unit == "B" else unit[0] + "IB"])
    if float(found[1]) > 1:
        raise SweepUsageError(f"memory-budget {text!r} is a share above 1; write a size as 8GiB")
    free = budget_bytes() / 0.6  # what the engine calls free
    shared_by = len(jax.local_devices()) if jax.default_backend() == "cpu" else 1
    return int(float(found[1]) * free / shared_by)


def fit_device_batch(work: Work, devices: Any, device_batch: int | str, inner_chunk: int | str, budget: str) -> Step:
    """Return the step compiled for the device batch asked for, or for the largest power of two that fits the budget.

    Raises:
        OutOfMemoryError: It does not fit; nothing has been computed.
    """
    limit = device_budget(budget)
    size = (
        _PREFERRED.get(jax.default_backend(), _PREFERRED_ACCELERATOR) if device_batch == "auto" else int(device_batch)
    )
    while True:
        try:
            step = compile_step(work, devices, size, work.inner_chunks(size, inner_chunk))
            need = step.need_bytes
        except OutOfMemoryError:
            if device_batch != "auto" or size == 1:
                raise
            size //= 2
            continue
        if need <= limit:
            return step
        if device_batch != "auto" or size == 1:
            raise OutOfMemoryError(
                f"a device batch of {size} needs about {need / 2**20:.0f} MiB per device, more than the budget of "
                f"{limit / 2**20:.0f} MiB; try --device-batch {max(1, size // 2)}, a smaller --inner-chunk or a larger "
                "--memory-budget"
            )
        # What a step needs grows linearly with the device batch: go on where it should fit.
        fits = size * max(limit - FIXED_BYTES, 0) // max(need - FIXED_BYTES, 1)
        size = min(size // 2, 1 << max(fits, 1).bit_length() - 1)
