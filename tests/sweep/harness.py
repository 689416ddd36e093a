"""Sweeps run in this process or in others, and what must be equal between two of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from cnnviz_jax.files import read_lines
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.run import run_sweep
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.store import ExampleStore
from tests.sweep import fixtures

CHECKOUT = Path(__file__).parents[2]
PARTS = {
    "explain": [{"technique": "smoothgrad", "samples": 3}],
    "survey": [
        {"technique": "top-k", "k": 3, "layers": ["conv1", "conv2"]},
        {"technique": "histogram", "layers": ["conv2"]},
        {"technique": "moments", "layers": ["conv2"]},
    ],
}
TOML = """
model = "{model}"
source = "{source}"
device_batch = 4

[[explain]]
technique = "smoothgrad"
samples = 3

[[survey]]
technique = "top-k"
k = 3
layers = ["conv1", "conv2"]

[[survey]]
technique = "histogram"
layers = ["conv2"]

[[survey]]
technique = "moments"
layers = ["conv2"]
"""


def spec(**changes) -> SweepSpec:
    """Return the specification that most tests use."""
    return SweepSpec.from_mapping(
        {
            "model": "tests.sweep.fixtures:net",
            "source": "tests.sweep.fixtures:images",
            "device_batch": 4,
            **PARTS,
            **changes,
        }
    )


def sweep(folder, net=None, options=None, devices=1, **changes) -> RunFolder:
    """Run the usual sweep in this process, on so many of its devices, checkpointing often."""
    options = options or RunOptions(checkpoint_every="3steps")
    return run_sweep(spec(**changes), net or fixtures.net(), folder, options, devices=jax.devices()[:devices])


def content(folder) -> dict[str, bytes]:
    """Return the bytes of all results and of all per-example arrays, decoded."""
    run = RunFolder(Path(folder))
    found = {path.name: path.read_bytes() for path in sorted(run.results.glob("[!.]*.npz"))}
    store = ExampleStore.open(run.examples)
    return found | {name: store.read(name, slice(None)).tobytes() for name in store.arrays}


def assert_equal(folder, reference: dict[str, bytes]) -> None:
    """Fail, naming what differs, unless a run's results are the reference's to the last byte."""
    found = content(folder)
    assert found.keys() == reference.keys()
    differing = [name for name in found if found[name] != reference[name]]
    assert not differing, f"not equal: {differing}"


def written_spec(folder: Path, model="tests.sweep.fixtures:net", source="tests.sweep.fixtures:images", more="") -> Path:
    """Write the usual specification as TOML."""
    path = folder / f"{model.rpartition(':')[2]}-{source.rpartition(':')[2]}.toml"
    path.write_text(more + TOML.format(model=model, source=source))
    return path


def environment(cache: Path, **more: str) -> dict[str, str]:
    """Return the environment of a command, without what the tests of this process set."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "SLURM", "OMPI", "CNNVIZ"))
    }
    return {
        **kept,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'plugins'}",
        **more,
        "CACHE": str(cache),
    }


def start(words, env, **more) -> subprocess.Popen:
    """Start `cnnviz sweep` with these words in a process group of its own."""
    command = [sys.executable, "-m", "cnnviz_jax.cli", "sweep", *map(str, words), "--compile-cache", env["CACHE"]]
    return subprocess.Popen(
        command, env=env, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **more
    )


def finish(process: subprocess.Popen, timeout_s=240) -> tuple[int, str]:
    """Return a command's exit code and what it printed."""
    try:
        out, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        kill(process)
        out, _ = process.communicate()
        raise AssertionError(f"no end after {timeout_s} s: {out.decode()[-3000:]}") from None
    return process.returncode, out.decode()


def command(words, env, timeout_s=240) -> tuple[int, str]:
    """Run `cnnviz sweep` to its end."""
    return finish(start(words, env), timeout_s)


def kill(process: subprocess.Popen) -> None:
    """kill -9, the process and its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition, process: subprocess.Popen | None = None, timeout_s=200.0) -> bool:
    """Wait until a condition holds; false if the process ends before that."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if condition():
            return True
        if process is not None and process.poll() is not None:
            return bool(condition())
        time.sleep(0.02)
    raise AssertionError("waited too long")


def flushes(folder) -> int:
    """Return how many flushes the logs of a run tell of."""
    return sum(1 for _ in read_lines(Path(folder) / "log"))


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def statuses(folder) -> np.ndarray:
    """Return the status of every example."""
    store = ExampleStore.open(RunFolder(Path(folder)).examples)
    return store.read("status", slice(None))
