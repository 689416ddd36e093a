"""Run folders of sweeps, as the benchmark runs them; the suite's share of them is `test_run_folders.py`."""

from pathlib import Path

import numpy as np

from tests.hostile.family import Case, Family, TracedBack
from tests.hostile.run_folders import cases, fault


def _make(rng: np.random.Generator, folder: Path) -> Case:
    what, prepare = next(cases(int(rng.integers(2**32))))
    words = prepare(folder / "run")

    def attempt() -> None:
        found = fault(words)
        if found is not None:
            raise TracedBack(found)

    return Case(what=what, attempt=attempt)


FAMILY = Family(make=_make, limit_s=120.0)
