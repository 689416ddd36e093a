"""How many evaluations run at once: what pays off on a backend, within memory."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.compiling.programs import Executable
from cnnviz_jax.engine import keys_for, root_key
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.chunk_planning import fitting
from cnnviz_jax.engine.cpu_chunks import forward_passes_at_once, gradients_at_once
from cnnviz_jax.engine.fold_run import FoldRun
from tests.engine.test_fold import Powers

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


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="of a CPU's caches")
@pytest.mark.parametrize(
    ("cores", "largest", "weights", "at_once"),
    [
        (2, 3 * MIB, 5 * MIB, 5),  # SqueezeNet 1.1
        (2, 4.6 * MIB, 14 * MIB, 3),  # MobileNetV2
        (16, 4.6 * MIB, 14 * MIB, 27),
        (2, 0.1 * MIB, 1 * MIB, 32),  # small maps: no more than ever
        (2, 40 * MIB, 1 * MIB, 1),
        (2, 3 * MIB, 98 * MIB, None),  # ResNet-50, whose weights are read once a chunk
    ],
)
def test_forward_passes_at_once_keep_their_maps_in_the_caches_where_weights_are_small(
    cores: int, largest: float, weights: float, at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert forward_passes_at_once(int(largest), int(weights)) == at_once


@pytest.mark.parametrize(("evaluations", "largest", "at_once"), [(2047, 0.03, 32), (2048, 0.03, 256), (9000, 0.1, 160)])
def test_many_evaluations_with_small_maps_go_by_more_at_once_and_few_do_not(
    evaluations: int, largest: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert forward_passes_at_once(int(largest * MIB), MIB, evaluations) == at_once


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="of a CPU's memory")
@pytest.mark.parametrize(
    ("kept", "weights", "at_once"),
    [
        (17 * MIB, 5 * MIB, 1),  # SqueezeNet 1.1 at 224 pixels
        (8 * MIB, 5 * MIB, 2),
        (4 * MIB, 5 * MIB, 4),
        (31 * MIB, 0, 1),
        (MIB // 10, MIB, 32),
        (26 * MIB, 14 * MIB, None),  # MobileNetV2: not one fits
        (13 * MIB, 45 * MIB, None),  # ResNet-18
    ],
)
def test_gradients_at_once_fit_memory_that_is_handed_out_again(kept: int, weights: int, at_once: int | None) -> None:
    assert gradients_at_once(kept, weights) == at_once


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="of a CPU's caches")
@pytest.mark.parametrize(("scores_only", "chunk"), [(True, 7), (False, 20)])
def test_a_fold_of_forward_passes_plans_by_the_caches_and_one_of_gradients_does_not(
    scores_only: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(Powers, "scores_only", scores_only)
    net = cv.adapt(lambda x: x.sum((1, 2)), input_shape=(512, 512, 1))  # 1 MiB an image: at most 8, 20 in equal parts
    images = np.zeros((1, 512, 512, 1), np.float32)
    case = Case(net, targets.resolve(0, net, images), keys_for(root_key(0), [0]), jnp.asarray(images))
    assert FoldRun(Powers(count=20), case).chunk == chunk


@pytest.mark.parametrize(("rounds", "chunk"), [((2, 10, 20), 10), ((4, 20), 16), ((20,), 20)])
def test_a_chunk_is_no_longer_than_the_longest_round(
    rounds: tuple[int, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Powers, "rounds", rounds)
    monkeypatch.setattr(Powers, "refine", lambda fold, case, gathered: case.context)
    net, images = cv.adapt(lambda x: x.sum((1, 2)), input_shape=(8, 8, 1)), np.ones((1, 8, 8, 1), np.float32)
    case = Case(net, targets.resolve(0, net, images), keys_for(root_key(0), [0]), jnp.asarray(images))
    fold_run = FoldRun(Powers(count=20, gather="stack"), case, chunk=20)
    assert fold_run.chunk == chunk
    heat, _ = fold_run.run_batch(0, lambda _: None)
    np.testing.assert_allclose(heat.values, np.full((1, 8, 8), 190))
