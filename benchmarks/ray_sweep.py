"""A sweep on a local Ray cluster of 4 workers, some killed with -9 in between, and whether it ends with the same bits.

    python benchmarks/ray_sweep.py --kills 2 --shards 8

Needs `pip install 'cnnviz-jax[ray]'`. The sweep runs as `cnnviz sweep --on ray`; its results must be those of one
process that nobody disturbed, to the last byte, `verify` must find nothing, and no process of Ray may be left. Prints
what happened; the exit code is 1 if anything was lost.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

from cnnviz_jax.sweep.layout import RunFolder, holder_of  # noqa: E402  # after the path
from cnnviz_jax.sweep.verify import verify  # noqa: E402
from tests.sweep import harness  # noqa: E402


def main() -> int:
    """Run both sweeps and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--on", default="ray workers=4")
    found = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        spec = harness.written_spec(folder)
        env = harness.environment(folder / "cache", PYTHONPATH=os.pathsep.join(map(str, sys.path)))
        code, told = harness.command([spec, "--run", folder / "one", "--quiet"], env)
        if code:
            raise RuntimeError(f"an undisturbed run ended with {code}: {told}")
        run = RunFolder(folder / "ray")
        words = [spec, "--run", run.root, "--on", found.on, "--shards", found.shards, "--ckpt-every", "1steps"]
        begun_s = time.monotonic()
        process = harness.start(words, {**env, "SWEEP_TEST_PAUSE_S": "0.3"})
        killed = kill_workers(run, found.kills, process)
        code, told = harness.finish(process, 500)
        print(told.rstrip())
        print(f"exit code {code} after {time.monotonic() - begun_s:.0f} s; killed {killed}")
        if code:
            return 1
        harness.assert_equal(run.root, harness.content(folder / "one"))
        faults = list(verify(run).faults)
        left = [line for line in processes() if re.search(r"raylet|gcs_server|ray::", line)]
        print(
            f"equal to one process to the last byte; verify: {faults or 'nothing'}; Ray's processes left: {len(left)}"
        )
        return int(bool(faults or left) or len(killed) < found.kills)


def kill_workers(run: RunFolder, kills: int, process: subprocess.Popen) -> list[int]:
    """Kill so many processes that hold the lock of a shard and have saved a checkpoint; return their numbers."""
    killed: list[int] = []
    while len(killed) < kills and process.poll() is None:
        time.sleep(0.05)
        for shard in run.shard_folders:
            holder = re.match(r"process (\d+) ", holder_of(shard.lock) or "")
            if holder and int(holder[1]) not in killed and shard.finished_checkpoints.exists():
                killed.append(int(holder[1]))
                os.kill(killed[-1], 9)
                break
    return killed


def processes() -> list[str]:
    """Return the command lines of this machine's processes."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
