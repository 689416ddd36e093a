"""`cv.Monitor`: filters, maps, synthesised and dead units in the log of a training."""

import io

import numpy as np
import optax
import pytest
from flax import nnx
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations
from cnnviz_jax.errors import CnnvizWarning, LayerNotFoundError, PluginError, UnknownNameError, UsageError
from cnnviz_jax.verbs.monitor import _opened, dead_shares


class Small(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.conv(x)).mean((1, 2)))


IMAGES = np.random.default_rng(0).random((6, 8, 8, 1), np.float32)


class Notes:
    """A log that keeps what it is told."""

    def __init__(self):
        self.images, self.numbers, self.is_closed = [], [], False

    def image(self, tag, step, sheet, caption):
        assert sheet.dtype == np.uint8
        assert sheet.ndim == 3
        self.images.append((step, tag, sheet))

    def scalars(self, step, values):
        self.numbers += [(step, tag, value) for tag, value in values.items()]

    def close(self):
        self.is_closed = True


@pytest.fixture(scope="module")
def trained():
    """A module, and what updates it in place."""
    module = Small(nnx.Rngs(0))
    optimizer = nnx.Optimizer(module, optax.sgd(0.5), wrt=nnx.Param)

    def update():
        gradient = nnx.grad(lambda module: module(IMAGES).mean())(module)
        optimizer.update(module, gradient)

    return module, update


def test_every_so_many_steps_all_is_recorded_and_after_the_first_nothing_is_traced_or_compiled(trained, monkeypatch):
    module, update = trained
    log = Notes()
    with cv.Monitor(log, IMAGES, every=5, shown=2, synthesised="conv", units=[1, 3], steps=3) as monitor:
        assert monitor(0, module)
        monkeypatch.setattr("cnnviz_jax.verbs.monitor.adapt", lambda *a, **k: pytest.fail("adapted again"))
        compiled = compilations()
        for step in range(1, 21):
            update()
            assert monitor(step, module) is (step % 5 == 0)
        assert compilations() == compiled
    assert log.is_closed
    tags = [(step, tag) for step, tag, _ in log.images]
    assert tags[:3] == [(0, "filters"), (0, "grad-cam"), (0, "synthesised/conv/1")]
    assert [tag for tag in tags if "synth" in tag[1]] == [
        (0, "synthesised/conv/1"),
        (10, "synthesised/conv/3"),
        (20, "synthesised/conv/1"),
    ]
    assert [step for step, tag in tags if tag == "grad-cam"] == [0, 5, 10, 15, 20]
    first, last = (next(s for step, tag, s in log.images if (step, tag) == (at, "filters")) for at in (0, 20))
    assert (first != last).any()
    dead = {(step, tag): value for step, tag, value in log.numbers if tag.startswith("dead/")}
    assert len(dead) == 5
    now = dead_shares(cv.adapt(module, input_shape=(8, 8, 1)), IMAGES)
    assert dead[20, "dead/relu"] == now["relu"]


def test_the_records_are_of_the_numbers_that_the_network_has_at_that_step(trained):
    module, update = trained
    log = Notes()
    monitor = cv.Monitor(log, IMAGES, every=1, explain=(), filters=False, dead=False, also={"score": _score})
    for step in range(3):
        monitor(step, module)
        expected = cv.adapt(module, input_shape=(8, 8, 1))
        assert log.numbers[-1] == (step, "score", pytest.approx(_score(expected), abs=1e-6))
        update()


def _score(model):
    return float(np.asarray(model(IMAGES)).sum())


def test_a_unit_that_fires_on_no_image_is_dead():
    module = Small(nnx.Rngs(0))
    module.conv.bias[...] = np.array([-100, 0, -100, 100], np.float32)
    assert dead_shares(cv.adapt(module, input_shape=(8, 8, 1)), IMAGES)["relu"] in (0.5, 0.75)


def test_a_record_that_fails_warns_and_ends_no_training_but_the_first_is_the_callers_mistake(trained):
    module, _ = trained
    broken = Small(nnx.Rngs(0))
    broken.conv.kernel[...] = np.nan
    log = Notes()
    monitor = cv.Monitor(log, IMAGES, every=1, dead=False)
    monitor(0, module)
    with pytest.warns(CnnvizWarning, match="step 1: filters is not recorded"):
        assert monitor(1, broken)
    assert monitor(2, module)
    assert log.images[-1][:2] == (2, "grad-cam")
    with pytest.raises(LayerNotFoundError):
        cv.Monitor(Notes(), IMAGES, synthesised="cnov")(0, module)
    other = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    with pytest.warns(CnnvizWarning, match="step 3 is not recorded: "):
        monitor(3, other)


def test_mistakes_are_told_when_the_log_is_opened():
    for changes, match in (
        ({"every": 0}, "every, shown and steps are 1 or more"),
        ({"synthesised": "conv", "units": []}, "name at least one"),
    ):
        with pytest.raises(UsageError, match=match):
            cv.Monitor(Notes(), IMAGES, **changes)
    with pytest.raises(UnknownNameError, match=r"no log 'tensorbord'\. Did you mean 'tensorboard'?"):
        cv.Monitor("tensorbord:x", IMAGES)
    with pytest.raises(UsageError, match="has the methods image, scalars and close; got list"):
        _opened([])
    with pytest.raises(UsageError, match="images are several"):
        cv.Monitor(Notes(), np.zeros(3))
    with pytest.raises(PluginError, match="no adapter takes"):
        cv.Monitor(Notes(), IMAGES[:, :4])(0, object())


def test_a_recorder_called_at_every_step_keeps_every_so_many(tmp_path):
    recorder = cv.Recorder(tmp_path / "kept", every=3)
    assert [recorder(step, {"w": np.ones(2)}) for step in range(5)] == [True, False, False, True, False]
    assert recorder.steps == (0, 3)
    with pytest.raises(UsageError, match="every is a number of steps"):
        cv.Recorder(tmp_path, every=0)


def test_event_files_open_in_tensorboards_own_reader(tmp_path, trained):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    module, _ = trained
    with cv.Monitor(f"tensorboard:{tmp_path / 'log'}", IMAGES, every=2, shown=2) as monitor:
        for step in range(4):
            monitor(step, module)
    files = list((tmp_path / "log").iterdir())
    assert len(files) == 1
    assert "tfevents" in files[0].name
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    found = reader.EventAccumulator(str(tmp_path / "log"))
    found.Reload()
    assert set(found.Tags()["images"]) == {"filters", "grad-cam"}
    assert found.Tags()["scalars"] == ["dead/relu"]
    events = found.Images("grad-cam")
    assert [event.step for event in events] == [0, 2]
    with Image.open(io.BytesIO(events[0].encoded_image_string)) as shown:
        assert (shown.format, shown.size) == ("PNG", (events[0].width, events[0].height))


def test_weights_and_biases_keeps_it_in_a_folder_when_offline(tmp_path, trained, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.chdir(tmp_path)
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_DIR", str(tmp_path))):
        monkeypatch.setenv(name, value)
    module, _ = trained
    with cv.Monitor("wandb:mnist", IMAGES, every=1, shown=1, filters=False) as monitor:
        run = wandb.run
        assert run.project == "mnist"
        monitor(0, module)
        with cv.Monitor("wandb", IMAGES, every=1, explain=(), filters=False) as second:
            second(3, module)
        assert wandb.run is run  # the run that was under way, and is not this monitor's to finish
        assert run.summary["cnnviz/step"] == 3
        assert "cnnviz/dead/relu" in dict(run.summary)
    assert wandb.run is None
    assert list(tmp_path.rglob("*.wandb"))
    (image,) = tmp_path.rglob("grad-cam*.png")
    with Image.open(image) as shown:
        assert shown.format == "PNG"
