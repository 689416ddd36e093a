"""How many evaluations run at once: what pays off on a backend, within memory."""

import jax
import pytest

from cnnviz_jax.compiling.programs import Executable
from cnnviz_jax.engine.chunk_planning import fitting

MIB = 2**20


def planned(most, flops, budget=1000 * MIB, each_bytes=MIB):
    """The chunk for evaluations of so many operations and bytes, and the sizes that were compiled on the way."""
    compiled = []

    def compile_for(size):
        compiled.append(size)
        counted = None if flops is None else size * flops
        return Executable(run=print, need_bytes=size * each_bytes, out=None, flops=counted)

    return fitting(compile_for, "auto", most, budget)[0], compiled


@pytest.fixture
def accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def test_a_cpu_computes_32_at_once_whatever_they_cost():
    assert planned(10_000, 1e3) == (32, [32])


def test_an_accelerator_computes_128_of_a_large_network_at_once(accelerator):
    assert planned(10_000, 1e9) == (127, [127])


def test_an_accelerator_computes_more_of_a_small_network_at_once(accelerator):
    # 5 ms at 2e13 operations a second are 500 evaluations of 2e8; 10,000 in 20 equal parts.
    assert planned(10_000, 2e8) == (500, [127, 500])


def test_no_more_than_memory_allows(accelerator):
    assert planned(10_000, 1e6, budget=400 * MIB) == (358, [127, 358])


def test_no_more_than_twice_a_thousand_and_no_more_than_there_are(accelerator):
    assert planned(100_000, 1e3, each_bytes=1024) == (2041, [128, 2041])
    assert planned(300, 1e3) == (300, [100, 300])
    assert planned(90, 1e3) == (90, [90])


def test_a_compiler_that_counts_nothing_changes_nothing(accelerator):
    assert planned(10_000, None) == (127, [127])
