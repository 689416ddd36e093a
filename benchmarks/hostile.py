"""Attacks what reads from outside for so many minutes, and counts what came of it.

`python benchmarks/hostile.py --minutes 20` tries cases of `tests/hostile`, family by family, over several processes
with limits of memory and time, and prints a table: tried, refused well, accepted, traced back, hung, over memory, code
run, half files. Each ill case is printed with its seed, with which `--case FAMILY SEED` tries it again.
"""

import argparse
import sys
import threading
import time
from collections import Counter
from itertools import count, cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hostile.attack import Outcome, attack
from tests.hostile.family import VERDICTS, families
from tests.hostile.worker import Worker

_WELL = ("refused well", "accepted")


def main() -> int:
    """Run the attacks; return 1 where one of them succeeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--families", nargs="*", default=sorted(families()))
    parser.add_argument("--case", nargs=2, metavar=("FAMILY", "SEED"), help="try one case here and show it")
    asked = parser.parse_args()
    if asked.case:
        outcome = attack(asked.case[0], int(asked.case[1]))
        print(f"{outcome.verdict}: {outcome.what}\n{outcome.detail}")
        return int(outcome.verdict not in _WELL)
    counts: dict[str, Counter[str]] = {name: Counter() for name in asked.families}
    known = families()
    turns = [name for name in asked.families for _ in range(known[name].share)]
    numbers = {name: count(asked.first) for name in asked.families}
    turn, lock, end_s = cycle(turns), threading.Lock(), time.monotonic() + 60 * asked.minutes

    def work() -> None:
        with Worker() as worker:
            while time.monotonic() < end_s:
                with lock:
                    name = next(turn)
                    seed = next(numbers[name])
                outcome = worker.attack(name, seed)
                with lock:
                    counts[name][outcome.verdict] += 1
                    _tell(name, seed, outcome)

    threads = [threading.Thread(target=work) for _ in range(asked.processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _table(counts)
    return int(any(counted[verdict] for counted in counts.values() for verdict in VERDICTS if verdict not in _WELL))


def _tell(name: str, seed: int, outcome: Outcome) -> None:
    if outcome.verdict not in _WELL:
        print(f"{outcome.verdict}: --case {name} {seed}: {outcome.what}\n    {outcome.detail[-600:]}", flush=True)


def _table(counts: dict[str, Counter[str]]) -> None:
    heads = ("family", "tried", *VERDICTS)
    rows = [(name, sum(each.values()), *(each[verdict] for verdict in VERDICTS)) for name, each in counts.items()]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    print("  ".join(f"{head:>13}" for head in heads))
    for row in rows:
        print("  ".join(f"{cell:>13}" for cell in row))


if __name__ == "__main__":
    raise SystemExit(main())
