"""kill -9 at random moments of `cnnviz explore`: the site opens each time and continues to the same bytes.

    python benchmarks/explorer_kills.py [--kills 20] [--per-run 4] [--seed 0]

A small network of the tests, all its layers, 24 images, images made for two units of each layer. Two undisturbed
runs, in two processes, must be equal to the last byte. Then runs are killed `--per-run` times each, at a random moment
after their page was written, until `--kills` found a run alive; after each kill every unit that the summary names is
read, and in the end every file must be that of an undisturbed run. Prints counts, and how far the runs were when they
were killed; the exit code is 1 if anything was lost.
"""

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

import numpy as np  # noqa: E402  # after the path

import cnnviz_jax as cv  # noqa: E402
from tests.explorer.sites import content  # noqa: E402

MODEL = "tests.explorer.sites:model"


class Storm:
    """Runs of one site in a folder, with one compile cache for all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pixels = np.random.default_rng(3).uniform(size=(24, 12, 10, 3))
        np.savez(folder / "images.npz", images=np.round(pixels * 255).astype(np.uint8), labels=np.arange(24) % 3)
        self.run(folder / "first")  # compiles
        process = self.start(folder / "undisturbed")
        self.appeared(folder / "undisturbed", process)
        begun_s = time.monotonic()
        process.wait()
        self.span_s = time.monotonic() - begun_s
        self.expected = content(folder / "undisturbed")
        first = content(folder / "first")
        self.differ = sorted(name for name in first.keys() | self.expected.keys()
                             if first.get(name) != self.expected.get(name))  # fmt: skip

    def start(self, site: Path) -> subprocess.Popen[bytes]:
        """Start the command in a process group of its own."""
        words = ["explore", MODEL, str(self.folder / "images.npz"), "--out", str(site), "--layers", "all"]
        words += ["--synthesis", "top:2", "--quiet", "--seed", "1"]
        env = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "CNNVIZ_COMPILE_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'plugins'}",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "cnnviz_jax.cli", *words],
            env=env, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, site: Path) -> None:
        """Run the command to its end."""
        process = self.start(site)
        told = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f"it ended with {process.returncode}: {told.decode()[-500:]}")

    def appeared(self, site: Path, process: subprocess.Popen[bytes]) -> None:
        """Wait until a running command has rendered the page."""
        page = site / "index.html"
        before = page.stat().st_mtime_ns if page.exists() else 0
        while process.poll() is None:
            if page.exists() and page.stat().st_mtime_ns > before:  # a run that continues renders it anew first
                return
            time.sleep(0.005)

    def storm(self, number: int, kills: int, rng: random.Random, states: collections.Counter[str]) -> str:
        """Return what was lost in one run that is killed so often; empty where nothing was."""
        site = self.folder / f"run-{number}"
        for _ in range(kills):
            process = self.start(site)
            self.appeared(site, process)
            time.sleep(rng.uniform(0, self.span_s))
            alive = process.poll() is None
            if alive:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            state = self.state(site)
            if not alive:
                break
            states[state] += 1
        self.run(site)
        found = content(site)
        names = sorted(found.keys() | self.expected.keys())
        return "; ".join(f"{name} differs" for name in names if found.get(name) != self.expected.get(name))

    def state(self, site: Path) -> str:
        """Open what is there, read all that it names, and return how far it is."""
        opened = cv.open_site(site)
        for layer, unit in opened.units():
            if not opened.unit(layer, unit).panels:
                raise RuntimeError(f"{layer}:{unit} has no panels")
        if opened.is_complete:
            for image, _, _ in opened.summary["images"]:
                opened.image(image)
            made = sum(len(group) for row in opened.summary["layers"] for group in row["synthesis"].values())
            return f"complete, {made} images made"
        return f"{sum(row['is_done'] for row in opened.summary['layers'])} layers written"


def main() -> int:
    """Kill and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--per-run", type=int, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    states: collections.Counter[str] = collections.Counter()
    lost: list[str] = []
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        storm = Storm(Path(place))
        runs = 0
        while states.total() < options.kills:
            if fault := storm.storm(runs, options.per_run, rng, states):
                lost.append(f"run {runs}: {fault}")
            runs += 1
        told = {
            "files": len(storm.expected),
            "two undisturbed runs differ in": storm.differ,
            "runs": runs,
            "kills": states.total(),
            "killed at": dict(sorted(states.items())),
            "lost": lost,
        }
        print(json.dumps(told))
    return int(bool(lost or storm.differ))


if __name__ == "__main__":
    raise SystemExit(main())
