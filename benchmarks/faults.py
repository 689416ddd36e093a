"""Faults at every write of a small sweep: a full disk, a bad block, a death of the process, each at the n-th write.

`python benchmarks/faults.py` lets every write fail in every way in this process, some 600 runs and as many resumed;
`--deaths 20` also kills so many real processes with SIGKILL at writes spread over the run. After each, a resume must
give the undisturbed bits and `verify` must find nothing. It prints what was lost, and counts; the exit code is 1 if
anything was.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

from tests.sweep import faults  # noqa: E402  # after the path


def killed(folder: Path, at: int, expected: dict[str, bytes]) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'plugins'}"}
    command = [sys.executable, "-m", "tests.sweep.faults", str(folder), str(at)]
    process = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, check=False)
    found = [] if process.returncode == -signal.SIGKILL else [f"ended with {process.returncode}, not killed"]
    return found + faults.losses_after(folder, expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every n-th write only")
    parser.add_argument("--deaths", type=int, default=0, metavar="N", help="real processes to kill as well")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # what Orbax leaves behind when a save fails
    tried, lost = 0, 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        calls, expected = faults.undisturbed(root / "undisturbed")
        todo = [(kind, at) for kind in faults.KINDS for at in range(1, calls + 1, options.every)]
        todo += [("SIGKILL", 1 + calls * i // options.deaths) for i in range(options.deaths)]
        for kind, at in todo:
            folder = root / f"{kind}-{at}"
            if kind == "SIGKILL":
                found = killed(folder, at, expected)
            else:
                found = faults.losses(folder, kind, at, expected)
            tried, lost = tried + 1, lost + bool(found)
            for fault in found:
                print(f"{kind} at write {at}: {fault}")
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{calls} writes, {tried} faults, {lost} losses, {time.process_time():.0f} CPU seconds")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
