"""kill -9 at random moments of a sweep over 300 images, and whether it resumes to the same bits.

    python benchmarks/kills.py --kills 100 --per-run 4

    python benchmarks/kills.py --processes 4 --kills 8 --per-run 1

Every run is killed `--per-run` times, each at a random moment of what a whole run takes (loading and compiling
included), then let to its end; its results must be those of an undisturbed run to the last byte, and `verify` must find
nothing. With several processes, joined by `jax.distributed` over the loopback, one of them is killed, whichever; the
others must end by themselves. Prints counts; the exit code is 1 if anything was lost.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

from cnnviz_jax.sweep.layout import RunFolder  # noqa: E402  # after the path
from cnnviz_jax.sweep.verify import verify  # noqa: E402
from tests.sweep import harness  # noqa: E402

SOURCE = "tests.sweep.fixtures:many_images"


class Storm:
    """Runs of one sweep in a folder, with one compile cache for all."""

    def __init__(self, folder: Path, processes: int = 1) -> None:
        self.folder, self.processes = folder, processes
        self.spec = harness.written_spec(folder, source=SOURCE)
        self.env = harness.environment(folder / "cache")
        self.command(folder / "first")  # compiles
        begun_s = time.monotonic()
        self.command(folder / "undisturbed")
        self.whole_s = time.monotonic() - begun_s
        self.expected = harness.content(folder / "undisturbed")

    def words(self, run: Path) -> list[object]:
        """Return the words of the command."""
        return [self.spec, "--run", run, "--ckpt-every", "3steps", "--quiet"]

    def started(self, run: Path) -> list[subprocess.Popen[bytes]]:
        """Start all processes of a run."""
        if self.processes == 1:
            return [harness.start(self.words(run), self.env)]
        place = ["--devices", 1, "--heartbeat", 10, "--init-timeout", 120]
        place += ["--coordinator", f"127.0.0.1:{harness.free_port()}", "--num-processes", self.processes]
        own = [[*self.words(run), *place, "--process-id", rank] for rank in range(self.processes)]
        return [harness.start(words, self.env) for words in own]

    def command(self, run: Path) -> None:
        """Run the command to its end."""
        code, told = harness.command(self.words(run), self.env)
        if code:
            raise RuntimeError(f"an undisturbed run ended with {code}: {told}")

    def run(self, number: int, kills: int) -> tuple[int, str]:
        """Return how many kills found the run alive, and what was lost; empty where nothing was."""
        rng, run, met = random.Random(number), self.folder / f"run-{number}", 0
        while met < kills:
            started = self.started(run)
            time.sleep(rng.uniform(0, self.whole_s * (1 if self.processes == 1 else 2)))
            victim = rng.choice(started)
            if victim.poll() is None:
                met += 1
            harness.kill(victim)
            for process in started:  # a rank that is left alone notices by its heartbeat
                harness.finish(process, timeout_s=240)
            if (run / "DONE.json").exists():
                break
        code, told = harness.command(self.words(run), self.env)
        if code:
            return met, f"ended with {code}: {told[-300:]}"
        found = harness.content(run)
        differing = [name for name in self.expected if found.get(name) != self.expected[name]]
        faults = verify(RunFolder(run)).faults
        shutil.rmtree(run)
        return met, "; ".join([*(f"{name} differs" for name in differing), *map(str, faults)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-run", type=int, default=4, metavar="N")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="processes of each run")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, metavar="N", help="runs at a time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.at_once) as pool:
        storm = Storm(Path(place), options.processes)
        met = runs = lost = 0
        while met < options.kills:
            runner = partial(storm.run, kills=options.per_run)
            numbers = range(runs, runs + options.at_once)
            for number, (kills, fault) in zip(numbers, pool.map(runner, numbers), strict=True):
                met, runs, lost = met + kills, runs + 1, lost + bool(fault)
                if fault:
                    print(f"run {number}: {fault}")
    print(f"{met} kills in {runs} runs of {storm.whole_s:.1f} s, {runs - lost} bit-equal and sound, {lost} lost")
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
