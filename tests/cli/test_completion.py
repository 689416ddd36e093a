"""Completion: what fits a line, from the commands' own help, and the scripts of three shells."""

import os
import shutil
import subprocess
import sys

import pytest

from cnnviz_jax.cli.commands import COMMANDS
from cnnviz_jax.cli.commands.candidates import candidates, help_of, options_in
from cnnviz_jax.cli.commands.completion import SCRIPTS
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.plugins import plugins

PLUGIN = """
from cnnviz_jax.plugin import ModelSpec, hookimpl


@hookimpl
def cnnviz_models():
    yield ModelSpec(name="tiny", summary="A net", build="builtins:len")
"""


def words(line):
    return [each.word for each in candidates(line.split(" "))]


def test_commands_come_first_with_what_they_do():
    assert words("") == list(COMMANDS)
    assert [(each.word, each.summary) for each in candidates(["sur"])] == [("survey", COMMANDS["survey"])]
    assert words("--no") == ["--no-plugins"]
    assert words("nonsense sh") == []


@pytest.mark.parametrize("kind", ["explain", "measure", "synthesize", "inspect", "survey"])
def test_a_verb_completes_the_techniques_of_its_kind(kind):
    known = [spec.name for spec in plugins().techniques.values() if spec.kind == kind]
    assert words(f"{kind} ")[: len(known)] == known


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("explain saliency,occ", ["saliency,occlusion"]),
        ("explain saliency shap", ["shapes"]),
        ("explain saliency shapes shap", []),
        ("explain saliency --seed 3 shap", ["shapes"]),
        ("synthesize shap", ["shapes"]),
        ("diff shapes shap", ["shapes"]),
        ("explain occlusion shapes --edge ", ["full", "truncate"]),
        ("explain occlusion shapes --scale s", ["shared"]),
        ("explain occlusion shapes --scale=s", ["--scale=shared"]),
        ("explain saliency shapes --precision b", ["bfloat16"]),
        ("explain saliency shapes --out s", []),
        ("compare --techniques saliency,occ", ["saliency,occlusion"]),
        ("measure deletion shapes --technique occ", ["occlusion"]),
        ("dictionary shapes --method to", ["topk"]),
        ("techniques --kind m", ["measure"]),
        ("report --jso", ["--json"]),
        ("sweep --res", ["--resume", "--restart"]),
    ],
)
def test_what_fits_in_the_middle_of_a_line(line, found):
    assert words(line) == found


def test_a_technique_completes_its_own_options_and_those_of_the_figure():
    names = {each.word for each in candidates(["explain", "occlusion", "shapes", "--"])}
    assert names >= {"--window", "--stride", "--target", "--json", "--colormap", "--quiet"}
    assert "--samples" not in names


def test_models_of_a_plugin_file_on_the_line_are_completed(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    assert words("--plugin mine.py explain saliency ti") == ["tiny"]


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb not in ("completion",)])
def test_options_are_read_off_every_help(verb):
    named = {"dictionary": ["--method", "topk"], "explain": ["saliency"], "measure": ["deletion"]}.get(verb, [])
    named = named or {"inspect": ["filters"], "survey": ["tcav"], "synthesize": ["accentuation"]}.get(verb, [])
    found = help_of(verb, named, Settings())
    assert found["--json"].value == ""
    assert all(option.summary for option in found.values())


def test_a_help_is_read_line_by_line():
    text = "  --kind {a,b}\n      only those\n  --x, --no-x\n  --layer LAYER  the layer\n  -h, --help  this"
    found = {option.name: option for option in options_in(text)}
    assert found["--kind"].words == ["a", "b"]
    assert found["--kind"].summary == "only those"
    assert (found["--layer"].value, found["--layer"].summary) == ("LAYER", "the layer")
    assert found["--layer"].words == []
    assert found["--help"].summary == "this"


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from cnnviz_jax.cli.commands.candidates import candidates\n"
        "assert candidates(['explain', 'occlusion', 'shapes', '--w'])\n"
        "print({'jax', 'numpy', 'matplotlib', 'flax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_command_prints_scripts_and_refuses_other_shells(cnnviz, refusal):
    for shell, script in SCRIPTS.items():
        assert cnnviz("completion", shell) == (0, script, "")
    assert "say which shell: cnnviz completion bash|zsh|fish" in refusal("completion")
    assert "invalid choice: 'tcsh'" in refusal("completion", "tcsh")
    assert cnnviz("completion", "--line", "--", "mer") == (0, f"merge\t{COMMANDS['merge']}\n", "")


def shim(folder):
    """A command `cnnviz` on the path."""
    path = folder / "bin" / "cnnviz"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cnnviz_jax.cli "$@"\n')
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"}


def shell(name):
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    return name


def test_bash_completes_a_line_also_behind_a_colon(tmp_path):
    script = (
        'eval "$(cnnviz completion bash)"\n'
        'for COMP_LINE in "cnnviz explain occlusion sha" "cnnviz explain saliency keras:VGG1"; do\n'
        '  COMP_POINT=${#COMP_LINE}; _cnnviz; echo "${COMPREPLY[*]}"\ndone\ncomplete -p cnnviz'
    )
    done = subprocess.run([shell("bash"), "-c", script], env=shim(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "shapes",
        "VGG16 VGG19",
        "complete -o bashdefault -o default -F _cnnviz cnnviz",
    ]


def test_fish_completes_a_line(tmp_path):
    script = 'cnnviz completion fish | source; complete -C "cnnviz explain occlusion sha"'
    done = subprocess.run([shell("fish"), "-c", script], env=shim(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.split("\t")[0] == "shapes"


def test_zsh_reads_its_script(tmp_path):
    subprocess.run([shell("zsh"), "-n"], input=SCRIPTS["zsh"], text=True, check=True)
