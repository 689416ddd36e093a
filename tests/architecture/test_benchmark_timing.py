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


def test_sides_run_in_turn_and_every_round_gives_a_ratio(timing):
    order = []
    found = timing.in_turn({"long": lambda: order.append("a"), "short": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3
    assert [len(own) for own in found.values()] == [3, 3]
    times = {
        "long": [timing.Spent(wall_s=9.0, cpu_s=4.0), timing.Spent(wall_s=2.0, cpu_s=4.2), timing.Spent(3.0, 3.8)],
        "short": [timing.Spent(wall_s=1.0, cpu_s=2.0)] * 3,
    }
    line = timing.compared(times, "long", "short")
    assert line["long_over_short"]["cpu"] == {"ratio": 2.0, "spread": [1.9, 2.1], "final": True}
    assert line["long_over_short"]["wall"] == {"ratio": 3.0, "spread": [2.0, 9.0], "final": False}
    assert (line["long_cpu_s"], line["short_wall_s"]) == (4.0, 1.0)
