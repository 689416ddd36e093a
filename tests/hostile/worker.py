"""A process that tries cases, watched from outside: one that hangs or dies is told, and another takes its place."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from tests.hostile.attack import Outcome
from tests.hostile.family import families

_READY_S = 900.0
_PATIENCE = 4
"""How many times its limit a case may take where other programs have the processors: it has used little of them."""
CHECKOUT = Path(__file__).parents[2]


def _cpu_s(pid: int) -> float:
    """Return the seconds of processor time that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        begun_s, used_s = time.monotonic(), _cpu_s(self._process.pid)
        while True:
            ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
            if ready:
                return self._process.stdout.readline()
            is_busy = _cpu_s(self._process.pid) - used_s < limit_s / 2
            if not is_busy or time.monotonic() - begun_s >= _PATIENCE * limit_s:
                return None

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
