"""Sweeps in processes of their own: launched in several, killed in every way, and started again."""

import os
import random
import shutil
import signal
import threading
import time

import numpy as np
import pytest

from cnnviz_jax.files import read_lines
from cnnviz_jax.sweep.checkpoint import step_folders
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.status import run_status
from cnnviz_jax.sweep.store import ExampleStore
from cnnviz_jax.sweep.verify import verify
from tests.sweep import fixtures, harness

# Orbax leaves event loops behind when a live run deletes the step that is read; harmless, and not ours.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def words(tmp_path):
    """The usual sweep as a command, checkpointing at every step."""
    return [harness.written_spec(tmp_path), "--run", tmp_path / "run", "--ckpt-every", "1steps", "--quiet"]


def together(words, env, processes, devices, environments=None):
    """Start all processes of one run on the loopback."""
    port = harness.free_port()
    started = []
    for index in range(processes):
        more = ["--devices", devices, "--heartbeat", 10, "--init-timeout", 120]
        if environments is None:
            more += ["--coordinator", f"127.0.0.1:{port}", "--num-processes", processes, "--process-id", index]
        started.append(harness.start([*words, *more], {**env, **(environments[index] if environments else {})}))
    return started


def slurm(processes):
    """What srun tells each of its processes; JAX takes the port from the job's number."""
    port = harness.free_port()
    while not 61440 <= port <= 65535:
        port = random.Random(port).randrange(61440, 65535)
    shared = {"SLURM_JOB_ID": str(port - 61440), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(processes)}
    return [{**shared, "SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(processes)]


def test_one_process_as_its_own_command(words, env, reference, tmp_path):
    code, told = harness.command(words, env)
    assert code == 0, told
    harness.assert_equal(tmp_path / "run", reference)


def test_a_warm_start_compiles_five_times_less(tmp_path, words, env):
    env = {name: value for name, value in env.items() if name != "XLA_FLAGS"}  # compiled as users compile it
    env |= {"CACHE": str(tmp_path / "cache"), "JAX_LOG_COMPILES": "1"}
    cold = _step_compile_s(words, env, tmp_path)
    warm = _step_compile_s([*words, "--restart"], env, tmp_path)
    assert warm < cold / 5


def _step_compile_s(words, env, tmp_path):
    code, told = harness.command(words, env)
    assert code == 0, told
    lines = [line for line in told.splitlines() if "Finished XLA compilation of jit(local)" in line]
    assert len(lines) == 1, "the step is compiled exactly once, padded last device batch included"
    return float(lines[0].split(" in ")[1].split(" sec")[0])


@pytest.mark.parametrize(("processes", "devices"), [(2, 2), (3, 1)])
def test_processes_change_no_bit_and_slurm_is_found(words, env, reference, tmp_path, processes, devices):
    started = together(words, env, processes, devices, slurm(processes))
    ended = [harness.finish(process) for process in started]
    assert [code for code, _ in ended] == [0] * processes, ended
    harness.assert_equal(tmp_path / "run", reference)
    assert len(list((tmp_path / "run" / "log").iterdir())) == processes


def test_processes_with_different_specifications_all_refuse_in_time(words, env, tmp_path):
    begun_s = time.monotonic()
    port = harness.free_port()
    started = [
        harness.start(
            [
                *[*words, "--devices", 1, "--seed", index, "--coordinator", f"127.0.0.1:{port}"],
                *["--num-processes", 2, "--process-id", index, "--heartbeat", 10],
            ],
            env,
        )
        for index in range(2)
    ]
    ended = [harness.finish(process) for process in started]
    assert [code for code, _ in ended] == [3, 3], ended
    assert "the processes of this run were given different specifications" in ended[0][1]
    assert not (tmp_path / "run" / "run.json").exists()
    assert time.monotonic() - begun_s < 120  # the agreement itself takes a second; starting two interpreters does not


def test_a_storm_of_kills_with_changing_devices_changes_no_bit(words, env, reference, tmp_path):
    """Six kills, each after some progress of its own: mid-step, mid-save and mid-delete as chance has it.

    `benchmarks/kills.py` does a hundred.
    """
    rng = random.Random(7)
    env = {**env, "SWEEP_TEST_PAUSE_S": "0.01"}
    run, kills, seen = tmp_path / "run", 0, set()
    for _ in range(40):
        devices = rng.randint(1, 8)
        before = harness.flushes(run)
        process = harness.start([*words, "--devices", devices], env)
        if kills >= 6:
            code, told = harness.finish(process)
            assert code == 0, told
            break
        alive = harness.wait_for(lambda before=before: harness.flushes(run) > before, process)
        if process.poll() is not None:  # it came to its end: go back to an earlier checkpoint, and on
            assert process.returncode == 0, process.communicate()
            (run / "DONE.json").unlink()
            for step in step_folders(run / "ckpt")[:-1]:
                shutil.rmtree(step)
            continue
        assert alive
        time.sleep(rng.uniform(0, 0.05))
        harness.kill(process)
        process.communicate()
        kills += 1
        seen.add(devices)
    assert kills >= 6
    assert len(seen) > 1
    harness.assert_equal(run, reference)
    assert verify(RunFolder(run)).faults == []


@pytest.mark.parametrize("victim", [0, 1])
def test_killing_one_of_two_processes_ends_both_and_loses_nothing(words, env, reference, tmp_path, victim):
    slow = {**env, "SWEEP_TEST_PAUSE_S": "0.1"}
    started = together(words, slow, 2, 1)
    assert harness.wait_for(lambda: harness.flushes(tmp_path / "run") > 0, started[0])
    harness.kill(started[victim])
    begun_s = time.monotonic()
    code, told = harness.finish(started[1 - victim], timeout_s=60)
    assert code != 0, told
    assert time.monotonic() - begun_s < 10 + 5 + 5  # heartbeat, and a busy machine
    started[victim].communicate()
    code, told = harness.command([*words, "--devices", victim + 1], env)
    assert code == 0, told
    harness.assert_equal(tmp_path / "run", reference)


def test_two_processes_start_again_from_a_damaged_checkpoint(words, env, reference, tmp_path):
    from tests.sweep.test_damage import flip_a_bit_in_every_data_file

    code, told = harness.command(words, env)
    assert code == 0, told
    run = tmp_path / "run"
    (run / "DONE.json").unlink()
    flip_a_bit_in_every_data_file(step_folders(run / "ckpt")[0])
    ended = [harness.finish(process) for process in together(words, env, 2, 1)]
    assert [code for code, _ in ended] == [0, 0], ended
    harness.assert_equal(run, reference)
    (run / "DONE.json").unlink()
    for step in step_folders(run / "ckpt"):
        flip_a_bit_in_every_data_file(step)
    ended = [harness.finish(process) for process in together(words, env, 2, 1)]
    assert [code for code, _ in ended] == [4, 4], ended


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_ends_the_step_saves_and_nothing_is_loaded_twice(words, env, reference, tmp_path, processes):
    run = tmp_path / "run"
    loads = [{"SWEEP_TEST_LOADS": str(tmp_path / f"loads{start}")} for start in range(2)]
    slow = {**env, "SWEEP_TEST_PAUSE_S": "0.05", **loads[0]}
    if processes == 1:
        started = [harness.start([*words, "--devices", 1], slow)]
    else:
        started = together(words, slow, 2, 1)
    assert harness.wait_for(lambda: harness.flushes(run) > 1, started[0])
    started[-1].send_signal(signal.SIGTERM)
    ended = [harness.finish(process) for process in started]
    assert [code for code, _ in ended] == [75] * processes, ended
    assert "the same command resumes there" in ended[0][1]
    (status,) = run_status(RunFolder(run))
    assert 0 < status.counted < fixtures.COUNT
    code, told = harness.command([*words, "--devices", 1], {**env, **loads[1]})
    assert code == 0, told
    harness.assert_equal(run, reference)
    loaded = [int(line) for line in (tmp_path / "loads1").read_text().split()]
    assert min(index for index in loaded[17:]) >= status.counted  # the first 17 are the source's digest and its first


def test_readers_of_a_live_run_never_see_half_a_chunk(words, env, tmp_path):
    run, faults = tmp_path / "run", []
    process = harness.start([*words, "--devices", 1], {**env, "SWEEP_TEST_PAUSE_S": "0.02"})
    assert harness.wait_for(lambda: harness.flushes(run) > 0, process)
    looked = 0
    while process.poll() is None:
        (status,) = run_status(RunFolder(run))
        assert status.state in ("running", "done", "stopped")
        faults += verify(RunFolder(run)).faults
        store = ExampleStore.open(RunFolder(run).examples)
        written = store.read("status", slice(0, fixtures.COUNT)) == 1
        heat = store.read("heat/smoothgrad", slice(0, fixtures.COUNT))
        assert not np.isnan(heat[written]).any()
        looked += 1
    code, told = harness.finish(process)
    assert code == 0, told
    assert faults == []
    assert looked > 1


def test_workers_change_no_bit_even_between_two_starts(words, env, reference, tmp_path):
    code, told = harness.command([*words, "--workers", 3], env)
    assert code == 0, told
    harness.assert_equal(tmp_path / "run", reference)
    (tmp_path / "run" / "DONE.json").unlink()
    for step in step_folders(tmp_path / "run" / "ckpt")[:-1]:
        shutil.rmtree(step)
    code, told = harness.command([*words, "--workers", 2], env)
    assert code == 0, told
    harness.assert_equal(tmp_path / "run", reference)


def test_exit_codes_of_the_command(words, env, tmp_path):
    run = tmp_path / "run"
    process = harness.start([*words, "--devices", 1], {**env, "SWEEP_TEST_PAUSE_S": "4"})
    assert harness.wait_for(lambda: (run / "examples.zarr" / "status" / "zarr.json").exists(), process)
    code, told = harness.command([*words, "--devices", 1], env)
    assert (code, "is in use by process" in told) == (7, True), told
    harness.kill(process)
    process.communicate()
    assert not (run / "DONE.json").exists()
    code, told = harness.command([*words, "--devices", 1, "--seed", 8], env)
    assert (code, "seed: 0 then, 8 now" in told) == (3, True), told
    code, told = harness.command([*words, "--devices", 1, "--memory-budget", "1MiB"], env)
    assert (code, "more than the budget of 1 MiB" in told) == (8, True), told


def test_the_second_signal_ends_at_once(words, env, tmp_path):
    process = harness.start([*words, "--devices", 1], {**env, "SWEEP_TEST_PAUSE_S": "2"})
    assert harness.wait_for(lambda: (tmp_path / "run" / "examples.zarr" / "status" / "zarr.json").exists(), process)
    timer = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    code, _ = harness.finish(process)
    timer.cancel()
    assert code == 75
    assert list(read_lines(tmp_path / "run" / "log")) == []


def test_dry_run_prints_the_plan_and_writes_nothing(words, env, tmp_path):
    code, told = harness.command([*words, "--devices", 2, "--dry-run", "--measure"], env)
    assert code == 0, told
    assert "images             61" in told
    assert "steps              8 of 8 images" in told
    assert "1,000,000      256" in told
    assert not (tmp_path / "run").exists()
