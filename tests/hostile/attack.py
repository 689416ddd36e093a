"""Tries one case in this process and judges it; a process of its own serves cases by number (`python -m`)."""

import json
import os
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cnnviz_jax.errors import CnnvizError
from tests.hostile.family import Case, Family, TracedBack, families

MARKER = "ran"
_LONGEST_SENTENCE = 4_000
_MOST_MORE_MIB = 2_048
"""Address space beyond what the process has when it begins; what asks for more gets none and fails."""


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    verdict: str
    """One of `VERDICTS`."""
    what: str
    """What was hostile."""
    detail: str
    """The sentence, or what is wrong."""


def attack(name: str, seed: int) -> Outcome:
    """Make and try one case of a family."""
    family = families()[name]
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    here = Path.cwd()
    try:
        (folder / "out").mkdir()
        case = family.make(np.random.default_rng([seed, *name.encode()]), folder)
        return judged(family, case, folder)
    finally:
        os.chdir(here)
        shutil.rmtree(folder, ignore_errors=True)


def judged(family: Family, case: Case, folder: Path) -> Outcome:
    """Try a case whose files are written."""
    before = _start_of_peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is no matter here
            case.attempt()
        verdict, detail = "accepted", ""
    except CnnvizError as error:
        verdict, detail = "refused well", str(error)
    except TracedBack as error:
        verdict, detail = "traced back", str(error)
    except BaseException:
        verdict, detail = "traced back", traceback.format_exc()
    more = _peak_mib() - before
    if verdict == "refused well" and fault_of(detail):
        verdict, detail = "traced back", f"{fault_of(detail)}: {detail!r}"
    if left := [str(p.relative_to(folder)) for p in _left(folder, case, is_refused=verdict != "accepted")]:
        verdict, detail = "half file", f"{left} after: {detail}"
    if more > family.memory_mib or "more memory than there is" in detail:
        verdict, detail = "over memory", f"{more:.0f} MiB; {detail}"
    if (folder / MARKER).exists():
        verdict, detail = "code run", detail
    return Outcome(verdict, case.what, detail)


def fault_of(sentence: str) -> str | None:
    """Return what is wrong with the form of an error's text, `None` where it is one short printable line."""
    if not sentence.strip():
        return "an empty sentence"
    if len(sentence) > _LONGEST_SENTENCE:
        return f"a sentence of {len(sentence)} characters"
    return None if sentence.isprintable() else "a sentence of more than one printable line"


def _left(folder: Path, case: Case, *, is_refused: bool) -> list[Path]:
    files = [path for path in (folder / "out").rglob("*") if not path.is_dir()]
    if is_refused:
        return [path for path in files if not case.may_stay(path)]
    return [path for path in files if path.name.startswith(".") or path.suffix == ".part"]


def _start_of_peak() -> float:
    """Let the kernel forget the peak of resident memory so far; return what is resident now, in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _status("VmRSS")


def _peak_mib() -> float:
    return (
        _status("VmHWM")
        if Path("/proc/self/status").exists()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(field)


def serve() -> None:
    """Answer lines `family seed` on stdin with outcomes as JSON on what stdout was, until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a case prints
    for name, family in families().items():  # what is imported and compiled once counts for no case
        del family
        attack(name, 0)
    have = int(_status("VmSize")) << 20
    resource.setrlimit(resource.RLIMIT_AS, (have + (_MOST_MORE_MIB << 20),) * 2)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, seed = line.split()
        print(json.dumps(asdict(attack(name, int(seed)))), file=answers, flush=True)


if __name__ == "__main__":
    serve()
