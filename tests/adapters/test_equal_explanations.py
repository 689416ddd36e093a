"""The same network with equal weights is explained equally, whatever framework it was written in."""

from typing import Any

import numpy as np
import pytest

import cnnviz_jax as cv
from tests.adapters.networks import EVERY, NAMES, images, model_of

OTHERS = [framework for framework in EVERY if framework not in ("linen", "callable")]
MAP = {"vgg": "bn2", "resnet": "layer2"}
QUESTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "guided-backprop": {},
    "grad-cam": {"layer": MAP},
    "occlusion": {"window": 5, "stride": 3, "engine": "dense"},
    "occlusion, incremental": {"window": 5, "stride": 3, "engine": "incremental"},
}

_answers: dict[tuple[str, str, str], np.ndarray] = {}


def heatmap(framework: str, name: str, technique: str) -> np.ndarray:
    """Return what a technique says, computed once."""
    asked = (framework, name, technique)
    if asked not in _answers:
        options = {key: value[name] if value is MAP else value for key, value in QUESTIONS[technique].items()}
        model = model_of(framework, name)
        result = cv.explain(technique.split(",")[0], model, images(2), target=2, **options)
        _answers[asked] = np.asarray(result.values)
    return _answers[asked]


@pytest.mark.parametrize("technique", QUESTIONS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("framework", OTHERS)
def test_explanations_agree(framework: str, name: str, technique: str) -> None:
    expected = heatmap("linen", name, "occlusion" if "occlusion" in technique else technique)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(heatmap(framework, name, technique), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("framework", OTHERS)
def test_filters_agree(framework: str, name: str) -> None:
    layer = {"vgg": "conv1", "resnet": "stem"}[name]
    found, expected = (cv.inspect("filters", model_of(which, name), layer=layer) for which in (framework, "linen"))
    np.testing.assert_allclose(found.kernel, expected.kernel, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("framework", OTHERS)
def test_scores_and_receptive_fields_agree(framework: str, name: str) -> None:
    model, reference = model_of(framework, name), model_of("linen", name)
    np.testing.assert_allclose(model(images(2)), reference(images(2)), atol=1e-5)
    fields = [[layer.receptive_field for layer in m.layers.values()] for m in (model, reference)]
    assert fields[0] == fields[1]
