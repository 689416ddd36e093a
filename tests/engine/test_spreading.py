"""Images and evaluations over several devices: the same numbers, and nothing sent where images alone are spread."""

import re

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import keys_for, root_key
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_jax.engine.spreading import devices_to_use
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model, some_images

NET = model()


def explained(devices, technique, count, **options):
    return cv.explain(technique, NET, some_images(count), 1, key=4, devices=devices, **options)


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("saliency", {}),
        ("grad-cam", {}),
        ("smoothgrad", {"samples": 5}),
        ("occlusion", {"window": 3, "stride": 3}),
        ("rise", {"masks": 6, "tolerance": 0.001}),
    ],
)
def test_images_on_eight_devices_have_the_bits_of_one(technique, options):
    count = 11  # the second batch is padded
    # One evaluation at once, so that a device has one image whether it is alone or one of eight.
    alone = explained(1, technique, count, chunk=1, **options)
    spread = explained(8, technique, count, chunk=1, **options)
    np.testing.assert_array_equal(spread.values, alone.values)
    np.testing.assert_array_equal(spread.scores, alone.scores)
    for name, extra in alone.extras.items():
        np.testing.assert_array_equal(spread.extras[name], extra)
    assert np.ptp(alone.values.reshape(count, -1).sum(1)) > 0, "every image has its own map"


@pytest.mark.parametrize(
    ("technique", "count", "options"),
    [
        ("smoothgrad", 1, {"samples": 21}),
        ("smoothgrad", 3, {"samples": 40, "tolerance": 0.5}),
        ("occlusion", 1, {"window": 3, "stride": 1}),
        ("occlusion", 3, {"window": 3, "stride": 2, "adaptive": 0.5}),
    ],
)
def test_evaluations_of_few_images_are_spread_too(technique, count, options):
    alone, spread = explained(1, technique, count, **options), explained(8, technique, count, **options)
    np.testing.assert_allclose(spread.values, alone.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(spread.scores, alone.scores, rtol=1e-5)


def run(technique, count, devices, **options):
    images = some_images(count)
    cases = Case(NET, cv.targets.class_score(1).batched(count), keys_for(root_key(0), range(count)), images)
    built = resolve_technique(technique, "explain", options, NET).built
    return FoldRun(built, cases, devices=jax.devices()[:devices])


def sent(program):
    names = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
    return re.findall(rf"\b({names})\(", program.run.as_text())


def test_where_images_alone_are_spread_nothing_is_sent():
    assert sent(run("saliency", 8, 8).step) == []
    assert sent(run("smoothgrad", 8, 8, samples=4).step) == []
    assert set(sent(run("smoothgrad", 1, 8, samples=16).step)) == {"all-reduce"}


@pytest.mark.parametrize(
    ("technique", "count", "devices", "rows", "columns"),
    [("saliency", 11, 8, 8, 1), ("saliency", 5, 8, 5, 1), ("smoothgrad", 3, 8, 3, 2), ("smoothgrad", 1, 8, 1, 8)],
)
def test_devices_go_to_images_first(technique, count, devices, rows, columns):
    spread = run(technique, count, devices).spread
    assert (spread.rows, spread.columns) == (rows, columns)


def test_one_image_of_one_evaluation_needs_one_device():
    assert run("saliency", 1, 8).spread is None


def test_parameters_are_sent_to_the_devices_once():
    first, again = run("saliency", 8, 8), run("saliency", 8, 8)
    assert jax.tree.leaves(first.cases.model.params)[0] is jax.tree.leaves(again.cases.model.params)[0]


def test_every_device_does_its_share_of_an_interrupted_run(tmp_path):
    def stop(done, total, what):
        if done > total / 3:
            raise KeyboardInterrupt

    options = {"window": 2, "stride": 1, "chunk": 2, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        explained(4, "occlusion", 1, progress=stop, **options)
    again = explained(4, "occlusion", 1, **options)
    np.testing.assert_allclose(again.values, explained(1, "occlusion", 1, window=2, stride=1).values, atol=1e-5)


def test_a_cpu_is_one_device_unless_more_are_asked_for(monkeypatch):
    assert len(devices_to_use(None)) == 1
    assert len(devices_to_use(8)) == 8
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert len(devices_to_use(None)) == 8


@pytest.mark.parametrize("count", [0, 9, True])
def test_devices_that_are_not_there_are_refused(count):
    with pytest.raises(UsageError, match="devices is a whole number from 1 to 8"):
        explained(count, "saliency", 1)
