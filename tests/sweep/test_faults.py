"""Every write of a sweep may fail, and the process may die at it: a resume gives the undisturbed bits all the same.

Here one write in `SHARE`; `python benchmarks/faults.py` takes them all, and processes that really die.
"""

import gc
import os
import signal
import subprocess
import sys

import pytest

from tests.sweep import faults, harness

SHARE = 17
# Orbax leaves coroutines and event loops behind when a save fails; harmless, and not ours.
# It goes at the end of each test, not in another one.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")


@pytest.fixture(autouse=True)
def nothing_left_behind():
    yield
    gc.collect()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """How many writes there are, and what comes of them undisturbed."""
    return faults.undisturbed(tmp_path_factory.mktemp("undisturbed") / "run")


def test_the_layer_sees_every_kind_of_write(tmp_path):
    seen = faults.Faults(tmp_path / "run")
    with seen.installed():
        faults.swept(tmp_path / "run")
    assert {"open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir", "commit"} <= set(seen.names)
    assert seen.calls > 150


@pytest.mark.parametrize("first", range(0, SHARE, 8))
@pytest.mark.parametrize("kind", faults.KINDS)
def test_a_fault_at_any_write_loses_nothing(tmp_path, run, kind, first):
    calls, expected = run
    for at in range(1 + first, calls + 1, 4 * SHARE):
        found = faults.losses(tmp_path / str(at), kind, at, expected)
        assert not found, f"{kind} at write {at} of {calls}: {found}"


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_process_that_really_dies_at_a_write_loses_nothing(tmp_path, run, share):
    calls, expected = run
    command = [sys.executable, "-m", "tests.sweep.faults", str(tmp_path / "run"), str(int(calls * share))]
    environment = harness.environment(tmp_path, JAX_NUM_CPU_DEVICES="1", XLA_FLAGS=os.environ.get("XLA_FLAGS", ""))
    process = subprocess.run(command, env=environment, cwd=harness.CHECKOUT, capture_output=True, timeout=240)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert (tmp_path / "run" / "run.json").exists()
    assert not faults.losses_after(tmp_path / "run", expected)
