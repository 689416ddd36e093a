"""Where this process stands among others, and what is set before JAX starts."""

import dataclasses
import os
import stat

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.cli.commands.sweep import _parser
from cnnviz_jax.cli.dataclass_options import given_options
from cnnviz_jax.compiling import use_compile_cache
from cnnviz_jax.options.docs import field_docs
from cnnviz_jax.sweep.batch_planning import device_budget
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.launch import Launch, several_announced, simulate_devices
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec


def test_flags_win_over_variables_and_all_three_are_needed():
    given = {"CNNVIZ_COORDINATOR": "a:1", "CNNVIZ_NUM_PROCESSES": "4", "CNNVIZ_PROCESS_ID": "2"}
    found = Launch.resolved(environment=given)
    assert (found.coordinator, found.processes, found.process) == ("a:1", 4, 2)
    assert Launch.resolved(process=0, environment=given).process == 0
    assert Launch.resolved(environment={}).coordinator is None
    with pytest.raises(SweepUsageError, match="--num-processes and --process-id missing"):
        Launch.resolved(coordinator="a:1", environment={})
    with pytest.raises(SweepUsageError, match="process 4 of 4: ids run from 0 to 3"):
        Launch.resolved(coordinator="a:1", processes=4, process=4, environment={})
    with pytest.raises(SweepUsageError, match="CNNVIZ_PROCESS_ID is a whole number, got 'two'"):
        Launch.resolved(environment={**given, "CNNVIZ_PROCESS_ID": "two"})


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "5", "SLURM_NTASKS": "8"}, False),  # inside sbatch without srun
        ({"SLURM_JOB_ID": "5", "SLURM_STEP_NODELIST": "n1", "SLURM_NTASKS": "1"}, False),
        ({"SLURM_JOB_ID": "5", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_NTASKS": "2"}, True),
        ({"OMPI_MCA_orte_hnp_uri": "x", "OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"OMPI_MCA_orte_hnp_uri": "x", "OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
    ],
)
def test_launchers_are_known_by_their_environment(environment, several):
    assert several_announced(environment) is several


def test_devices_cannot_be_split_once_jax_is_there():
    with pytest.raises(SweepUsageError, match="before JAX starts"):
        simulate_devices(2)


def test_the_compile_cache_is_private_and_keyed_by_jaxlib_and_cpu(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("JAX_")]:
        monkeypatch.setenv(name, os.environ[name])  # put back afterwards
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (
        "COMPILATION_CACHE_DIR",
        "PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
        "PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
    ):
        monkeypatch.setenv(f"JAX_{name}", "")
    import jaxlib

    folder = use_compile_cache(None)
    assert folder.parent == tmp_path / "cnnviz" / "compiled"
    assert folder.name.startswith(f"{jaxlib.__version__}-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"
    assert use_compile_cache("off") is None
    assert os.environ["JAX_ENABLE_COMPILATION_CACHE"] == "false"


def test_budgets_are_shares_or_sizes():
    assert device_budget("8GiB") == 8 * 2**30
    assert device_budget("500 MiB") == 500 * 2**20
    assert 0 < device_budget("0.25") < device_budget("0.5")
    with pytest.raises(SweepUsageError, match=r"a share such as 0\.6 or a size such as 8GiB, got 'lots'"):
        device_budget("lots")
    with pytest.raises(SweepUsageError, match="a share above 1"):
        device_budget("8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--source", "x", "--explain", "saliency"], "say where the run lives: --run DIR"),
        (["--run", "r", "--explain", "saliency"], "which images?"),
        (["--run", "r", "--source", "x", "--explain", "saliency", "--model", "shape"], "Did you mean 'shapes'?"),
        (
            ["--run", "r", "--source", "x", "--explain", "saliency", "--device-batch", "no"],
            'device_batch is "auto" or a whole number',
        ),
        (["--run", "r", "--source", "x", "--explain", "saliency", "--bogus"], "unrecognized arguments: --bogus"),
        (["absent.toml", "--run", "r"], "no specification at 'absent.toml'"),
    ],
)
def test_mistakes_on_the_command_line_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_field_is_an_option_and_one_not_given_is_left_to_the_file():
    found = _parser().parse_args(["--run", "r", "--seed", "3", "--explain", "a", "--explain", "b x=1", "--restart"])
    assert given_options(found, SweepSpec) == {"seed": 3, "explain": ["a", "b x=1"]}
    assert given_options(found, RunOptions) == {"restart": True}
    assert given_options(found, Launch) == {}
    line = [
        "--heartbeat",
        "7",
        "--init-timeout",
        "8",
        "--num-processes",
        "2",
        "--process-id",
        "1",
        "--coordinator",
        "a:1",
    ]
    given = given_options(_parser().parse_args(line), Launch)
    assert Launch.resolved(**given) == Launch(
        coordinator="a:1", processes=2, process=1, heartbeat_s=7, init_timeout_s=8
    )


def test_help_is_the_docstrings_of_the_fields(capsys):
    assert main(["sweep", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for declared in (SweepSpec, RunOptions, Launch):
        docs = field_docs(declared)
        assert set(docs) == {field.name for field in dataclasses.fields(declared)}
        assert all(" ".join(text.split()) in told for text in docs.values())


def test_help_lists_the_exit_codes(capsys):
    assert main(["sweep", "--help"]) == 0
    told = capsys.readouterr().out
    assert "75  stopped by a signal or a lost peer" in told
    assert "--memory-budget" in told
