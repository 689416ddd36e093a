"""Reading a run back: lazily, by example, as the results that the library's own doors return."""

import dataclasses
import shutil

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_jax.sweep.run_options import RunOptions
from tests.sweep import fixtures, harness

SURVEYS = [
    {"technique": "exemplars", "layer": "conv2", "k": 3},
    {"technique": "distributions", "layer": "conv2", "sample": 32},
    {"technique": "top-k", "layers": ["conv1"], "k": 2},
]
EXPLAIN = [{"technique": "smoothgrad", "samples": 3}, {"technique": "grad-cam", "layer": "conv2"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep of two techniques and three surveys over an `.npz`."""
    place = tmp_path_factory.mktemp("open")
    npz = fixtures.write_npz(place / "images.npz", count=21)
    return harness.sweep(place / "run", source=str(npz), explain=EXPLAIN, survey=SURVEYS, devices=2).root


def test_attributions_are_those_of_explain(folder):
    run = cv.open_run(folder, trust=True)
    ids = [3, 17, 4]
    found = run.attribution("grad-cam", ids)
    expected = cv.explain("grad-cam", fixtures.net(), run.images(ids), key=0, ids=ids, layer="conv2")
    np.testing.assert_allclose(found.low_res, expected.low_res, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(found.values, expected.values, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert found.provenance.targets == expected.provenance.targets
    assert found.provenance.config == expected.provenance.config
    assert found.view == expected.view


def test_a_run_is_read_from_another_folder_than_it_was_started_in(tmp_path, monkeypatch):
    started, elsewhere = tmp_path / "started", tmp_path / "elsewhere"
    started.mkdir()
    elsewhere.mkdir()
    fixtures.write_npz(started / "images.npz", count=8)
    monkeypatch.chdir(started)
    root = harness.sweep(started / "run", source="images.npz", explain=EXPLAIN[1:]).root
    here = cv.open_run(root, trust=True).attribution("grad-cam", [1, 2])
    monkeypatch.chdir(elsewhere)
    assert cv.open_run(root, trust=True).attribution("grad-cam", [1, 2]) == here


def test_surveys_are_those_of_survey(folder):
    run = cv.open_run(folder, trust=True)
    images, labels = run.images(range(21)), np.arange(21, dtype=np.int32) % 4
    found = run.survey("exemplars")
    expected = cv.survey("exemplars", fixtures.net(), images, labels, layer="conv2", k=3)
    np.testing.assert_array_equal(found.id, expected.id)
    np.testing.assert_array_equal(found.place, expected.place)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-5)
    np.testing.assert_allclose(found.class_means, expected.class_means, rtol=1e-5)
    spread = run.survey("distributions")
    again = cv.survey("distributions", fixtures.net(), images, labels, layer="conv2", sample=32)
    for field in dataclasses.fields(again):
        if isinstance(getattr(again, field.name), np.ndarray) and getattr(again, field.name).dtype.kind in "iu":
            np.testing.assert_array_equal(getattr(spread, field.name), getattr(again, field.name), err_msg=field.name)
    top = run.survey("top-k")["conv1"]
    assert top["id"].shape == (4, 2)


def test_arrays_and_mistakes(folder):
    run = cv.open_run(folder)
    assert len(run) == 21
    assert run.names == ("smoothgrad", "grad-cam", "exemplars", "distributions", "top-k")
    assert run.status([0, 20]).tolist() == [1, 1]
    assert run.heatmaps("smoothgrad", slice(2, 5)).shape == (3, *fixtures.SHAPE)
    assert "finished" in repr(run)
    with pytest.raises(UsageError, match="no array 'prediction'"):
        run.array("prediction")
    with pytest.raises(UsageError, match=r"no explanation 'smoothgard' in this run. Did you mean 'smoothgrad'"):
        run.heatmaps("smoothgard")
    with pytest.raises(UsageError, match="example 21 is out of range: this run has examples 0 to 20"):
        run.attribution("grad-cam", [21])
    with pytest.raises(UsageError, match="the weights of plain are not those that were swept"):
        _ = cv.open_run(folder, fixtures.net(3)).model
    with pytest.raises(UsageError, match="no run in"):
        cv.open_run(folder.parent)


def test_a_run_that_is_not_finished_gives_what_it_has(tmp_path, folder):
    copy = shutil.copytree(folder, tmp_path / "run")
    (copy / "DONE.json").unlink()
    run = cv.open_run(copy)
    assert run.attribution("grad-cam", [0]).values.shape == (1, 16, 16)
    with pytest.raises(UsageError, match="is not finished"):
        run.survey("exemplars")


def test_an_example_without_a_result_says_why(tmp_path, monkeypatch):
    class Sometimes(fixtures.Images):
        def __getitem__(self, index):
            if index == 2:
                raise RuntimeError("gone")
            return super().__getitem__(index)

    monkeypatch.setattr(fixtures, "one_gone", lambda: Sometimes(5), raising=False)
    options = RunOptions()
    run = cv.open_run(
        harness.sweep(tmp_path / "run", source="tests.sweep.fixtures:one_gone", max_bad="1", options=options).root
    )
    with pytest.raises(ImageError, match="example 2 has no result: unreadable image 2: RuntimeError: gone"):
        run.attribution("smoothgrad", [1, 2])


def test_report_writes_the_page_of_a_run(tmp_path, folder, monkeypatch, capsys):
    monkeypatch.chdir(harness.CHECKOUT)
    out = tmp_path / "page.html"
    named = ["--model", "tests.sweep.fixtures:net"]
    assert main(["report", "--run", str(folder), *named, "--out", str(out), "--quiet"]) == 0, capsys.readouterr().err
    page = out.read_text()
    assert "plain over 21 images" in page
    assert "grad-cam" in page
    assert main(["report", "shapes", "--run", str(folder)]) == 2
    assert "name only --out" in capsys.readouterr().err
