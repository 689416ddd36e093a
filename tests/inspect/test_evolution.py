"""Recorded trainings: what was saved comes back, drift is what was planted, one program serves every step."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import LayerNotFoundError, TargetError, UnknownNameError, UsageError, WeightsError
from cnnviz_jax.results.evolution import line_of
from tests.explain.small_network import model, parameters, some_images
from tests.inspect.recorded_training import step_of

QUICK = {"recipe": "chollet2016", "ascent_steps": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainings") / "run"
    recorder = cv.Recorder(folder, network="tests.inspect.recorded_training:make_model")
    for step in (0, 5, 10):
        recorder.save(step, step_of(step))
    return folder


def test_what_was_saved_comes_back(run):
    recorder = cv.Recorder(run)
    assert recorder.steps == (0, 5, 10)
    assert recorder.network == "tests.inspect.recorded_training:make_model"
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
    np.savez(tmp_path / "set.npz", images=some_images(9))
    before = compilations()
    found = cv.inspect("evolution", run, images=str(tmp_path / "set.npz"), surveyed="conv2", layer="conv2")
    assert compilations() - before <= 1
    assert found.answers.shape == (3, 8, 5)
    last = cv.survey("distributions", model().with_params(step_of(10)), some_images(9), layer="conv2")
    np.testing.assert_allclose(found.fire_rate[-1], last.fire_rate)
    assert cv.render(found, tmp_path / "training.png", dpi=40).stat().st_size > 3000


@pytest.fixture(scope="module")
def followed(run):
    """Two units over three steps, and how many programs that took."""
    before = compilations()
    found = cv.inspect("evolution", run, synthesised="conv2", units=(5, 2), **QUICK)
    return found, compilations() - before


def test_units_are_synthesised_at_every_step_by_the_programs_of_the_first(followed):
    found, compiled = followed
    assert compiled <= 3  # start, step and finish, for three steps of the training
    assert (found.synthesised, found.units) == ("conv2", (5, 2))
    assert found.images.shape == (3, 2, 12, 10, 3)
    before = compilations()
    for place, step in enumerate(found.steps):
        trained = model().with_params(step_of(step))
        options = {"recipe": "chollet2016", "steps": 3, "size": (12, 10), "key": 0}
        alone = cv.synthesize("activation-maximization", trained, layer="conv2", channels=(5, 2), **options)
        np.testing.assert_allclose(found.images[place], alone.images, atol=1e-6)
        np.testing.assert_allclose(found.activation[place], alone.activation, rtol=1e-5)
        assert found.status[place] == alone.status
    assert compilations() == before
    assert np.ptp(found.activation, axis=0).min() > 0


def test_a_training_that_changed_nothing_gives_the_same_images_at_every_step(tmp_path, followed):
    recorder = cv.Recorder(tmp_path / "still", network="tests.inspect.recorded_training:make_model")
    for step in range(2):
        recorder.save(step, step_of(0))
    before = compilations()
    found = cv.inspect("evolution", tmp_path / "still", synthesised="conv2", units=(5, 2), **QUICK)
    assert compilations() == before
    np.testing.assert_array_equal(found.images[0], found.images[1])
    np.testing.assert_array_equal(found.images[0], followed[0].images[0])
    other = cv.inspect("evolution", tmp_path / "still", synthesised="conv2", units=(5, 2), **QUICK, start_seed=1)
    assert np.abs(other.images[0] - found.images[0]).max() > 0.01


def test_synthesised_units_are_in_the_numbers_and_on_the_figures(followed, run, tmp_path):
    found, _ = followed
    rows = found.units_table()
    assert [(row["step"], row["unit"]) for row in rows] == [(0, 5), (0, 2), (5, 5), (5, 2), (10, 5), (10, 2)]
    assert rows[3]["activation"] == pytest.approx(found.activation[1, 1])
    assert rows[3]["status"] == found.status[1][1]
    cv.render(found, tmp_path / "units.npz")
    with np.load(tmp_path / "units.npz") as archive:
        np.testing.assert_array_equal(archive["activation"], found.activation)
    plain = cv.inspect("evolution", run)
    assert (plain.images, plain.units_table()) == (None, [])
    sizes = {}
    for name, result in (("units", found), ("plain", plain)):
        cv.render(result, tmp_path / f"{name}.gif", dpi=40)
        cv.render(result, tmp_path / f"{name}.png", dpi=40)
        with Image.open(tmp_path / f"{name}.gif") as moving, Image.open(tmp_path / f"{name}.png") as still:
            assert moving.n_frames == 3
            sizes[name] = moving.size[1], still.size[1]
    assert sizes["units"][0] > sizes["plain"][0] + 40  # a row of images an inch high
    assert sizes["units"][1] > sizes["plain"][1] + 60  # two rows
    assert sizes["units"][1] < 2 * sizes["plain"][1]


def test_a_unit_that_no_image_moves_is_an_empty_cell_and_a_warning_names_the_step(tmp_path):
    recorder = cv.Recorder(tmp_path / "dead", network="tests.inspect.recorded_training:make_model")
    silent = step_of(0)
    silent["conv2"]["kernel"] = silent["conv2"]["kernel"].at[..., 5].set(0)
    recorder.save(0, silent)
    recorder.save(1, step_of(0))
    found = cv.inspect("evolution", tmp_path / "dead", synthesised="conv2", units=(5, 2), **QUICK)
    assert found.status == (("no_gradient", "ok"), ("ok", "ok"))
    assert next(w for w in found.warnings if "no image to believe" in w).startswith("step 0: ")
    assert cv.render(found, tmp_path / "dead.png", dpi=40).stat().st_size > 3000


def test_what_synthesised_units_need_is_said(run, tmp_path):
    with pytest.raises(UsageError, match="units belong to a layer; say synthesised=LAYER"):
        cv.inspect("evolution", run, units=(1,))
    with pytest.raises(UsageError, match="units is empty"):
        cv.inspect("evolution", run, synthesised="conv2", units=())
    with pytest.raises(LayerNotFoundError, match="conv7"):
        cv.inspect("evolution", run, synthesised="conv7")
    with pytest.raises(TargetError, match="channel 99 is out of range: layer 'conv2' has channels 0 to 7"):
        cv.inspect("evolution", run, synthesised="conv2", units=(99,))
    with pytest.raises(UsageError, match="activation-maximization: recipe is one of 'quick'"):
        cv.inspect("evolution", run, synthesised="conv2", recipe="mine")
    recorder = cv.Recorder(tmp_path / "alone")
    for step in range(2):
        recorder.save(step, step_of(step))
    with pytest.raises(UsageError, match=r"synthesised units need the network: network=package\.module:factory"):
        cv.inspect("evolution", tmp_path / "alone", synthesised="conv2")
    with pytest.raises(UsageError, match=r"the model 'no\.such:thing' cannot be imported: no module 'no'"):
        cv.inspect("evolution", tmp_path / "alone", synthesised="conv2", network="no.such:thing")
    with pytest.raises(UnknownNameError, match="shaeps"):
        cv.inspect("evolution", tmp_path / "alone", synthesised="conv2", network="shaeps")


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


def test_points_of_the_data_are_drawn_below_the_lines(tmp_path):
    recorder = cv.Recorder(tmp_path / "lines")
    for step in range(2):
        recorder.save(step, {"first": {"kernel": (step + 1) * jnp.eye(2)}, "last": {"kernel": jnp.ones((3, 1))}})
    x = np.array([[0, 1], [1, 0], [-1, 0.5]])
    np.savez(tmp_path / "points.npz", x=x, y=[0, 1, 1])
    found = cv.inspect("evolution", tmp_path / "lines", points=str(tmp_path / "points.npz"))
    np.testing.assert_array_equal(found.points, x)
    np.testing.assert_array_equal(found.classes, [0, 1, 1])
    first, second, *_ = cv.figure(found).axes
    np.testing.assert_array_equal(first.collections[0].get_offsets(), x)
    assert [label.get_text() for label in first.get_xticklabels()] == ["-2", "0", "2"]
    assert len(first.get_yticks()) == 3
    assert len(second.get_yticks()) == 0
    assert cv.load(cv.save(found, tmp_path / "kept.npz")) == found
    with pytest.raises(UsageError, match=r"points lie in a plane, and last\.kernel has 3 inputs"):
        cv.inspect("evolution", tmp_path / "lines", layer="last", points=str(tmp_path / "points.npz"))
    np.savez(tmp_path / "odd.npz", x=x, y=[0])
    with pytest.raises(UsageError, match=r"got \(3, 2\) and \(1,\)"):
        cv.inspect("evolution", tmp_path / "lines", points=str(tmp_path / "odd.npz"))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "points.npz").read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"cut\.npz' is no \.npz that can be read"):
        cv.inspect("evolution", tmp_path / "lines", points=str(tmp_path / "cut.npz"))


def test_a_line_ends_at_the_border_of_the_square_or_is_not_in_it():
    np.testing.assert_allclose(line_of(np.array([1.0, 0]), -0.5, 2.0), [[0.5, -2], [0.5, 2]])
    assert len(line_of(np.array([1.0, 0]), 9.0, 2.0)) == 0
    assert len(line_of(np.zeros(2), 0.0, 2.0)) == 0


def test_a_dense_kernel_is_an_image_where_its_shape_is_said(tmp_path):
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
    units = ["--synthesised", "conv2", "--units", "5,2", "--ascent-steps", "3"]
    assert main(["inspect", "evolution", str(run), *units, "--recipe", "chollet2016", "--out", "units.gif"]) == 0
    assert "wrote units.gif" in capsys.readouterr().out


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
