"""The device batch: as many images per device and step as pay off and as memory allows."""

from __future__ import annotations

import re
from typing import Any

import jax

from cnnviz_jax.engine.chunk_planning import free_device_bytes, largest_fitting
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
    if float(found[1]) > 1:  # a plain 8 is more likely 8 GiB with its unit forgotten than eight bytes
        raise SweepUsageError(f"memory-budget {text!r} is a share above 1; write a size as 8GiB")
    # The simulated devices of a CPU share the machine's memory; accelerators have their own.
    shared_by = len(jax.local_devices()) if jax.default_backend() == "cpu" else 1
    return int(float(found[1]) * free_device_bytes() / shared_by)


def fit_device_batch(work: Work, devices: Any, device_batch: int | str, inner_chunk: int | str, budget: str) -> Step:
    """Return the step compiled for the device batch asked for, or for the largest power of two that fits the budget.

    Raises:
        OutOfMemoryError: It does not fit; nothing has been computed.
    """
    limit = device_budget(budget)

    def compile_for(size: int) -> Step:
        return compile_step(work, devices, size, work.inner_chunks(size, inner_chunk))

    def smaller(size: int, need: int) -> int:
        # What a step needs is a constant and a part that grows linearly with the device batch; powers of two, so that
        # runs on machines of slightly different memory mostly agree on the device batch, and with it on the last bits.
        fits = size * max(limit - FIXED_BYTES, 0) // max(need - FIXED_BYTES, 1)
        return min(size // 2, 1 << max(fits, 1).bit_length() - 1)

    if device_batch == "auto":
        preferred = _PREFERRED.get(jax.default_backend(), _PREFERRED_ACCELERATOR)
        size, step = largest_fitting(compile_for, preferred, limit, smaller=smaller)
    else:
        size, step = int(device_batch), compile_for(int(device_batch))
    if step.need_bytes > limit:
        raise OutOfMemoryError(
            f"a device batch of {size} needs about {step.need_bytes / 2**20:.0f} MiB per device, more than the budget "
            f"of {limit / 2**20:.0f} MiB; try --device-batch {max(1, size // 2)}, a smaller --inner-chunk or a larger "
            "--memory-budget"
        )
    return step
