"""A map says in what unit it is, and a technique what its map rests on."""

import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import EVIDENCES
from cnnviz_jax.verbs.report import usual
from tests.explain.small_network import model

SLOPE = "score per unit of intensity"


@pytest.mark.parametrize(
    ("name", "options", "unit"),
    [
        ("saliency", {}, None),  # the renderer's own word for pixels, which is SLOPE
        ("smoothgrad", {}, SLOPE),
        ("smoothgrad", {"method": "integrated-gradients"}, "score"),
        ("smoothgrad-squared", {}, f"({SLOPE})²"),
        ("vargrad", {"method": "deeplift"}, "(score)²"),
        ("guided-grad-cam", {}, "guided gradient times Grad-CAM"),
        *((name, {}, "score") for name in ("input-x-gradient", "integrated-gradients", "gradient-shap", "deeplift")),
        *((name, {}, "score") for name in ("deeplift-shap", "guided-ig", "blur-ig", "lrp", "deep-taylor")),
    ],
)
def test_shares_of_a_score_are_not_called_slopes_of_it(name, options, unit):
    fold = resolve_technique(name, "explain", options, model()).built
    assert [value for key, value in fold.notes if key == "unit"] == ([] if unit is None else [unit])


def test_explanations_of_a_report_stand_by_what_they_rest_on_parts_taken_away_first():
    shown = [spec for spec in plugins().techniques.values() if spec.kind == "explain" and spec.in_report]
    assert {spec.name for spec in shown if spec.evidence == "other"} == {"feature-maps"}  # which has its own section
    assert next(spec for spec in shown if spec.name == "occlusion").evidence == EVIDENCES[0]
    assert {spec.name for spec in shown if spec.evidence == "rules"} >= {"lrp", "guided-backprop", "deconvnet"}
    assert "concept-relevance" not in {spec.name for spec in shown}
    cards = [name for name in usual(plugins().techniques) if name in {spec.name for spec in shown}]
    assert cards[:2] == ["occlusion", "integrated-gradients"]
    assert set(cards[2:6]) == {"grad-cam", "layer-cam", "saliency", "smoothgrad"}
    named = ["guided-backprop", "saliency"]
    images = cv.example_images("shapes", 1)[0][:, :12, :10]
    assert list(cv.report(model(), images, techniques=named).attributions) == named
