"""Mistakes are refused in a sentence before the work starts, and leave no file behind."""

import sys

import pytest

from cnnviz_jax.cli import main

IMAGE = "explain occlusion shapes a.png"


@pytest.fixture(autouse=True)
def image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image yet")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("explain oclusion shapes a.png", "no explain technique 'oclusion'. Did you mean 'occlusion'?"),
        ("explain filters shapes a.png", "'filters' is not a technique of kind explain but of kind inspect"),
        ("explain occlusion shaeps a.png", "no model 'shaeps'. Did you mean 'shapes'?"),
        ("explain occlusion shapes", "no images to explain; write cnnviz explain TECHNIQUE MODEL IMAGES..."),
        ("explain occlusion a.png", "say which model: 'a.png' is an image or a folder"),
        ("explain occlusion shapes b.png", "no image 'b.png'. Did you mean 'a.png'?"),
        (f"{IMAGE} --out none/x.png", "no folder none; make it first"),
        (f"{IMAGE} --out a.png/x.png", "no folder a.png; make it first"),
        (
            f"{IMAGE} --out x.foo",
            "no renderer of Attribution for the suffix '.foo' of 'x.foo'; .html, .npz, .pdf, .png, .svg can",
        ),
        (f"{IMAGE} --out x", "no renderer of Attribution for the file name without a suffix of 'x'"),
        (f"{IMAGE} --renderer figrue", "no renderer 'figrue'. Did you mean 'figure' or 'graph-figure'?"),
        (f"{IMAGE} --seed x", "seed 'x' is not a whole number"),
        (f"{IMAGE} --chunk 0", "chunk '0' is neither auto nor a whole number"),
        (f"{IMAGE} --weights none.pth", "no weights at 'none.pth'"),
        ("synthesize shapes", "say what to excite, either --layer LAYER or --target CLASS; neither is given."),
        ("synthesize shapes --layer a --target 3", "say what to excite, either --layer LAYER or --target CLASS; both"),
        ("synthesize shapes --target 3 --channels 0:4", "--channels needs --layer LAYER"),
        ("synthesize shapes a.png --target 3", "synthesize takes a model and no images, got 'a.png'"),
        ("inspect filters shapes a.png", "inspect filters takes a model only, got 'a.png'"),
        ("layers", "say which model: none is named; write cnnviz layers MODEL"),
        ("layers shapes lenet", "layers takes one model and nothing else, got 'lenet'"),
        ("layers json:nothing", "the model 'json:nothing' cannot be imported: json has no 'nothing'"),
        (
            "layers no_module:build",
            "the model 'no_module:build' cannot be imported: no module 'no_module' in the current folder or",
        ),
        ("report shapes b.png", "no image 'b.png'"),
        ("report lenet", "no images, and none come with the model 'lenet'"),
        ("report --out none/page.html", "no folder none; make it first"),
        ("report --out page.gif", "no renderer of Report for the suffix '.gif' of 'page.gif'; .html"),
        ("techniques --kind explane", "argument --kind: invalid choice: 'explane'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(line, sentence, refusal, tmp_path):
    assert refusal(*line.split()).startswith(sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(refusal, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    monkeypatch.setattr("cnnviz_jax.cli.request.load", lambda *_, **__: pytest.fail("the work began"))
    assert refusal(*IMAGE.split()) == "cannot write in .: Permission denied"


def test_a_factory_that_fails_is_the_users_to_mend(refusal, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "failing_factory.py").write_text("def build():\n    return 1 / 0\n\nnumber = 3\n")
    try:
        assert refusal("layers", "failing_factory:build").startswith(
            "the factory failing_factory:build failed: ZeroDivisionError: division by zero; --debug shows where"
        )
        assert refusal("layers", "failing_factory:number") == (
            "the model 'failing_factory:number' is of type int; name a function"
        )
    finally:
        sys.modules.pop("failing_factory", None)


def test_a_module_that_cannot_be_imported_names_what_it_lacks(refusal, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "lacking_module.py").write_text("import surely_not_installed")
    assert refusal("layers", "lacking_module:build") == (
        "the model 'lacking_module:build' cannot be imported: No module named 'surely_not_installed'"
    )


@pytest.mark.parametrize("verb", ["merge", "verify", "sweep-status"])
def test_what_a_terminal_would_obey_is_not_printed(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([verb, "\x1b[31m"]) in (2, 3, 4, 5)
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert told.strip().isprintable()
