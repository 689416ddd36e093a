"""Which word is the technique, which the model, which are images."""

from dataclasses import dataclass

import pytest

from cnnviz_jax.cli.positionals import image_files, take_model, take_technique
from cnnviz_jax.errors import ImageError, UnknownNameError, UsageError
from cnnviz_jax.plugins import PluginInfo, Plugins
from cnnviz_jax.plugins.specs import ModelSpec, TechniqueSpec


@dataclass(frozen=True)
class Config:
    pass


@pytest.fixture
def registry():
    made = Plugins(lambda path: pytest.fail(f"read {path}"))
    offered = {
        "cnnviz_techniques": [
            TechniqueSpec(name=name, kind=kind, summary="x", config=Config, build=len)
            for name, kind in (("occlusion", "explain"), ("ascent", "synthesize"), ("dream", "synthesize"))
        ],
        "cnnviz_models": [ModelSpec(name="shapes", summary="Small", build=len)],
    }
    made.add(PluginInfo("ours", "ours-dist", "1", {}), offered)
    return made


def test_a_technique_is_the_first_word(registry):
    spec, rest = take_technique(["occlusion", "shapes", "--stride", "4"], registry, "explain")
    assert (spec.name, rest) == ("occlusion", ["shapes", "--stride", "4"])


def test_a_line_without_technique_says_how_to_name_one(registry):
    with pytest.raises(UsageError, match=r"say which technique: cnnviz explain TECHNIQUE MODEL"):
        take_technique(["--stride", "4"], registry, "explain")


@pytest.mark.parametrize(
    ("line", "technique", "rest"),
    [
        (["shapes", "--layer", "c"], "ascent", ["shapes", "--layer", "c"]),
        (["mine.net:build"], "ascent", ["mine.net:build"]),
        (["--model", "shapes"], "ascent", ["--model", "shapes"]),
        (["dream", "shapes"], "dream", ["shapes"]),
        (["dream", "--model", "shapes"], "dream", ["--model", "shapes"]),
        (["shaeps", "--layer", "c"], "ascent", ["shaeps", "--layer", "c"]),
    ],
)
def test_synthesize_may_leave_its_technique_out(line, technique, rest, registry):
    spec, left = take_technique(line, registry, "synthesize", default="ascent")
    assert (spec.name, left) == (technique, rest)


def test_a_misspelt_technique_before_a_model_is_not_taken_for_the_model(registry):
    with pytest.raises(UnknownNameError, match=r"no synthesize technique 'draem'. Did you mean 'dream'"):
        take_technique(["draem", "shapes"], registry, "synthesize", default="ascent")


def test_a_technique_of_another_verb_is_named_as_such(registry):
    with pytest.raises(UnknownNameError, match=r"use `cv.explain` or `cnnviz explain occlusion`"):
        take_technique(["occlusion", "shapes"], registry, "synthesize", default="ascent")


@pytest.mark.parametrize(
    ("line", "chosen", "model", "rest"),
    [
        (["shapes", "a.png"], None, "shapes", ["a.png"]),
        (["mine:build", "a.png"], None, "mine:build", ["a.png"]),
        (["a.png", "b.png"], "shapes", "shapes", ["a.png", "b.png"]),
        (["shaeps", "a.png"], None, "shaeps", ["a.png"]),
    ],
)
def test_the_model_is_the_first_word_unless_given_as_an_option(line, chosen, model, rest, registry):
    assert take_model(line, registry, chosen, usage="cnnviz explain ...") == (model, rest)


def test_an_image_is_never_taken_for_a_model(registry, tmp_path):
    (tmp_path / "holidays").mkdir()
    for word in ("a.png", "holidays"):
        with pytest.raises(UsageError, match=f"say which model: '{word}' is an image or a folder; write cnnviz"):
            take_model([word], registry, None, usage="cnnviz explain ...")
        assert take_model([word], registry, None, usage="", default="shapes") == ("shapes", [word])


def test_a_model_wins_over_a_file_of_its_name(registry, tmp_path):
    (tmp_path / "shapes").mkdir()
    assert take_model(["shapes"], registry, None, usage="") == ("shapes", [])


def test_a_folder_stands_for_all_images_below_it_in_order_of_path(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", "a/z.png"):
        (tmp_path / name).touch()
    named = image_files([str(tmp_path), str(tmp_path / "a" / "z.png")])
    assert [file.name for file in named] == ["a/z.png", "a.jpg", "b.PNG", "z.png"]
    assert named[0].path == named[3].path == tmp_path / "a" / "z.png"


def test_all_missing_images_are_named_at_once_with_near_matches(tmp_path):
    (tmp_path / "doberman.png").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError) as raised:
        image_files(["dobermann.png", "doberman.png", "nowhere/a.png", "empty"])
    assert str(raised.value) == (
        "no image 'dobermann.png'. Did you mean 'doberman.png'?; no image 'nowhere/a.png';"
        " no images in the folder 'empty'"
    )
