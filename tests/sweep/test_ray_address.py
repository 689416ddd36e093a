"""A sweep on a Ray cluster that runs already, by both kinds of address: the bits of one process."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.verify import verify
from tests.sweep import harness

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
# On the loopback only, both the cluster and what speaks to its own port: anyone who reaches a cluster runs code on it.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def ports(cache: Path) -> Iterator[dict[str, int]]:
    """The ports of a cluster of two cores that runs while these tests do: Ray's own and its client's."""
    found = {"ray": harness.free_port(), "client": harness.free_port()}
    # Not below pytest's folder: the path of a socket holds 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        words = ["start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1"]
        words += [f"--port={found['ray']}", f"--ray-client-server-port={found['client']}", f"--temp-dir={place}"]
        words += ["--include-dashboard=false", "--object-store-memory=100000000"]
        log = Path(place, "told")
        with log.open("wb") as told:
            cluster = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", *words],
                env=harness.environment(cache, **LOOPBACK, PYTHONUNBUFFERED="1"),
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert harness.wait_for(lambda: b"Ray runtime started" in log.read_bytes(), cluster), log.read_text()
            yield found
        finally:
            cluster.terminate()  # ends all that it started; `ray stop` would end other clusters of this machine too
            try:
                cluster.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(cluster.pid, signal.SIGKILL)
                cluster.wait()


@pytest.mark.parametrize(
    ("address", "surroundings"), [("ray://127.0.0.1:{client}", {}), ("ray:127.0.0.1:{ray}", LOOPBACK)]
)
def test_a_sweep_on_a_cluster_that_runs_has_the_bits_of_one_process(
    tmp_path: Path, env: dict[str, str], ports: dict[str, int], address: str, surroundings: dict[str, str]
) -> None:
    spec = harness.written_spec(tmp_path)
    code, told = harness.command([spec, "--run", tmp_path / "one", "--quiet"], env)
    assert code == 0, told
    words = [spec, "--run", tmp_path / "ray", "--on", address.format(**ports), "--shards", "3"]
    code, told = harness.command(words, {**env, **surroundings})
    assert code == 0, told
    harness.assert_equal(tmp_path / "ray", harness.content(tmp_path / "one"))
    assert not list(verify(RunFolder(tmp_path / "ray")).faults)
