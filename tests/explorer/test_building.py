"""A site is made of whole files: stopped anywhere it opens, and the same call continues it to the same bytes."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.engine import survey
from cnnviz_jax.errors import LayerNotFoundError, UsageError
from cnnviz_jax.site.folder import SiteFolder
from tests.explorer.sites import content, explore, images, labels, made, model


class Stopped(BaseException):
    """Stands for a kill: nothing in the library catches it."""


@pytest.fixture
def stop_after(monkeypatch):
    """Let so many files of data be written and then stop."""

    def set_to(count):
        left, write = [count], SiteFolder.write

        def counted(self, name, held):
            if left[0] == 0:
                raise Stopped(name)
            left[0] -= 1
            write(self, name, held)

        monkeypatch.setattr(SiteFolder, "write", counted)
        return lambda: monkeypatch.setattr(SiteFolder, "write", write)

    return set_to


LAYERS = ["stem", "head"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "site"
    explore(folder, layers=LAYERS, synthesis="top:2", key=1)
    return content(folder)


def test_two_runs_give_the_same_bytes(whole, tmp_path):
    explore(tmp_path / "again", layers=LAYERS, synthesis="top:2", key=1)
    assert content(tmp_path / "again") == whole


@pytest.mark.parametrize("count", [0, 1, 2, 5, 7, 9])
def test_stopped_anywhere_it_opens_and_continues_to_the_same_bytes(count, whole, tmp_path, stop_after):
    again = stop_after(count)
    with pytest.raises(Stopped):
        explore(tmp_path / "site", layers=LAYERS, synthesis="top:2", key=1)
    again()
    if (tmp_path / "site" / "site.json").exists():
        site = cv.open_site(tmp_path / "site")
        for layer, unit in site.units():  # all that is said to be there is there
            assert site.unit(layer, unit).panels
        assert (tmp_path / "site" / "index.html").exists() or not list(site.units())
    explore(tmp_path / "site", layers=LAYERS, synthesis="top:2", key=1)
    assert content(tmp_path / "site") == whole


def test_what_was_gathered_is_not_gathered_again(tmp_path, stop_after, monkeypatch):
    again = stop_after(3)
    with pytest.raises(Stopped):
        explore(tmp_path / "site", layers=LAYERS)
    again()

    def never(*_, **__):
        pytest.fail("the images were read again")

    monkeypatch.setattr("cnnviz_jax.verbs.explore.run_survey", never)
    assert explore(tmp_path / "site", layers=LAYERS).is_complete


def test_images_are_added_to_a_site_that_is_complete(whole, tmp_path):
    explore(tmp_path / "site", layers=LAYERS)
    explore(tmp_path / "site", layers=LAYERS, synthesis="top:2", key=1)
    assert content(tmp_path / "site") == whole
    site = explore(tmp_path / "site", layers=LAYERS, synthesis="all", key=1)
    assert all(site.unit("head", unit).synthesis for unit in range(3))
    with pytest.raises(UsageError, match="images made with another recipe or seed"):
        explore(tmp_path / "site", layers=LAYERS, synthesis="all", key=2)


def test_one_pass_serves_all_layers(tmp_path, monkeypatch):
    passes, run = [], survey.run_survey

    def counted(reducers, **options):
        passes.append(len(reducers))
        return run(reducers, **options)

    monkeypatch.setattr("cnnviz_jax.verbs.explore.run_survey", counted)
    explore(tmp_path / "site", layers=LAYERS)
    assert len(passes) == 1


def test_a_site_of_something_else_is_refused(tmp_path):
    explore(tmp_path / "site", layers="head", detail="light")
    with pytest.raises(UsageError, match="holds a site of other layers; name another folder"):
        explore(tmp_path / "site", layers="stem", detail="light")
    with pytest.raises(UsageError, match="holds a site of other detail"):
        explore(tmp_path / "site", layers="head")
    with pytest.raises(UsageError, match="holds a site of other images"):
        cv.explore(model(), images()[::-1], tmp_path / "site", labels(), layers="head", detail="light")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not empty and holds no site"):
        explore(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"detail": "most"}, UsageError, "detail is full or light, got 'most'"),
        ({"synthesis": "some"}, UsageError, "synthesis is none, top:N such as top:8, or all, got 'some'"),
        ({"synthesis": "top:0"}, UsageError, "got 'top:0'"),
        ({"recipe": "cake"}, UsageError, "recipe"),
        ({"layers": "deap"}, LayerNotFoundError, "no layer 'deap'"),
        ({"layers": "block*"}, LayerNotFoundError, r"is called like 'block\*'"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        explore(tmp_path / "site", **options)
    assert not list(tmp_path.iterdir())


def test_layers_are_named_and_patterns_too(tmp_path):
    assert explore(tmp_path / "site", layers=["head", "st*"], detail="light").layers == ("stem", "head")


def test_light_detail_has_no_levels(tmp_path):
    site = explore(tmp_path / "site", layers="stem", detail="light")
    assert "levels" in made().unit(made().layers[0], 0).panels
    assert "levels" not in site.unit("stem", 0).panels


def test_without_labels_there_are_no_classes_to_compare(tmp_path):
    site = cv.explore(model(), images(), tmp_path / "site", layers="stem", batch=4)
    assert "classes" not in site.unit("stem", 0).panels
    assert site.image(0)["label"] == -1
    assert site.class_page(0)["images"] == []


def test_images_that_cannot_be_read_are_left_out_and_told(tmp_path):
    folder = tmp_path / "set"
    from PIL import Image

    for number, image in enumerate(images()[:4]):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / "ab"[number % 2] / f"{number}.png")
    (folder / "a" / "broken.png").write_bytes(b"no image")
    site = cv.explore(model(), folder, tmp_path / "site", "folders", layers="head", batch=4)
    assert "1 images could not be read" in site.summary["warnings"]
    assert len(site.summary["images"]) == 4
    assert {name for _, name, _ in site.summary["images"]} == {"a/0.png", "a/2.png", "b/1.png", "b/3.png"}


def test_the_command_makes_a_site_and_lists_its_panels(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("set.npz", images=images(), labels=labels())
    line = ["explore", "tests.explorer.sites:model", "set.npz", "--layers", "stem,head", "--out", "mine"]
    assert main([*line, "--detail", "light"]) == 0
    assert "wrote mine/index.html" in capsys.readouterr().out
    assert cv.open_site("mine").layers == ("stem", "head")
    assert main(["explore", "tests.explorer.sites:model", "--out", "x"]) == 2
    assert "no images, and none come with the model" in capsys.readouterr().err
    assert main(["panels"]) == 0
    assert capsys.readouterr().out.split().count("exemplars") >= 2
