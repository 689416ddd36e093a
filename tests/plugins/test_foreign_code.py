"""Code of plugins and factories that fails, leaves or prints: named in a sentence, and stdout stays JSON."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.errors import ModelError, PluginError, UsageError
from cnnviz_jax.plugins import plugins, reset_plugins
from cnnviz_jax.plugins.foreign import code_of, foreign

HEAD = """
import dataclasses, os, signal, sys, time
import jax.numpy as jnp
import cnnviz_jax as cv
from cnnviz_jax.plugin import ModelSpec, RendererSpec, TechniqueSpec, hookimpl
@dataclasses.dataclass(frozen=True)
class Config:
    pass
"""
TECHNIQUE = """
def build(config, model):
    def function(model, image, target, key):
        {deed}
    return function
@hookimpl
def cnnviz_techniques():
    yield TechniqueSpec(name="mine", kind="explain", summary="mine", config=Config, build=build)
"""
RENDERER = """
def render(result, path, **display):
    {deed}
@hookimpl
def cnnviz_renderers():
    yield RendererSpec(name="mine", summary="mine", accepts=("*",), suffixes=(".mine",), render=render)
"""


@pytest.fixture
def cnnviz(tmp_path, monkeypatch, capsys):
    """The command line with a plugin file of this text, in an empty folder with one image."""
    monkeypatch.chdir(tmp_path)
    from PIL import Image

    Image.new("RGB", (64, 64), (200, 30, 30)).save("red.png")

    def run(text, *words):
        (tmp_path / "mine.py").write_text(HEAD + text)
        reset_plugins()
        code = main(["--plugin", "mine.py", *words])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    reset_plugins()


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, SystemExit, RecursionError, ZeroDivisionError])
def test_whatever_a_stranger_raises_is_named_and_our_own_and_ctrl_c_pass(error):
    with pytest.raises(PluginError, match=r"technique 'x' (failed|called)") as fault, foreign("technique 'x'"):
        raise error
    assert isinstance(fault.value.__cause__, error)
    with pytest.raises(ModelError), foreign("technique 'x'"):
        raise ModelError("ours")
    with pytest.raises(KeyboardInterrupt), foreign("technique 'x'"):
        raise KeyboardInterrupt
    with pytest.raises(UsageError, match="failed"), foreign("it", error=UsageError):
        raise error("\x1b[31m\n") if error is ZeroDivisionError else ValueError


def test_a_fault_of_a_built_in_technique_keeps_its_traceback():
    registry = plugins()
    with pytest.raises(ZeroDivisionError), code_of(registry, "technique", registry.technique("saliency")):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("sys.exit(0)", "technique 'mine' of mine.py called sys.exit(0)"),
        ("raise KeyError(1)", "technique 'mine' of mine.py failed: KeyError: 1; --debug shows where"),
        ("return None", "technique 'mine' gave a NoneType; a map is (h, w) or (h, w, c)"),
        (
            "return jnp.zeros((64, 64), jnp.complex64)",
            "technique 'mine' gave a map of complex64; a map has real numbers",
        ),
        ("return image[:0, :, 0]", "technique 'mine' gave an array of shape (0, 64) for one image"),
        ("return 'text'", "technique 'mine' of mine.py failed: "),
    ],
)
def test_a_technique_that_fails_or_gives_no_map_is_named(cnnviz, deed, told):
    code, _, err = cnnviz(TECHNIQUE.format(deed=deed), "explain", "mine", "shapes", "red.png", "--quiet")
    assert code == 2
    assert err.startswith(f"cnnviz: {told}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("pass", "renderer 'mine' of mine.py wrote no file"),
        ("raise StopIteration", "renderer 'mine' of mine.py failed: StopIteration"),
        ("path.write_text('half'); sys.exit(0)", "renderer 'mine' of mine.py called sys.exit(0)"),
    ],
)
def test_a_renderer_that_fails_is_named_and_leaves_nothing(cnnviz, tmp_path, deed, told):
    words = ("inspect", "filters", "shapes", "--quiet", "--out", "map.mine")
    code, _, err = cnnviz(RENDERER.format(deed=deed), *words)
    assert code == 2
    assert err.startswith(f"cnnviz: {told}")
    assert not [name for name in os.listdir(tmp_path) if "map" in name]


def test_a_factory_or_module_that_leaves_does_not_end_the_command_without_a_word(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaving_factory.py").write_text("import sys\ndef build():\n    sys.exit(0)\n")
    (tmp_path / "leaving_module.py").write_text("raise SystemExit(0)\n")
    assert main(["layers", "leaving_factory:build"]) == 2
    assert "the factory leaving_factory:build called sys.exit(0)" in capsys.readouterr().err
    assert main(["layers", "leaving_module:build"]) == 2
    assert "'leaving_module:build' cannot be imported: SystemExit: 0" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_command_leaves_no_unfinished_file(cnnviz, tmp_path, number):
    deed = f"path.write_text('half'); os.kill(os.getpid(), {int(number)}); time.sleep(9)"
    words = ("inspect", "filters", "shapes", "--quiet", "--out", "map.mine")
    inherited = signal.signal(number, signal.SIG_DFL)  # which `nohup` has processes ignore
    try:
        code, _, err = cnnviz(RENDERER.format(deed=deed), *words)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, inherited)
    assert code == 128 + number
    assert err == f"cnnviz: ended by {signal.Signals(number).name}\n"
    assert not [name for name in os.listdir(tmp_path) if "map" in name]


def test_with_json_stdout_holds_nothing_else_whatever_plugins_print(tmp_path):
    text = HEAD + "print('hello')\nos.write(1, b'raw')\n" + TECHNIQUE.format(deed="pass")
    (tmp_path / "mine.py").write_text(text)
    words = [sys.executable, "-m", "cnnviz_jax.cli", "--plugin", str(tmp_path / "mine.py"), "techniques", "--json"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert "mine" in {record["name"] for record in json.loads(done.stdout)}
    assert b"raw" in done.stderr


def test_a_listing_takes_time_in_proportion_to_its_records(cnnviz):
    many = """
@hookimpl
def cnnviz_models():
    for number in range({count}):
        yield ModelSpec(name=f"m{{number}}", summary="x", build=len)
"""

    def cost(count):
        began = time.process_time()
        assert cnnviz(many.format(count=count), "models", "--json")[0] == 0
        return time.process_time() - began

    few, more = cost(500), cost(4_000)
    assert more < 8 * few + 2  # quadratic would be 64 times


@pytest.mark.parametrize("place", ["file", "file/below", "/dev/null", "/proc"])
def test_a_run_folder_that_cannot_be_is_told_before_anything_is_loaded(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    words = ["sweep", "--model", "shapes", "--source", ".", "--explain", "saliency", "--run", place]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"cnnviz: no run can be kept in {place}: ")


def test_what_is_quoted_from_the_line_cannot_drive_a_terminal(capsys):
    assert main(["\x1b[31m\n\0"]) == 2
    assert capsys.readouterr().err.rstrip("\n").isprintable()
