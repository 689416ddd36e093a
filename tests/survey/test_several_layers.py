"""Several layers at once: one pass over the images, and what each layer alone would give."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.reducers import Confusion
from cnnviz_jax.engine.surveys import Surveyed, gathered
from cnnviz_jax.errors import CnnvizWarning, LayerNotFoundError
from cnnviz_jax.options.building import technique_and_config
from tests.explain.small_network import model, some_images


class Counted:
    """Images that count how often each is read."""

    fields = {"label": ((), "int32")}  # noqa: RUF012

    def __init__(self, images):
        self.images, self.read = images, [0] * len(images)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        from cnnviz_jax.plugin import Example

        self.read[index] += 1
        return Example(image=self.images[index], fields={"label": np.int32(index % 3)})

    def name(self, index):
        return str(index)

    def digest(self):
        return "counted"


def test_several_layers_share_one_pass_and_equal_those_asked_for_one_by_one():
    source = Counted(some_images(9))
    both = cv.survey("exemplars", model(), source, layer="conv2,head", batch=4)
    assert source.read == [1 + 2 * kept for kept in times_kept(both.values())]  # its pixels and its label
    alone = cv.survey("exemplars", model(), source, layer="conv2", batch=4)
    np.testing.assert_array_equal(both["conv2"].id, alone.id)
    np.testing.assert_array_equal(both["conv2"].value, alone.value)
    np.testing.assert_array_equal(both["conv2"].class_means, alone.class_means)
    assert both["conv2"].provenance.config.layer == "conv2"


def times_kept(results):
    """How often each image was read again at the end, for the units that are drawn."""
    return [sum(int(number in result.image_ids) for result in results) for number in range(9)]


def test_reducers_that_are_equal_are_gathered_once():
    dataset = Dataset.of(Counted(some_images(3)), model().input_shape)
    asked = [("exemplars", "conv1"), ("distributions", "conv1"), ("exemplars", "head")]
    each = [Surveyed.of(*technique_and_config(name, "survey", {"layer": layer}), model()) for name, layer in asked]
    ran = []

    def run(reducers, **_):
        ran.append(list(reducers.values()))
        return {name: reducer.finish(reducer.empty()) for name, reducer in reducers.items()}, {}

    found, extra, _ = gathered(each, model(), dataset, run, more={"answers": Confusion(classes=3)})
    assert len(ran) == 1
    kinds = [(type(reducer).__name__, *reducer.layers) for reducer in ran[0]]
    assert kinds.count(("ImagesFired", "conv1")) == kinds.count(("ClassMeans", "conv1")) == 1
    assert found[0]["fired"] is found[1]["fired"]
    assert list(extra) == ["answers"]


def test_all_is_every_layer():
    assert model().layers.matching("all") == tuple(model().layers)
    assert model().layers.matching("conv1") is None


def test_a_pattern_names_layers_in_the_order_of_the_network():
    found = cv.survey("exemplars", model(), some_images(3), layer="head, conv?", k=1)
    assert list(found) == ["conv1", "conv2", "head"]


def test_a_pattern_that_nothing_fits_is_refused():
    with pytest.raises(LayerNotFoundError, match=r"no layer of .* is called like 'block\*'"):
        cv.survey("exemplars", model(), some_images(2), layer="conv1,block*")


def test_what_each_layer_warns_of_is_told():
    broken = some_images(3)
    broken[1, 0, 0, 0] = np.nan
    with pytest.warns(CnnvizWarning, match="left out"):
        cv.survey("exemplars", model(), broken, layer="conv*")


def test_a_survey_that_reads_twice_does_so_for_all_layers_together():
    images = some_images(6)
    concepts = {"concepts": images[..., :2].transpose(0, 3, 1, 2) > 0.5}
    both = cv.survey("dissection", model(), images, layer="conv*", fields=concepts, batch=3)
    alone = cv.survey("dissection", model(), images, layer="conv1", fields=concepts, batch=3)
    np.testing.assert_allclose(both["conv1"].iou, alone.iou, atol=1e-6)


def test_the_command_writes_a_file_for_each_layer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    for i, image in enumerate(some_images(3)):
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / "set" / f"{i}.png")
    line = ["survey", "exemplars", "tests.explain.small_network:model", "set", "--layer", "conv*", "--out", "a.npz"]
    assert main(line) == 0
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == ["a-conv1.npz", "a-conv2.npz"]
