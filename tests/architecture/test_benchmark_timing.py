"""What benchmarks say of time: a ratio whose rounds disagree is not final, and the CPU time of children counts."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def timing():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "timing.py"
    spec = importlib.util.spec_from_file_location("benchmark_timing", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("ratios", "is_final"),
    [([2.0, 2.1, 1.9], True), ([2.0, 2.3, 1.9], True), ([2.0, 2.35, 1.9], False), ([2, 2], False)],
)
def test_a_ratio_is_final_where_its_rounds_lie_within_a_fifth(timing, ratios, is_final):
    found = timing.judged(ratios)
    assert found["final"] is is_final
    assert found["ratio"] == 2.0
    assert found["spread"] == [min(ratios), max(ratios)]


def test_the_cpu_time_of_a_child_counts_while_it_lives_and_afterwards(timing):
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(1, flush=True)\ninput()"
    before = timing.tree_cpu_s()
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        alive = timing.tree_cpu_s() - before
        child.stdin.close()
        child.wait()
    assert alive >= 0.15
    assert timing.tree_cpu_s() - before >= 0.15


def test_both_sides_run_on_the_same_cores_and_get_them_back(timing):
    before = os.sched_getaffinity(0)
    with timing.pinned(1) as cores:
        assert cores == len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
