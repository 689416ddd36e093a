"""Archives: every array and word comes back, without pickle, and equal results give equal bytes."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_plugins.renderers.npz import parts, render
from tests.renderers import factories


def opened(result, path):
    render(result, path)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_an_attribution_comes_back_whole(tmp_path):
    result = factories.attribution(factories.signed(2, 4, 4), low_res=factories.signed(2, 2, 2), warnings=("careful",))
    back = opened(result, tmp_path / "a.npz")
    np.testing.assert_array_equal(back["values"], result.values)
    np.testing.assert_array_equal(back["low_res"], result.low_res)
    np.testing.assert_array_equal(back["target"], [0, 1])
    provenance = json.loads(str(back["provenance"]))
    assert provenance["config"] == {"window": [4, 4], "fill": "mean", "sigma": 0.15}
    assert provenance["targets"][1] == factories.HOSTILE
    about = json.loads(str(back["about"]))
    assert (about["result"], about["view"], about["warnings"]) == ("Attribution", "heatmap", ["careful"])


def test_a_report_names_arrays_by_the_way_to_them(tmp_path):
    back = opened(factories.report(), tmp_path / "r.npz")
    assert {"images", "attributions/saliency/values", "inspections/filters/kernel", "syntheses/ascent conv1/curves",
            "predictions/1/probabilities", "inspections/rf/fields/conv1/reaches/0/first"} <= set(back)  # fmt: skip
    assert json.loads(str(back["provenance"]))["attributions/saliency"]["technique"] == "made"
    about = json.loads(str(back["about"]))
    assert about["refused/gap"].startswith("no pooling")
    assert about["inspections/rf/fields/conv1/reaches/0/index_map"] == ["2", "0", "2"]


def test_a_synthesis_keeps_its_statuses_and_values_that_are_not_finite(tmp_path):
    back = opened(factories.synthesis(), tmp_path / "s.npz")
    assert json.loads(str(back["about"]))["status"][1] == "no_gradient"
    assert np.isnan(back["curves"][2]).all()


def test_equal_results_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        render(factories.report(), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_bfloat16_is_stored_as_float32_and_said(tmp_path):
    result = factories.attribution(np.ones((1, 2, 2)))
    object.__setattr__(result, "scores", jnp.asarray([1.5], jnp.bfloat16))
    back = opened(result, tmp_path / "b.npz")
    assert back["scores"].dtype == np.float32
    assert back["scores"][0] == 1.5
    assert json.loads(str(back["about"]))["scores/dtype"] == "bfloat16"


def test_options_and_strange_results_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no display option 'dpi' here: an archive holds raw numbers"):
        render(factories.filters(), tmp_path / "f.npz", dpi=100)
    with pytest.raises(RenderError, match="no archive of list"):
        parts([1])
    assert not list(tmp_path.iterdir())
