"""Class names come from the network, or from the weights file or the list beside it, or not at all."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.labels import imagenet_classes, labels_beside
from cnnviz_plugins.models.published import PUBLISHED

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


def test_imagenet_has_a_thousand_classes_each_with_a_name_of_its_own(weights):
    names = imagenet_classes()
    assert len(set(names)) == 1000
    listed = [name for _, name in json.loads((weights / "imagenet_classes.json").read_text(encoding="utf-8"))]
    plain = [name.removesuffix(" (bird)").removesuffix(" (garment)").replace(" (tank suit)", "") for name in names]
    assert [name.casefold() for name in plain] == [name.replace("_", " ").casefold() for name in listed]


def test_an_imagenet_network_knows_its_classes_without_a_file_beside_its_weights():
    assert PUBLISHED["resnet50"].labels[207] == "golden retriever"
