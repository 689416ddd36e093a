"""Occlusion by windows gives what occlusion of whole images gives; it can be interrupted, and go coarse first."""

import os
import re
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import Interrupted, UsageError
from cnnviz_jax.verbs.explain import Prepared
from cnnviz_jax.verbs.explain_plan import explain_plan
from tests.explain.small_network import forward, model, parameters, some_images

GRID = {"window": (4, 3), "stride": (3, 2)}


def occlusion(images, engine, net=None, **options):
    return cv.explain("occlusion", net or model(), images, **{"target": 1, "engine": engine, **GRID, **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"edge": "truncate", "gather": "average", "fill": "blur(2)", "channels": (0, 2)},
        {"score": "distribution", "fill": "noise"},
        {"target": cv.targets.channel("conv2", 3)},
        {"target": cv.targets.class_score(2, "probability"), "score": "one_minus"},
        {"window": (12, 10), "stride": 1},
    ],
    ids=["plain", "truncated", "distribution", "a channel", "probability", "the image"],
)
def test_both_engines_give_the_same_map(options):
    images = some_images(2)
    dense, windows = (occlusion(images, engine, **options) for engine in ("dense", "incremental"))
    np.testing.assert_allclose(windows.values, dense.values, atol=1e-5 * np.abs(dense.values).max())
    np.testing.assert_allclose(windows.low_res, dense.low_res, atol=1e-5 * np.abs(dense.low_res).max())
    assert dict(windows.provenance.notes)["engine"] == "incremental"


def test_a_model_that_ends_in_a_softmax_is_scored_before_it():
    net = cv.adapt(
        lambda params, x: jax.nn.softmax(forward(params, x)), parameters(), input_shape=(12, 10, 3), name="softmax"
    )
    images = some_images(1)
    dense, windows = (occlusion(images, engine, net=net) for engine in ("dense", "incremental"))
    np.testing.assert_allclose(windows.low_res, dense.low_res, atol=1e-5)


def test_auto_takes_windows_where_they_are_predicted_to_be_faster():
    def deep(params, x):
        for _ in range(3):
            x = jax.nn.relu(
                jax.lax.conv_general_dilated(x, params, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            )
        return x.mean((1, 2))

    net = cv.adapt(deep, jnp.ones((3, 3, 16, 16)), input_shape=(64, 64, 16), name="deep")
    small = occlusion(some_images(1, 64, 64, 16), "auto", net=net, window=4, stride=30)
    large = occlusion(some_images(1, 64, 64, 16), "auto", net=net, window=60, stride=4)
    assert dict(small.provenance.notes)["engine"] == "incremental"
    assert dict(large.provenance.notes)["engine"] == "dense"


def test_an_unknown_engine_or_share_is_refused():
    with pytest.raises(UsageError, match="engine is one of 'auto', 'dense', 'incremental', got 'fast'"):
        occlusion(some_images(1), "fast")
    with pytest.raises(UsageError, match=r"adaptive is a share .* got 2"):
        occlusion(some_images(1), "auto", adaptive=2.0)


def interrupting(at):
    """Progress that presses Ctrl-C when `at` evaluations are done."""

    def progress(done, total, what):
        if at <= done < total:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


@pytest.mark.parametrize("adaptive", [None, 0.95])
def test_ctrl_c_keeps_what_is_done_and_the_same_call_goes_on(tmp_path, adaptive):
    images, options = some_images(1), {"stride": 1, "adaptive": adaptive, "chunk": 4}
    whole = occlusion(images, "incremental", **options)
    folder = tmp_path / "unfinished"
    with pytest.raises(Interrupted, match=r"\d+ of \d+ evaluations of image 0 are done and kept") as told:
        occlusion(images, "incremental", folder=folder, progress=interrupting(30), **options)
    done = int(re.search(r"interrupted: (\d+)", str(told.value)).group(1))
    assert 30 <= done < whole.low_res.size
    with np.load(next(folder.iterdir())) as kept:
        assert int(kept["a0"]) == done
        if adaptive is None:
            np.testing.assert_allclose(kept["a1"], whole.low_res.ravel()[:done], atol=1e-6)
    seen = []
    again = occlusion(
        images, "incremental", folder=folder, progress=lambda d, total, what: seen.append(d), **options | {"chunk": 7}
    )
    np.testing.assert_allclose(again.values, whole.values, atol=1e-6)
    assert min(seen) >= done - 14  # nothing before the last chunks was computed again
    assert not folder.exists()


def test_another_image_does_not_go_on_from_it(tmp_path):
    with pytest.raises(Interrupted):
        occlusion(some_images(1), "dense", stride=1, chunk=4, folder=tmp_path, progress=interrupting(20))
    other = some_images(1, seed=5)
    result = occlusion(other, "dense", stride=1, chunk=4, folder=tmp_path)
    np.testing.assert_allclose(result.values, occlusion(other, "dense", stride=1).values, atol=1e-6)
    assert len(list(tmp_path.iterdir())) == 1


def bright_spot():
    """A network that sees one spot of the image only."""
    weights = np.zeros((24, 24, 1), np.float32)
    weights[5:8, 16:19] = 1
    flat = jnp.asarray(weights.reshape(-1, 1))
    return cv.adapt(lambda p, x: x.reshape(len(x), -1) @ p, flat, input_shape=(24, 24, 1), name="spot")


@pytest.mark.parametrize("engine", ["dense", "incremental"])
def test_adaptive_refines_where_the_map_changes_and_says_what_it_computed(engine):
    options = {"net": bright_spot(), "target": 0, "window": 6, "stride": 1, "fill": 0.0}
    images = some_images(1, 24, 24, 1)
    whole = occlusion(images, engine, **options)
    part = occlusion(images, engine, adaptive=0.4, **options)
    computed = part.extras["computed"][0]
    assert computed.sum() == dict(part.provenance.notes)["computed"] == round(0.4 * computed.size)
    np.testing.assert_allclose(part.low_res[0][computed], whole.low_res[0][computed], atol=1e-5)
    np.testing.assert_allclose(part.low_res[0][~computed], whole.low_res[0][~computed], atol=0.1)
    assert computed[whole.low_res[0] > 0.5 * whole.low_res.max()].mean() > 0.9


def test_all_windows_coarse_or_fine_are_all_windows():
    images = some_images(1)
    whole, every = occlusion(images, "dense"), occlusion(images, "dense", adaptive=1.0)
    np.testing.assert_allclose(every.low_res, whole.low_res, atol=1e-6)
    assert every.extras["computed"].all()


def test_the_plan_names_positions_operations_memory_and_time():
    options = {"engine": "incremental", **GRID}
    rows = dict(explain_plan(Prepared.of("occlusion", model(), some_images(1), 1, None, None, options), model()))
    assert rows["positions"] == "3 x 4"
    assert rows["evaluations"] == "12 per image, 12 at once"
    assert rows["engine"] == "incremental"
    assert "calibration" in rows["expected time"]
    assert rows["memory"].endswith("MiB, predicted")
    assert {"FLOPs dense", "FLOPs incremental", "  conv1", "  conv2"} <= rows.keys()
    assert "% of " in rows["  conv2"]


def test_boxes_of_feature_ablation_are_windows_too():
    images = some_images(2)
    options = {"target": 1, "segments": "grid(5)", "fill": "segment-mean"}
    dense, windows = (
        cv.explain("feature-ablation", model(), images, engine=engine, **options) for engine in ("dense", "incremental")
    )
    np.testing.assert_allclose(windows.low_res, dense.low_res, atol=1e-5 * np.abs(dense.low_res).max())
    with pytest.raises(UsageError, match="needs parts that are boxes"):
        cv.explain("feature-ablation", model(), images, engine="incremental", segments=((0,) * 10,) * 12)


def test_the_command_prints_the_plan_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save("grey.png")
    line = ["explain", "occlusion", "shapes", "grey.png", "--window", "8", "--stride", "28", "--plan"]
    assert main(line) == 0
    printed = capsys.readouterr().out
    for word in ("positions", "FLOPs dense", "FLOPs incremental", "memory", "expected time", "calibration"):
        assert word in printed
    assert [path.name for path in tmp_path.iterdir()] == ["grey.png"]
