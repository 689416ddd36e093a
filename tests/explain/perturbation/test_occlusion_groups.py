"""A long sweep of windows is parted into groups of windows that need equally much, and its map stays what it was."""

import itertools
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations
from cnnviz_jax.engine import keys_for, root_key
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.device_batch import explain_device_batch
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.errors import Interrupted
from cnnviz_jax.model import window_sweep
from cnnviz_jax.model.window_sweep import WindowSweep
from cnnviz_jax.program import PlaceGroup, TrueRegions
from cnnviz_jax.targets import ClassScore
from cnnviz_jax.verbs.explain import Prepared
from tests.explain.small_network import model, some_images

WINDOWS = {"window": (4, 3), "stride": (2, 1)}
OPTIONS = {"target": 1, **WINDOWS}


@pytest.fixture
def at_most(monkeypatch):
    """Programs that cost nothing to compile, and so many of them."""

    def allow(count):
        monkeypatch.setattr(window_sweep, "_COMPILE_S", 0.0)
        monkeypatch.setattr(window_sweep, "_COMPILE_STEP_S", 0.0)
        monkeypatch.setattr(window_sweep, "_MOST_GROUPS", count)
        window_sweep._grouped.cache_clear()

    yield allow
    window_sweep._grouped.cache_clear()


@pytest.mark.parametrize(
    "options",
    [
        {"edge": "truncate", "fill": "noise", "chunk": 3},
        {"target": cv.targets.channel("conv2", 3), "gather": "sum"},
    ],
    ids=["chunks", "channel"],
)
def test_groups_give_the_map_of_whole_images(at_most, options):
    dense = cv.explain("occlusion", model(), some_images(1), **{**OPTIONS, "engine": "dense", **options})
    at_most(3)
    parted = cv.explain("occlusion", model(), some_images(1), **{**OPTIONS, "engine": "incremental", **options})
    np.testing.assert_allclose(parted.low_res, dense.low_res, atol=1e-5 * np.abs(dense.low_res).max())
    np.testing.assert_allclose(parted.values, dense.values, atol=1e-5 * np.abs(dense.values).max())


def test_every_group_is_one_program_and_a_short_sweep_has_no_more_than_before(at_most):
    net, images = model(), some_images(1, seed=3)
    window_sweep._grouped.cache_clear()
    before = compilations()
    cv.explain("occlusion", net, images, engine="incremental", fill=0.25, **OPTIONS)
    assert compilations() - before == 3  # begin, chunks, end
    at_most(3)
    for _ in range(2):
        cv.explain("occlusion", net, images, engine="incremental", fill=0.25, **OPTIONS)
        assert compilations() - before == 3 + 2 + 3  # begin, end, and a program for each group


def test_a_sweeps_device_batch_runs_the_groups_too(at_most):
    images, net = jnp.asarray(some_images(2, seed=5)), model()
    target, keys = ClassScore(jnp.asarray([0, 3])), keys_for(root_key(0), range(2))
    fold = resolve_technique("occlusion", "explain", {**WINDOWS, "engine": "incremental"}, net)

    def program():
        def step(net):
            # So many at once that nothing is a loop, of which the compiler counts one turn.
            return explain_device_batch(fold.built, net, images, target, keys, inner_chunk=10)

        return jax.jit(step).lower(net).compile()

    window_sweep._grouped.cache_clear()
    alone = program()
    at_most(3)
    parted = program()
    np.testing.assert_allclose(parted(net)[0].low_res, alone(net)[0].low_res, atol=1e-5)
    assert parted.cost_analysis()["flops"] < alone.cost_analysis()["flops"]


def test_the_expected_time_counts_the_light_groups_as_lighter(at_most):
    at_most(3)
    net = model()
    made = Prepared.of("occlusion", net, some_images(1), 1, 0, None, {**WINDOWS, "engine": "incremental"})
    run = FoldRun(made.technique.built, Case(net, made.target, made.keys, made.images), chunk=4)
    costs = list(run.chunk_costs())
    assert len(costs) == sum(1 for _ in run.chunks(0))
    assert costs[0] == max(costs) == 1.0
    done = sum(group.work(net) * group.count for group in run.fold.groups)
    # The last chunk of each group is padded.
    assert done <= sum(costs) * run.fold.groups[0].work(net) * 4 <= 1.25 * done


def test_ctrl_c_between_groups_keeps_what_is_done(at_most, tmp_path):
    at_most(3)
    images, options = some_images(1), {"chunk": 4}

    def press(done, total, what):
        if 24 <= done < total:
            os.kill(os.getpid(), signal.SIGINT)

    # An image is kept from 64 evaluations on.
    options |= {"stride": 1, "folder": tmp_path / "unfinished"}
    with pytest.raises(Interrupted, match="evaluations of image 0 are done and kept"):
        cv.explain("occlusion", model(), images, progress=press, **{**OPTIONS, "engine": "incremental", **options})
    again = cv.explain("occlusion", model(), images, **{**OPTIONS, "engine": "incremental", **options})
    dense = cv.explain("occlusion", model(), images, **{**OPTIONS, "engine": "dense", "stride": 1})
    np.testing.assert_allclose(again.low_res, dense.low_res, atol=1e-5 * np.abs(dense.low_res).max())


@pytest.fixture
def worth_it_for_four(monkeypatch):
    """A program costs what the first split saves of two images."""
    sweep = resolve_technique("occlusion", "explain", {**WINDOWS, "engine": "incremental"}, model()).built.sweep
    whole = sweep.plan(model(), ClassScore(1))
    regions = TrueRegions.of(whole)
    first = regions.split(PlaceGroup(tuple(np.arange(len(side)) for side in regions.sides)))
    monkeypatch.setattr(window_sweep, "_COMPILE_S", 2 * window_sweep._PACE * first.saved / 1e11)
    monkeypatch.setattr(window_sweep, "_COMPILE_STEP_S", 0.0)
    window_sweep._grouped.cache_clear()
    yield sweep
    window_sweep._grouped.cache_clear()


def test_more_images_are_worth_more_programs_and_four_to_fifteen_share_theirs(worth_it_for_four):
    counts = {images: len(worth_it_for_four.groups(model(), ClassScore(1), images)) for images in (1, 3, 4, 15, 16)}
    assert counts[1] == counts[3] == 1
    assert counts[4] == counts[15] > 1
    assert counts[16] >= counts[4]


def test_what_one_image_left_unfinished_is_not_taken_for_the_order_of_four(worth_it_for_four, tmp_path):
    images, options = some_images(4), {"chunk": 4, "stride": 1, "folder": tmp_path / "unfinished"}

    def press(done, total, what):
        if 24 <= done < total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        cv.explain("occlusion", model(), images[:1], progress=press, **{**OPTIONS, "engine": "incremental", **options})
    again = cv.explain("occlusion", model(), images, **{**OPTIONS, "engine": "incremental", **options})
    dense = cv.explain("occlusion", model(), images, **{**OPTIONS, "engine": "dense", "stride": 1})
    np.testing.assert_allclose(again.low_res, dense.low_res, atol=1e-5 * np.abs(dense.low_res).max())


def true_flops(sweep, net):
    """The operations of all windows, were none to pay for the region that another one needs."""
    return TrueRegions.of(sweep.plan(net)).flops


def sweep_of(side, window, stride):
    intervals = tuple((i, i + window) for i in range(0, side - window + 1, stride))
    return WindowSweep((intervals, intervals))


def test_the_true_regions_are_what_each_window_alone_would_need():
    net = model()
    rows, cols = ((i, i + 4) for i in range(0, 9, 2)), ((i, i + 3) for i in range(8))
    sweep = WindowSweep((tuple(rows), tuple(cols)))
    alone = sum(WindowSweep(((row,), (col,))).plan(net).flops for row, col in itertools.product(*sweep.places))
    # From 95 % of a map on, a plan computes all of it, which the true regions do not.
    assert 0.95 * alone <= true_flops(sweep, net) <= alone
    assert true_flops(sweep, net) < sweep.count * sweep.plan(net).flops


def test_groups_cover_every_window_once_and_do_less(at_most):
    at_most(6)
    net, sweep = model(), WindowSweep((tuple((i, i + 4) for i in range(9)), tuple((i, i + 3) for i in range(8))))
    groups = sweep.groups(net)
    pairs = [pair for group in groups for pair in itertools.product(*group.places)]
    assert len(groups) == 6
    assert sorted(pairs) == sorted(itertools.product(*sweep.places))
    done = sum(group.count * group.plan(net).flops for group in groups)
    assert true_flops(sweep, net) <= done < len(pairs) * sweep.plan(net).flops


def test_a_sweep_longer_than_a_minute_is_within_a_tenth_of_the_true_regions(monkeypatch):
    net, sweep = model(), WindowSweep((tuple((i, i + 4) for i in range(9)), tuple((i, i + 3) for i in range(8))))
    whole = 72 * sweep.plan(net).flops
    monkeypatch.setattr(window_sweep, "_FLOPS_PER_S", {"cpu": whole / 61})
    monkeypatch.setattr(window_sweep, "_COMPILE_S", 1e9)
    window_sweep._grouped.cache_clear()
    groups = sweep.groups(net)
    done = sum(group.count * group.plan(net).flops for group in groups)
    assert whole > 1.1 * true_flops(sweep, net) >= done
    monkeypatch.setattr(window_sweep, "_FLOPS_PER_S", {"cpu": whole / 59})
    window_sweep._grouped.cache_clear()
    assert sweep.groups(net) == (sweep,)
    window_sweep._grouped.cache_clear()


def test_a_value_without_a_map_costs_as_much_in_every_group():
    net = model()
    plan = sweep_of(8, 4, 2).plan(net)
    assert TrueRegions.of(plan).fixed_flops > 0
