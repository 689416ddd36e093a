"""A process that tries cases, watched from outside: one that hangs or dies is told, and another takes its place."""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from tests.hostile.attack import Outcome
from tests.hostile.family import families

_READY_S = 300.0
CHECKOUT = Path(__file__).parents[2]


class Worker:
    """Tries cases one after another in a process of its own."""

    def __init__(self) -> None:
        self._limits = {name: family.limit_s for name, family in families().items()}
        self._process: subprocess.Popen[str] | None = None
        self._told: IO[str] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def attack(self, name: str, seed: int) -> Outcome:
        """Return what came of one case."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(f"{name} {seed}\n")
        process.stdin.flush()
        answer = self._line(self._limits[name])
        if answer is None:
            self._end()
            return Outcome("hung", f"{name} {seed}", f"no answer after {self._limits[name]:.0f} s")
        if not answer:
            told = self._end()
            return Outcome("traced back", f"{name} {seed}", f"the process died, {process.returncode}: {told[-800:]}")
        return Outcome(**json.loads(answer))

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in `_end`
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.hostile.attack"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._told, text=True, cwd=CHECKOUT,
                env={**os.environ, "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
            )  # fmt: skip
            if self._line(_READY_S) != "ready\n":
                raise RuntimeError(f"the worker does not start: {self._end()}")
        return self._process

    def _line(self, limit_s: float) -> str | None:
        """Return the next line, an empty one where the process ended, `None` where none came in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
        return self._process.stdout.readline() if ready else None

    def _end(self) -> str:
        if self._process is None or self._told is None:
            return ""
        self._process.kill()
        self._process.communicate()
        self._process = None
        self._told.seek(0)
        text = self._told.read()
        self._told.close()
        return text
