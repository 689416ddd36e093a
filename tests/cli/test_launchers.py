"""Sweeps whose shards something else runs, from the command line and from Python."""

import json

import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_jax.sweep.errors import SweepStop
from tests.sweep import fixtures, harness

LAUNCHER = """
import contextlib
from dataclasses import dataclass
from cnnviz_jax.plugin import LauncherSpec, hookimpl
from tests.sweep.test_sharding import Inline


@dataclass(frozen=True)
class Config:
    address: str = "here"


@contextlib.contextmanager
def connect(config):
    print("at", config.address)
    yield Inline()


@hookimpl
def cnnviz_launchers():
    yield LauncherSpec(name="inline", summary="Here", config=Config, connect=connect)
"""


def test_a_strangers_launcher_runs_a_sweep_from_the_command_line_and_from_python(tmp_path, monkeypatch, cnnviz, capsys):
    monkeypatch.setattr("cnnviz_jax.verbs.shard_attempt.use_compile_cache", lambda choice: None)
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    words = ["--model", "tests.sweep.fixtures:net", "--source", "tests.sweep.fixtures:images", "--limit", "12"]
    words += ["--explain", "saliency", "--device-batch", "4", "--run", "cut", "--shards", "2"]
    code, out, err = cnnviz("--plugin", "launcher.py", "sweep", *words, "--on", "inline:there")
    assert (code, out) == (0, "at there\ndone: cut\n"), err
    assert "there" not in cnnviz("--plugin", "launcher.py", "sweep", *words, "--on", "inline:there")[1]  # done already
    parts = {"explain": [{"technique": "saliency"}], "survey": []}
    code, out, err = cnnviz("--plugin", "launcher.py", "sweep", *words, "--on", "inline:there", "--json")
    assert json.loads(out) == {"command": "sweep", "run": "cut", "wrote": ["cut"]}, err
    whole = harness.sweep(tmp_path / "whole", limit=12, **parts)
    harness.assert_equal(tmp_path / "cut", harness.content(whole.root))

    made = cv.run_sweep(harness.spec(limit=12, **parts), tmp_path / "again", on="inline", shards=3)
    assert made.is_done
    harness.assert_equal(tmp_path / "again", harness.content(whole.root))
    here = cv.run_sweep(harness.spec(limit=12, **parts), tmp_path / "here", model=fixtures.net())
    harness.assert_equal(here.folder.root, harness.content(whole.root))
    with pytest.raises(UsageError, match="other processes load the model by its name"):
        cv.run_sweep(harness.spec(), tmp_path / "x", model=fixtures.net(), on="inline")
    broken = cv.run_sweep
    with pytest.raises(SweepStop, match=r"shard 0/8: the factory .* failed|no attribute|cannot be imported") as raised:
        broken(harness.spec(model="tests.sweep.fixtures:absent"), tmp_path / "y", on="inline")
    assert raised.value.code == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--on", "rai"], "no launcher 'rai'. Did you mean 'ray'?"),
        (["--on", "slurm"], "slurm is for --print-launcher, not for --on; for that there are: ray"),
        (["--on", "ray gpu=1"], "ray has no option 'gpu'. Did you mean 'gpus'"),
        (["--on", "ray:a:1 address=b"], "two addresses"),
        (["--on", "ray", "--shard", "0/2"], "--on cuts the sweep up by itself: leave out --shard"),
        (["--on", "ray", "--process-id", "0"], "leave out what --coordinator and its like say"),
        (["--shards", "4"], "--shards without --on or --print-launcher: name who runs the shards"),
        (["--on", "ray", "--print-launcher", "slurm"], "give one of them"),
        (["--on", "ray", "--shards", "0"], "shards is 1 or more"),
        (["--print-launcher", "slurm"], "say --device-batch N; `--dry-run` on one of them prints what fits"),
        (["--print-launcher", "jobset", "--device-batch", "4"], "jobset: "),
        (
            ["--print-launcher", "jobset image=a claim=B", "--device-batch", "4"],
            "claim is a name of lower-case letters",
        ),
        (["--print-launcher", "slurm time=soon", "--device-batch", "4"], "time is as sbatch takes it"),
        (["--print-launcher", "slurm partition='a b'", "--device-batch", "4"], "partition is one word"),
        (["--print-launcher", "slurm at_once=0", "--device-batch", "4"], "at_once is at least 1, got 0"),
        (["--print-launcher", "slurm", "--device-batch", "4", "--restart"], "would begin anew at every start"),
    ],
)
def test_mistakes_are_told_before_anything_is_started(refusal, tmp_path, words, sentence):
    given_words = ["--run", "r", "--source", "images", "--explain", "saliency", *words]
    assert sentence in refusal("sweep", *given_words)
    assert not (tmp_path / "r").exists()


def test_the_printed_script_is_of_this_very_sweep(cnnviz, tmp_path):
    (tmp_path / "sweep.toml").write_text('source = "images"\ndevice_batch = 4\n[[explain]]\ntechnique = "saliency"\n')
    words = ["sweep", "sweep.toml", "--run", "r", "--seed", "3", "--print-launcher", "slurm cpus=2", "--shards", "5"]
    code, out, err = cnnviz(*words)
    assert code == 0, err
    assert 'cnnviz sweep sweep.toml --run r --seed 3 --quiet --shard "$SLURM_ARRAY_TASK_ID/5" &' in out
    assert "exec cnnviz merge r --model shapes --source images --trust --quiet" in out
    assert "#SBATCH --cpus-per-task=2" in out
    assert f'#SBATCH --chdir="{tmp_path}"' in out
    assert not (tmp_path / "r").exists()


def test_the_listing_says_which_option_takes_a_launcher(cnnviz):
    _, out, _ = cnnviz("launchers")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "--on" in lines["ray"]
    assert "--print-launcher" in lines["slurm"]
    assert "gpus" in cnnviz("launchers", "--json")[1]
