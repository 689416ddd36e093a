"""Several steps of an iteration in one program: the same images, in fewer dispatches."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations, dispatches
from tests.explain.small_network import model

RECIPES = {
    "adam": {"recipe": "lucid", "size": 12},
    "leaking at first": {"recipe": "chollet2016", "warmup": 3, "size": 12},
}


def made(monkeypatch, most, **options):
    monkeypatch.setattr(dispatches, "_MOST", {"cpu": most})
    given = {"layer": "conv2", "channels": [1, 3, 4], "steps": 21, "key": 2}
    return cv.synthesize("activation-maximization", model(), **{**given, **options})


@pytest.mark.parametrize("recipe", RECIPES)
def test_images_curves_and_snapshots_are_those_of_one_step_at_a_time(monkeypatch, recipe):
    alone = made(monkeypatch, 1, snapshots=4, **RECIPES[recipe])
    together = made(monkeypatch, 16, snapshots=4, **RECIPES[recipe])
    assert together.curves.shape == (3, 21)
    assert together.status == alone.status
    np.testing.assert_allclose(together.curves, alone.curves, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together.raw, alone.raw, atol=1e-4)
    assert dict(together.provenance.notes)["frame_steps"] == (0, 7, 14, 21)
    np.testing.assert_allclose(together.extras["frames"], alone.extras["frames"], atol=1e-4)
    assert np.ptp(alone.curves, axis=1).min() > 0.01, "the ascent moves, so that a step left out would show"


def test_a_last_dispatch_that_is_too_long_leaves_the_state_as_it_is(monkeypatch):
    # 13 steps by 5: three dispatches of 5, the last two steps of which are past the end.
    monkeypatch.setattr("cnnviz_jax.engine.iteration.steps_at_once", lambda *_: 5)
    padded = made(monkeypatch, 5, steps=13, **RECIPES["adam"])
    monkeypatch.undo()
    plain = made(monkeypatch, 1, steps=13, **RECIPES["adam"])
    np.testing.assert_allclose(padded.raw, plain.raw, atol=1e-4)
    np.testing.assert_allclose(padded.activation, plain.activation, rtol=1e-4)
    assert padded.curves.shape == plain.curves.shape == (3, 13)


def test_progress_is_told_after_every_dispatch_and_never_runs_ahead(monkeypatch):
    told = []
    made(monkeypatch, 16, steps=64, progress=lambda done, total, what: told.append((done, total)), **RECIPES["adam"])
    # After a dispatch is handed over, the one before it may be under way still.
    assert told == [(done, 192) for done in (0, 0, 0, 48, 96, 192)]


def test_one_program_serves_all_dispatches(monkeypatch):
    before = compilations()
    made(monkeypatch, 16, steps=23, **RECIPES["adam"])
    assert compilations() - before == 3, "start, steps, finish"


@pytest.mark.parametrize(
    ("steps", "stops", "length"),
    [(256, (), 16), (64, (), 16), (100, (), 10), (97, (), 14), (5, (), 5), (1, (), 1), (21, (0, 7, 14, 21), 7)],
)
def test_a_dispatch_is_as_long_as_wastes_little(steps, stops, length):
    assert dispatches.steps_at_once(steps, stops, 16) == length
    parts = list(dispatches.dispatches(steps, stops, length))
    assert [part[0] for part in parts[1:]] == [part[1] for part in parts[:-1]]
    assert parts[0][0] == 0
    assert parts[-1][1] == steps
    assert set(stops) <= {begin for begin, _ in parts} | {steps}


def test_a_cpu_takes_one_step_at_a_time_and_an_accelerator_sixteen(monkeypatch):
    assert dispatches.steps_at_once(64, ()) == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert dispatches.steps_at_once(64, ()) == 16
