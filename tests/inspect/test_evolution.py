"""Recorded trainings: what was saved comes back, drift is what was planted, one program serves every step."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import LayerNotFoundError, UsageError, WeightsError
from cnnviz_jax.evolution import line_of
from tests.explain.small import parameters, pictures
from tests.inspect.evolving import step_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainings") / "run"
    recorder = cv.Recorder(folder, network="tests.inspect.evolving:make_model")
    for step in (0, 5, 10):
        recorder.save(step, step_of(step))
    return folder


def test_what_was_saved_comes_back(run):
    recorder = cv.Recorder(run)
    assert recorder.steps == (0, 5, 10)
    assert recorder.network == "tests.inspect.evolving:make_model"
    found = recorder.load(5)
    assert list(found) == ["conv1.bias", "conv1.kernel", "conv2.bias", "conv2.kernel", "head.bias", "head.kernel"]
    np.testing.assert_array_equal(found["conv2.kernel"], step_of(5)["conv2"]["kernel"])


def test_drift_and_distance_are_those_of_the_planted_training(run):
    found = cv.inspect("evolution", run)
    assert found.layer == "conv1.kernel"
    assert found.view == "filters"
    kernel = found.names.index("conv1.kernel")
    np.testing.assert_allclose(found.drift[kernel], [0, 0.5, 0.5 / 1.5], rtol=1e-5)
    np.testing.assert_allclose(found.distance[kernel], [0, 0.5, 1.0], rtol=1e-5)
    np.testing.assert_allclose(found.quantiles[kernel, 0], np.quantile(parameters()["conv1"]["kernel"], found.shares))
    assert found.table()[-1] == {"step": 10, "parameter": "head.kernel", "drift": pytest.approx(1 / 3),
                                 "distance": pytest.approx(1.0)}  # fmt: skip


def test_answers_are_those_of_each_step_and_one_program_serves_all_steps(run, tmp_path):
    np.savez(tmp_path / "set.npz", images=pictures(9))
    before = compilations()
    found = cv.inspect("evolution", run, pictures=str(tmp_path / "set.npz"), surveyed="conv2", layer="conv2")
    assert compilations() - before <= 1
    assert found.answers.shape == (3, 8, 5)
    from tests.explain.small import model

    last = cv.survey("distributions", model().with_params(step_of(10)), pictures(9), layer="conv2")
    np.testing.assert_allclose(found.fire_rate[-1], last.fire_rate)
    assert cv.render(found, tmp_path / "training.png", dpi=40).stat().st_size > 3000


def test_the_lines_of_a_layer_with_two_inputs(tmp_path):
    recorder = cv.Recorder(tmp_path / "lines")
    for step in range(3):
        recorder.save(step, {"first": {"kernel": jnp.eye(2), "bias": jnp.asarray([0.5 * step, 9.0])}})
    found = cv.inspect("evolution", tmp_path / "lines")
    assert found.view == "lines"
    np.testing.assert_array_equal(found.kernel[1, 0, 0], np.eye(2))
    np.testing.assert_array_equal(found.bias[:, 0], [0, 0.5, 1])
    cv.render(found, tmp_path / "lines.gif", dpi=40)
    with Image.open(tmp_path / "lines.gif") as animation:
        assert animation.n_frames == 3


def test_a_line_ends_at_the_border_of_the_square_or_is_not_in_it():
    np.testing.assert_allclose(line_of(np.array([1.0, 0]), -0.5, 2.0), [[0.5, -2], [0.5, 2]])
    assert len(line_of(np.array([1.0, 0]), 9.0, 2.0)) == 0
    assert len(line_of(np.zeros(2), 0.0, 2.0)) == 0


def test_a_dense_kernel_is_a_picture_where_its_shape_is_said(tmp_path):
    recorder = cv.Recorder(tmp_path / "dense")
    for step in range(2):
        recorder.save(step, {"kernel": np.arange(24.0, dtype=np.float32).reshape(12, 2)})
    found = cv.inspect("evolution", tmp_path / "dense", shape=(3, 4))
    assert found.kernel.shape == (2, 3, 4, 1, 2)
    np.testing.assert_array_equal(found.kernel[0, 1, :, 0, 1], [9, 11, 13, 15])
    with pytest.raises(UsageError, match="shape is 5 x 5, and the kernel has 12 inputs"):
        cv.inspect("evolution", tmp_path / "dense", shape=(5, 5))


def test_the_command_writes_the_animation(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "evolution", str(run), "--layer", "conv2", "--out", "training.gif"]) == 0
    assert "wrote training.gif" in capsys.readouterr().out


def test_refusals(run, tmp_path):
    recorder = cv.Recorder(run)
    with pytest.raises(UsageError, match=r"step 5 is kept in .* already"):
        recorder.save(5, step_of(5))
    with pytest.raises(UsageError, match=r"step 11 has other parameters than the steps before: conv1\.bias"):
        recorder.save(11, {"other": jnp.zeros(2)})
    with pytest.raises(UsageError, match=r"no step 7 in .*; there are 0, 5, 10"):
        recorder.load(7)
    with pytest.raises(UsageError, match="holds 0 recorded steps"):
        cv.inspect("evolution", tmp_path)
    with pytest.raises(UsageError, match=r"evolution takes the folder of a cv\.Recorder, got int"):
        cv.inspect("evolution", 3)
    with pytest.raises(LayerNotFoundError, match="no recorded kernel 'conv9'"):
        cv.inspect("evolution", run, layer="conv9")
    damaged = cv.Recorder(tmp_path / "damaged")
    for step in (1, 2):
        damaged.save(step, {"kernel": jnp.ones((2, 2))})
    for file in (tmp_path / "damaged" / "2").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"step 2 of .* is damaged"):
        cv.inspect("evolution", tmp_path / "damaged")
