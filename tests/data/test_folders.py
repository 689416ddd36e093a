"""One listing of a folder and one crop rule, whoever reads the images."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.formats import images_below
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model


@pytest.fixture
def folder(tmp_path):
    """Two images below two folders, one beside them, and what is no image."""
    root = tmp_path / "images"
    for name in ("b/2.png", "a/deep/1.PNG", "c.png"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(path)
    (root / "a" / "notes.txt").touch()
    (root / "folder.png").mkdir()
    return root


def test_images_are_listed_with_their_paths_below_the_folder(folder):
    assert images_below(folder) == {name: folder / name for name in ("a/deep/1.PNG", "b/2.png", "c.png")}


def test_a_source_lists_the_same_images(folder):
    source = open_source(str(folder), (16, 16, 3))
    assert [source.name(i) for i in range(len(source))] == list(images_below(folder))


@pytest.mark.parametrize("share", [0, 0.0, -0.5, 1.5, float("nan")])
def test_a_crop_share_outside_0_to_1_is_refused_alike_by_an_image_and_a_folder(folder, share):
    said = []
    with pytest.raises(UsageError) as refused:
        cv.load_image(folder / "c.png", model(16, 16, 3), crop_share=share)
    said.append(str(refused.value))
    with pytest.raises(UsageError) as refused:
        open_source(str(folder), (16, 16, 3), crop_share=share)
    said.append(str(refused.value))
    assert said == [f"crop_share is above 0 and at most 1, which keeps the whole short side; got {share!r}"] * 2


@pytest.mark.parametrize("share", [None, 1, 0.5])
def test_an_image_and_a_folder_crop_alike(tmp_path, share):
    net = model(128, 128, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    alone = cv.load_image(tmp_path / "a.png", net, crop_share=share)
    np.testing.assert_array_equal(open_source(str(tmp_path), net.input_shape, crop_share=share)[0].image, alone)


def test_folders_called_like_the_models_classes_have_its_numbers_and_others_are_numbered_by_name(tmp_path):
    for name in ("zebra", "ant"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name / "1.png")
    for classes, ant, zebra in ((("zebra", "cat", "ant"), 2, 0), (("zebra", "cat"), 0, 1), ((), 0, 1)):
        found = Dataset.of(tmp_path, (8, 8, 3), labels="folders", class_names=classes)
        assert [found.source.name(k) for k in range(2)] == ["ant/1.png", "zebra/1.png"]
        assert [found.label(k) for k in range(2)] == [ant, zebra]
        assert (found.class_names[ant], found.class_names[zebra]) == ("ant", "zebra")
        assert found.source.digest() == open_source(str(tmp_path), (8, 8, 3), labels="folders").digest()
