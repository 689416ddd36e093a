"""How a sweep is run, with none of it in its results. Light: the command line is made of it before JAX starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.sweep.errors import SweepUsageError


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a sweep is run; none of this changes a result."""

    resume: Literal["auto", "must", "never"] = "auto"
    """Whether to resume what lies in the run folder."""
    restart: bool = False
    """Delete what lies in the run folder and begin anew."""
    memory_budget: str = "0.6"
    """Memory per device: a share of what is free, or a size such as 8GiB."""
    workers: int = 0
    """Processes that decode images; 0 decodes in threads."""
    checkpoint_every: str = "120s"
    """Seconds (`120s`) or steps (`50steps`) between checkpoints."""
    keep: int = 3
    """Checkpoints kept."""
    shard: tuple[int, int] = (0, 1)
    """Only part i of n, written i/n on the command line; `cnnviz merge` joins them."""

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 0 <= index < count:
            raise SweepUsageError(f"shard {index}/{count}: shards of {count} run from 0/{count} to {count - 1}/{count}")
        if self.workers < 0 or self.keep < 1:
            raise SweepUsageError(f"workers is 0 or more and keep 1 or more, got {self.workers} and {self.keep}")
        self.interval  # noqa: B018  # a wrong text is refused here

    @property
    def interval(self) -> tuple[Literal["seconds", "steps"], float]:
        """The unit and the number of `checkpoint_every`."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|steps?)", self.checkpoint_every.strip())
        if not found or float(found[1]) <= 0:
            raise SweepUsageError(
                f"ckpt-every is seconds such as 120s or steps such as 50steps, got {self.checkpoint_every!r}"
            )
        return ("seconds" if found[2] == "s" else "steps"), float(found[1])
