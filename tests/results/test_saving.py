"""A stored result comes back as it was, bit by bit, and a file can do nothing but hold one."""

import dataclasses
import json
import zipfile

import jax
import ml_dtypes
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.archive.files import write_entries
from cnnviz_jax.errors import RenderError, ResultFileError, UsageError
from cnnviz_jax.results.result import Result
from tests.renderers import factories
from tests.results.every_result import MAKERS, images, made, model

SUFFIXES = ("npz", "zarr")


def assert_same(found, expected, way=""):
    """Every array has the same bits, everything else is equal and of the same class."""
    if hasattr(expected, "__array__"):
        assert np.asarray(found).dtype == np.asarray(expected).dtype, way
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), err_msg=way)
        return
    assert type(found) is type(expected), way
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name), f"{way}.{field.name}")
    elif isinstance(expected, dict):
        assert list(found) == list(expected), way
        for key in expected:
            assert_same(found[key], expected[key], f"{way}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), way
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{way}[{number}]")
    else:
        assert found == expected or (found != found and expected != expected), way


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", MAKERS)
def test_every_result_comes_back_as_it_was(name, suffix, tmp_path):
    path = cv.save(made(name), tmp_path / f"kept.{suffix}")
    assert path.exists()
    assert_same(cv.load(path), made(name))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_arrays_lie_in_the_file_under_their_own_names(tmp_path):
    result = made("Attribution")
    path = cv.save(result, tmp_path / "kept.npz")
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["values"], result.values)


def test_equal_results_give_equal_bytes(tmp_path):
    first, second = (cv.save(made("Attribution"), tmp_path / f"{name}.npz").read_bytes() for name in "ab")
    assert first == second


def test_what_the_renderer_and_the_command_line_write_can_be_loaded_too(tmp_path):
    assert_same(cv.load(cv.render(made("Exemplars"), tmp_path / "kept.npz")), made("Exemplars"))


TARGETS = {
    "channel": lambda layer: cv.targets.channel(layer, 1),
    "neuron": lambda layer: cv.targets.neuron(layer, 1, 2, 3),
    "probability": lambda layer: cv.targets.class_score(1, of="probability"),
    "sum": lambda layer: cv.targets.channel(layer, 1) - 0.5 * cv.targets.class_score(2),
    "direction": lambda layer: cv.targets.direction(layer, np.arange(4.0, dtype=np.float32)),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_come_back_and_score_the_same(kind, tmp_path):
    layer = next(each.name for each in model().layers.values() if each.kind == "conv")
    result = cv.explain("saliency", model(), images(), TARGETS[kind](layer))
    kept = cv.load(cv.save(result, tmp_path / "kept.npz"))
    assert_same(jax.tree.leaves(kept.target), jax.tree.leaves(result.target))
    assert_same(cv.rerun(kept.provenance, model(), images()).values, result.values)


def test_a_target_of_ones_own_comes_back_as_words_and_is_not_run_again(tmp_path):
    own = cv.targets.custom(lambda outputs: outputs[0])
    kept = cv.load(cv.save(cv.explain("saliency", model(), images(), own), tmp_path / "kept.npz"))
    assert "Custom" in kept.target.what
    assert kept[0].values.shape == (1, 8, 8, 3)
    with pytest.raises(UsageError, match="which a file cannot hold; call it again with yours"):
        cv.rerun(kept.provenance, model(), images())


def test_bfloat16_comes_back_as_bfloat16(tmp_path):
    values = np.arange(4, dtype=ml_dtypes.bfloat16).reshape(1, 2, 2)
    result = dataclasses.replace(
        factories.filters(), kernel=values[..., None], provenance=made("FilterBank").provenance
    )
    assert_same(cv.load(cv.save(result, tmp_path / "kept.npz")), result)


def test_the_config_of_a_technique_that_is_not_here_comes_back_as_a_dict(tmp_path):
    kept = cv.load(cv.save(factories.filters(), tmp_path / "kept.npz"))
    assert kept.provenance.config["sigma"] == 0.15


@pytest.mark.parametrize(
    ("structure", "words"),
    [
        ('{"format": 1, "result": {"class": "os.system", "fields": {}}}', "names a class 'os.system'"),
        ('{"format": 1, "result": {"class": "Attribution", "fields": {}}}', "does not hold a whole result: TypeError"),
        ('{"format": 1, "result": {"class": "Fraction", "fields": {"numerator": 1}}}', "holds a Fraction"),
        ('{"format": 1, "result": {"array": "absent"}}', "does not hold a whole result: KeyError"),
        ('{"format": 99, "result": null}', "written by a later version"),
        ("[]", "does not hold a whole result"),
        ("{", "does not hold a whole result: JSONDecodeError"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_a_sentence(structure, words, tmp_path):
    write_entries(tmp_path / "bad.npz", {"structure": np.array(structure)})
    with pytest.raises(ResultFileError, match=words):
        cv.load(tmp_path / "bad.npz")


def test_a_pickle_in_the_file_is_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    np.savez(tmp_path / "bad.npz", structure=np.array([Bomb()], dtype=object))
    with pytest.raises(ResultFileError, match="not a whole"):
        cv.load(tmp_path / "bad.npz")


def test_files_that_are_missing_broken_or_other_are_refused(tmp_path):
    (tmp_path / "broken.npz").write_bytes(cv.save(made("FilterBank"), tmp_path / "whole.npz").read_bytes()[:500])
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    (tmp_path / "other.zarr").mkdir()
    for name, words in {
        "absent.npz": "no file", "broken.npz": "not a whole", "other.npz": "no result of cnnviz_jax",
        "absent.zarr": "no folder", "other.zarr": "no result of cnnviz_jax",
    }.items():  # fmt: skip
        with pytest.raises(ResultFileError, match=words):
            cv.load(tmp_path / name)


class Own(Result):
    pass


def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"\.npz or \.zarr, got .*kept\.png"):
        cv.save(made("FilterBank"), tmp_path / "kept.png")
    with pytest.raises(UsageError, match=r"results of cnnviz_jax can be stored, got a tests.*\.Own"):
        cv.save(Own(), tmp_path / "kept.npz")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis").write_text("years of work")
    with pytest.raises(UsageError, match="is there and is no stored result"):
        cv.save(made("FilterBank"), tmp_path / "mine.zarr")
    with pytest.raises(RenderError, match="cannot write"):
        cv.save(made("FilterBank"), tmp_path / "mine.zarr" / "thesis" / "kept.npz")


def test_the_structure_is_plain_json(tmp_path):
    with zipfile.ZipFile(cv.save(made("Attribution"), tmp_path / "kept.npz")) as archive:
        assert "structure.npy" in archive.namelist()
    with np.load(tmp_path / "kept.npz") as archive:
        assert json.loads(str(archive["structure"]))["format"] == 1
