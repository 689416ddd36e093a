"""`cv.diff` over the checkpoints of one training: one program, one forward pass each."""

from itertools import pairwise

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import similarity
from cnnviz_jax.compiling import Executable, compilations
from cnnviz_jax.errors import ModelError, UsageError
from tests.verbs.pair_networks import changed, network, permuted, some_images

IMAGES = some_images(20)
LABELS = np.arange(20) % 3


def training(count):
    start, end = network(), network(1)
    share = np.linspace(0, 1, count)
    return [changed(start, lambda name, leaf, w=w: (1 - w) * leaf + w * end.params[name]) for w in share]


def test_a_hundred_checkpoints_take_one_program_and_one_forward_pass_each(monkeypatch):
    calls = []
    plain = Executable.__call__

    def counted(self, *args):
        calls.append(len(args[1][0]))
        return plain(self, *args)

    monkeypatch.setattr(Executable, "__call__", counted)
    before = compilations()
    cv.diff(training(100), None, IMAGES, batch=10)
    assert compilations() - before <= 1
    assert sum(calls) == 100 * len(IMAGES)


def test_every_number_is_that_of_the_plain_functions():
    models = training(4)
    found = cv.diff(models, None, IMAGES, labels=LABELS)
    rows = [cv.capture(model, IMAGES, ["conv1"])["conv1"].mean((1, 2)) for model in models]
    plain = similarity.drift(rows)
    assert found.layers == ("conv1", "conv2", "fc")
    np.testing.assert_allclose(found.to_end[:, 0], plain.to_last, atol=1e-5)
    np.testing.assert_allclose(found.to_next[:, 0], plain.to_next, atol=1e-5)
    np.testing.assert_allclose(found.same_unit[:, 0], plain.same_unit, atol=1e-5)
    np.testing.assert_allclose(found.own_best[:, 0], plain.own_best)
    logits = [np.asarray(model(IMAGES)) for model in models]
    assert found.churn.tolist() == [similarity.churn(x, y) for x, y in pairwise(logits)]
    assert found.churn_to_end.tolist() == [similarity.churn(x, logits[-1]) for x in logits]
    np.testing.assert_allclose(found.accuracy, [(x.argmax(1) == LABELS).mean() for x in logits])
    np.testing.assert_allclose(found.to_end[-1], 1)
    assert len(found.table()) == 4 * 3


def test_checkpoints_are_compared_with_another_network_where_one_is_given():
    models = training(3)
    found = cv.diff(models, models[0], IMAGES, ["conv2"])
    np.testing.assert_allclose(found.to_end[0], 1)
    assert found.end == "one"
    np.testing.assert_allclose(found.to_end[::-1], cv.diff(models[::-1], None, IMAGES, ["conv2"]).to_end, atol=1e-6)


def test_a_recorder_is_a_training(tmp_path):
    models = training(3)
    recorder = cv.Recorder(tmp_path / "run", network="tests.verbs.pair_networks:network")
    unnamed = cv.Recorder(tmp_path / "unnamed")
    for step, model in zip((0, 10, 50), models, strict=True):
        recorder.save(step, model.params)
        unnamed.save(step, model.params)
    found = cv.diff(recorder, None, IMAGES)
    assert found.steps == (0, 10, 50)
    np.testing.assert_array_equal(found.to_end, cv.diff(models, None, IMAGES).to_end)
    np.testing.assert_array_equal(cv.diff(unnamed, models[0], IMAGES).to_end, found.to_end)
    with pytest.raises(UsageError, match="the recorder does not name its network; give it as b"):
        cv.diff(unnamed, None, IMAGES)
    with pytest.raises(UsageError, match="holds 0 recorded steps; two are needed"):
        cv.diff(cv.Recorder(tmp_path / "nothing"), None, IMAGES)


def test_a_checkpoint_that_is_broken_is_named():
    models = training(3)
    models[1] = changed(models[1], lambda name, leaf: np.nan * leaf)
    with pytest.raises(UsageError, match="step 1 has values that are not finite"):
        cv.diff(models, None, IMAGES)


def test_what_is_no_training_is_refused():
    with pytest.raises(UsageError, match="two checkpoints or more, got 1"):
        cv.diff([network()], None, IMAGES)
    with pytest.raises(ModelError, match="two computes something else"):
        cv.diff([network(), permuted()], None, IMAGES)
    with pytest.raises(UsageError, match="give one list of layers"):
        cv.diff(training(2), None, IMAGES, (["conv1"], ["conv2"]))
    with pytest.raises(UsageError, match="checkpoints are compared over all images"):
        cv.diff(training(2), None, IMAGES, form="minibatch")
