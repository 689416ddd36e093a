"""Architectures by the hundred that nobody here wrote, each through seven checks; a table of what was found.

Run from the repository's root, with the libraries installed beside this package, or lying in folders:

    python benchmarks/menagerie.py --results menagerie.jsonl --path CHECKOUT --path CHECKOUT
    python benchmarks/menagerie.py --library keras --only 'MobileNet*'
    python benchmarks/menagerie.py --results menagerie.jsonl --page docs/menagerie.md --table docs/menagerie.md

Weights are random and images small. Each network is built and checked in a process of its own, with a limit of memory
and time, and its line goes to the results at once: the same call resumes. With `--page` the rows of an older page count
as results, too. `--again` runs the checks that were not right, or all where a network was not adapted or versions have
changed. `--turn 4` runs some of every library before the rest. Two calls may append to one file, each with libraries of
its own.
"""

import argparse
import fnmatch
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1")  # compiling is most of the work

from rows import keep_row, kept_rows
from zoos import libraries, page_rows, table
from zoos.network import CHECKS, Architecture


def main() -> None:
    """Run what is asked for and was not run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", nargs="*", default=list(libraries.LIBRARIES), choices=libraries.LIBRARIES)
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--path", action="append", default=[], help="folder that holds packages, such as a checkout")
    parser.add_argument("--results", type=Path, default=Path("menagerie.jsonl"))
    parser.add_argument("--page", type=Path, help="page whose rows count as results, where there are no newer ones")
    parser.add_argument("--again", action="store_true", help="run again what was not right")
    parser.add_argument("--seconds", type=float, default=400, help="CPU seconds a network may take")
    parser.add_argument("--mib", type=float, default=2560, help="memory a network may take")
    parser.add_argument("--count", type=int, default=0, help="at most so many of each library")
    parser.add_argument("--turn", type=int, default=0, help="run so many of a library, then of the next, and again")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--table", type=Path, help="write the results as a page of the documentation")
    args = parser.parse_args()
    sys.path[:0] = args.path
    known_rows = page_rows.rows_of(args.page.read_text(encoding="utf-8")) if args.page else {}
    done = {**known_rows, **kept_rows(args.results, "library", "name")}
    if args.table:
        found = {network: table.wrongs(row) for network, row in done.items()}
        args.table.write_text(table.page(list(done.values()), found), encoding="utf-8")
        return
    for architecture in chosen(args.library, args.only, args.count, args.turn):
        if args.list:
            print(architecture.library, architecture.name)
            continue
        row = done.get((architecture.library, architecture.name))
        if row is not None and (right(row) or not args.again):
            continue
        row = in_a_process(architecture, args.seconds, args.mib, row or {})
        keep_row(args.results, row)
        told = f"{row['cpu']:.1f} s, {row['mib']:.0f} MiB"
        print(f"{architecture.library} {architecture.name}: {told}", *table.wrongs(row), flush=True)


def chosen(names: Iterable[str], pattern: str, count: int, turn: int) -> list[Architecture]:
    """Return architectures of libraries: one library after the other, or `turn` of each, then the next of each."""
    ranked = []
    for library in names:
        found = [each for each in known(library) if fnmatch.fnmatch(each.name, pattern)][: count or None]
        ranked += [(place // (turn or len(found)), each) for place, each in enumerate(found)]
    return [each for _, each in sorted(ranked, key=lambda pair: pair[0])]


def known(library: str) -> Iterator[Architecture]:
    """Yield a library's architectures; none, with a word, where it is not installed."""
    missing = [name for name in libraries.LIBRARIES[library].needs if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{library}: {', '.join(missing)} is not installed", file=sys.stderr)
        return
    yield from libraries.architectures(library)


def right(row: dict[str, Any]) -> bool:
    """Whether all checks held."""
    return not table.wrongs(row)


def in_a_process(architecture: Architecture, seconds: float, mib: float, before: dict[str, Any]) -> dict[str, Any]:
    """Build and check one network in a fork of this process, which has imported the library and computed nothing.

    Args:
        architecture: The network.
        seconds: CPU time that it may take.
        mib: Memory that it may take.
        before: Its row of an earlier run; checks that were right then, by the same versions, are kept.
    """
    versions = {name: _version(name) for name in libraries.LIBRARIES[architecture.library].needs}
    kept = {name: text for name, text in before.get("checks", {}).items() if text.startswith("ok")}
    if "adapts" not in kept or before["versions"] != versions:
        kept = {}
    asked = tuple(name for name in CHECKS if name == "adapts" or name not in kept)
    libraries.preload(architecture.library)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            text = json.dumps(in_this_process(architecture, asked))
        except BaseException as error:
            text = json.dumps({"ended": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
            traceback.print_exc()
        with os.fdopen(writer, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(writer)
    ended, peak, cpu = "", 0.0, 0.0
    while True:
        pid, _, used = os.wait4(child, os.WNOHANG)
        if pid:
            peak, cpu = max(peak, used.ru_maxrss / 1024), used.ru_utime + used.ru_stime
            break
        resident, cpu = _used(child)
        peak = max(peak, resident)
        if not ended and (peak > mib or cpu > seconds):
            ended = f"stopped at {peak:.0f} MiB and {cpu:.0f} s"
            os.kill(child, 9)
        time.sleep(0.1)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    row = json.loads(text) if text and not ended else {"ended": ended or "the process died"}
    if "checks" in row:
        row["checks"] = {name: {**kept, **row["checks"]}[name] for name in CHECKS}
    about = {"library": architecture.library, "name": architecture.name, "versions": versions}
    return {**about, **row, "cpu": round(cpu, 1), "mib": round(peak)}


def in_this_process(architecture: Architecture, asked: tuple[str, ...]) -> dict[str, Any]:
    """Build and check one network."""
    from zoos import checks

    network = architecture.build()
    return {"shape": network.shape, **checks.checked(network, asked)}


def _used(pid: int) -> tuple[float, float]:
    """Resident MiB and CPU seconds of a process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, IndexError):
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, (int(fields[11]) + int(fields[12])) / ticks


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(libraries.DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        found = importlib.util.find_spec(name)
        folder = next(iter(found.submodule_search_locations or ()), ".") if found else "."
        asked = ["git", "-C", os.path.realpath(folder), "rev-parse", "--short", "HEAD"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        return f"at commit {told.stdout.strip()}" if told.returncode == 0 else "a checkout"


if __name__ == "__main__":
    main()
