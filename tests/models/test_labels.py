"""Class names come from the weights file or the list beside it, or not at all."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.labels import labels_beside

THOUSAND = [f"thing, {index}" for index in range(1000)]


def weights_file(folder, **metadata):
    save_file({"x": np.zeros(1, np.float32)}, folder / "w.safetensors", metadata=metadata)
    return folder / "w.safetensors"


def test_metadata_names_the_classes_as_json_or_with_commas(tmp_path):
    assert labels_beside(weights_file(tmp_path, labels='["cat", "dog, large"]'), 2) == ("cat", "dog, large")
    assert labels_beside(weights_file(tmp_path, classes="cat, dog"), 2) == ("cat", "dog")


def test_metadata_that_describes_rather_than_lists_is_passed_over(tmp_path):
    assert labels_beside(weights_file(tmp_path, classes="1000 WNID-sorted"), 1000) is None


@pytest.mark.parametrize("entries", [THOUSAND, [[f"n{index}", name] for index, name in enumerate(THOUSAND)]])
def test_the_list_beside_the_file_names_the_thousand_classes(tmp_path, entries):
    (tmp_path / "imagenet_classes.json").write_text(json.dumps(entries))
    assert labels_beside(weights_file(tmp_path), 1000) == tuple(THOUSAND)
    assert labels_beside(weights_file(tmp_path), 10) is None


@pytest.mark.parametrize("text", ["[1, 2", '["only one"]', '{"0": "cat"}'])
def test_a_broken_list_beside_the_file_is_told(tmp_path, text):
    (tmp_path / "imagenet_classes.json").write_text(text)
    with pytest.raises(WeightsError, match=r"imagenet_classes\.json"):
        labels_beside(weights_file(tmp_path), 1000)
