"""Surveys as pandas and xarray have them: rows of units, axes by their names."""

import dataclasses
import sys

import numpy as np
import pytest

from cnnviz_jax.errors import UsageError
from tests.results.every_result import made

SURVEYS = ("Exemplars", "Distributions", "Dissection")


@pytest.mark.parametrize("name", SURVEYS)
def test_a_survey_is_a_data_frame(name):
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = made(name).to_pandas()
    assert frame.to_dict("records") == made(name).table()
    assert set(frame["unit"]) == set(range(4))


@pytest.mark.parametrize("name", SURVEYS)
def test_a_survey_is_a_labelled_data_set(name):
    pytest.importorskip("xarray", reason="xarray is not installed")
    found = made(name).to_xarray()
    assert found.sizes["c"] == 4
    assert found.attrs["layer"] == made(name).layer
    for array in found:
        np.testing.assert_array_equal(found[array].values, getattr(made(name), array))


def test_the_axes_of_images_are_called_by_what_they_are():
    pytest.importorskip("xarray", reason="xarray is not installed")
    found = made("Exemplars").to_xarray()
    assert found["images"].dims == ("m", "h", "w", "ch")
    assert found["place"].dims == ("c", "k", "axes")
    assert found["box"].dims == ("c", "k", "ends")
    assert made("Dissection").to_xarray()["masks"].dims == ("u", "k", "h", "w")
    series = dataclasses.replace(made("Exemplars"), images=made("Exemplars").images[:, 0]).to_xarray()
    assert series["images"].dims == ("m", "t", "ch")


def test_exemplars_have_a_row_per_unit_and_image_strongest_first():
    rows = made("Exemplars").table()
    assert len(rows) == 4 * 2
    assert rows[0]["value"] >= rows[1]["value"]
    assert (rows[0]["row"], rows[0]["column"]) == tuple(made("Exemplars").place[0, 0])
    assert [rows[0][side] for side in ("top", "left", "bottom", "right")] == made("Exemplars").box[0, 0].tolist()


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("xarray", "to_xarray")])
def test_without_the_package_a_sentence_says_what_to_install(package, method, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"needs the package '{package}'.*pip install 'cnnviz-jax\[tables\]'"):
        getattr(made("Exemplars"), method)()
