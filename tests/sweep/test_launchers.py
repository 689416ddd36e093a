"""The launchers that come with the project: Ray's executor, and the scripts for SLURM and Kubernetes."""

import os
import subprocess
import sys
import types
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnviz_jax.errors import UnknownNameError, UsageError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.sweep.errors import FINAL_CODES, Interrupted
from cnnviz_jax.sweep.launchers import ScriptCase, launcher_and_config, without_flags
from cnnviz_plugins.launchers import jobset, ray_cluster, slurm
from cnnviz_plugins.launchers.plugin import JobSetConfig, RayConfig, SlurmConfig
from tests.sweep import harness


def test_a_launcher_is_named_with_options_and_an_address():
    assert launcher_and_config("ray://head:10001", "connect")[1] == RayConfig(address="ray://head:10001")
    assert launcher_and_config("ray:head:6379 gpus=0.5", "connect")[1] == RayConfig(address="head:6379", gpus=0.5)
    assert launcher_and_config("slurm gpus=2 setup='module load cuda'", "script")[1].setup == "module load cuda"
    assert set(plugins().launchers) == {"jobset", "ray", "slurm"}
    with pytest.raises(UnknownNameError):
        launcher_and_config("dask", "connect")
    assert without_flags(["a", "--on", "ray", "--shards=3", "--onward", "b"], ["--on", "--shards"]) == (
        "a",
        "--onward",
        "b",
    )


def test_ray_is_started_without_dashboard_and_told_nothing_and_one_that_ran_before_is_left(monkeypatch):
    class Ray(types.ModuleType):
        told, up = [], False

        def is_initialized(self):
            return self.up

        def init(self, *args, **kwargs):
            if args == ("nowhere:1",):
                raise ConnectionError("refused")
            self.told.append((args, kwargs))

        def remote(self, **options):
            self.told.append(options)
            return lambda call: types.SimpleNamespace(remote=lambda fn, a, k: self)

        def future(self):
            return Future()

        def cancel(self, reference, force):
            self.told.append(("cancel", force))

        def shutdown(self):
            self.told.append("down")

    ray = Ray("ray")
    monkeypatch.setitem(sys.modules, "ray", ray)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with ray_cluster.connect(RayConfig(workers=4, cpus=2)) as executor:
        assert not executor.submit(len, "ab").done()
    init, options, *ends = ray.told
    assert init[0] == ("local",)
    assert (init[1]["num_cpus"], init[1]["include_dashboard"]) == (8, False)
    assert (options["max_calls"], options["max_retries"], options["num_cpus"]) == (1, 0, 2)
    assert ends == [("cancel", True), "down"]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    ray.told.clear()
    ray.up = True
    with ray_cluster.connect(RayConfig()):
        pass
    assert "down" not in ray.told
    ray.up = False
    with (
        pytest.raises(UsageError, match="no Ray cluster at 'nowhere:1': refused"),
        ray_cluster.connect(RayConfig(address="nowhere:1")),
    ):
        pass


def case(**changes) -> ScriptCase:
    fields = {
        "words": ("sweep", "a sweep.toml", "--run", "runs/My $x"),
        "merge": ("merge", "runs/My $x", "--model", "shapes", "--source", "images", "--trust"),
        "run": "runs/My $x",
        "shards": 4,
        "retries": 2,
        "started_in": "/tmp",
        "final": tuple(code for code in FINAL_CODES if code),
        "again": Interrupted.code,
    }
    return ScriptCase(**{**fields, **changes})


STUB = """#!/usr/bin/env bash
echo "{name}" "${{@@Q}}" >> "$LOG"
{body}
"""
CNNVIZ = """
if [[ -n ${SLOW:-} ]]; then
  trap 'echo "saved" >> "$LOG"; exit 75' TERM
  echo ready >> "$LOG"
  while true; do read -t 0.05 <> <(:) ; done
fi
exit ${CODE:-0}
"""


def bash(tmp_path, *words, **environment):
    """Run the script with commands of SLURM that only note how they were called; return its code and the notes."""
    script = tmp_path / "sweep.sbatch"
    script.write_text(slurm.script(SlurmConfig(gpus=1, at_once=2), case()))
    if not (tmp_path / "bin").exists():
        (tmp_path / "bin").mkdir()
        for name, body in (("sbatch", "echo '77;cluster'"), ("scontrol", ""), ("sleep", ""), ("cnnviz", CNNVIZ)):
            (tmp_path / "bin" / name).write_text(STUB.format(name=name, body=body))
            (tmp_path / "bin" / name).chmod(0o755)
    log = tmp_path / "log"
    log.unlink(missing_ok=True)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LOG": str(log), **environment}
    process = subprocess.Popen(["bash", str(script), *words], env=env, stdout=subprocess.DEVNULL)
    if "SLOW" in environment:
        assert harness.wait_for(lambda: log.exists() and "ready" in log.read_text(), process)
        process.terminate()
    code = process.wait(timeout=60)
    return code, log.read_text().splitlines()


TASK = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "77"}
SHARD = "cnnviz 'sweep' 'a sweep.toml' '--run' 'runs/My $x' '--shard' '3/4'"
REQUEUED = ["scontrol 'requeue' '77_3'", "sleep '300'"]


def test_the_sbatch_script_submits_an_array_and_the_merge_that_waits_for_it(tmp_path):
    script = str(tmp_path / "sweep.sbatch")
    code, told = bash(tmp_path)
    assert code == 0
    assert told == [
        f"sbatch '--parsable' '{script}' 'shard'",
        f"sbatch '--dependency=afterok:77' '--kill-on-invalid-dep=yes' '--array=0-0' '{script}' 'merge'",
    ]
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    head = [line for line in (tmp_path / "sweep.sbatch").read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"#SBATCH --array=0-3%2", "#SBATCH --requeue", "#SBATCH --signal=B:TERM@120"} <= set(head)
    assert '#SBATCH --chdir="/tmp"' in head
    assert bash(tmp_path, "merge")[1] == [
        "cnnviz 'merge' 'runs/My $x' '--model' 'shapes' '--source' 'images' '--trust'"
    ]


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"),
    [(0, 0, False), (2, 0, False), (4, 0, False), (75, 9, True), (137, 1, True), (137, 2, False)],
)
def test_a_task_is_requeued_after_codes_that_allow_it(tmp_path, code, restarts, requeued):
    ended, told = bash(tmp_path, "shard", **TASK, CODE=str(code), SLURM_RESTART_COUNT=str(restarts))
    assert ended == code
    assert told == [SHARD, *(REQUEUED if requeued else [])]


def test_a_task_that_slurm_signals_hands_it_on_and_is_requeued_once_the_sweep_has_saved(tmp_path):
    ended, told = bash(tmp_path, **TASK, SLOW="1")
    assert ended == 75
    assert told == [SHARD, "ready", "saved", *REQUEUED]


def test_a_path_that_would_leave_its_line_is_refused():
    with pytest.raises(UsageError, match="cannot stand in an #SBATCH line"):
        slurm.script(SlurmConfig(), case(started_in="/tmp/a\n#SBATCH --wrap=ls"))


def test_the_jobset_has_a_pod_for_each_shard_and_a_merge_after_them():
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the manifest")
    config = JobSetConfig(image="registry/cnnviz:1", claim="images", gpus=1, at_once=2, namespace="vision")
    found = yaml.safe_load(jobset.script(config, case()))
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    assert found["metadata"] == {"name": "cnnviz-my--x", "namespace": "vision"}
    shards, merging = found["spec"]["replicatedJobs"]
    job = shards["template"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 4, 2)
    assert job["backoffLimitPerIndex"] == 2
    rules = job["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 3, 4, 6, 7]}}
    assert rules[1]["onExitCodes"]["values"] == [75]
    pod = job["template"]["spec"]
    container = pod["containers"][0]
    expected = ["cnnviz", "sweep", "a sweep.toml", "--run", "runs/My $$x", "--shard", "$(JOB_COMPLETION_INDEX)/4"]
    assert container["command"] == expected
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    assert pod["restartPolicy"] == "Never"
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "images"}
    assert merging["dependsOn"] == [{"name": "shards", "status": "Complete"}]
    assert merging["template"]["spec"]["template"]["spec"]["containers"][0]["command"][1] == "merge"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_word_of_a_command_line_becomes_anything_else_in_the_manifest(word):
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the manifest")
    assert yaml.safe_load(f"command:\n  - {jobset.quoted(word)}\n") == {"command": [word]}
