"""Run folders that were damaged, or edited by somebody who knows how they are sealed, and what is done with them.

A case copies a run, changes one thing in it, and has one command look at it. It must end with a documented exit code
and one sentence, without a traceback; and where a sweep says that it is done, every bit must be that of the run before.
"""

import contextlib
import functools
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnviz_jax.cli import main
from cnnviz_jax.sweep.errors import EXIT_CODES, SweepStop
from cnnviz_jax.sweep.identity import fingerprint
from cnnviz_jax.sweep.layout import RunFolder, remove
from cnnviz_jax.sweep.run_file import write_run
from cnnviz_jax.sweep.verify import verify
from tests.hostile.damage import edited, sealed, zstd_bomb
from tests.sweep import harness, small

CODES = {
    "verify": {0, 1, 2},
    "sweep-status": {0, 2},
    "report": {0, 2},
    "merge": {0, *EXIT_CODES},
    "sweep": {*EXIT_CODES},
}
"""Exit codes that each command documents."""


@dataclass(frozen=True)
class Base:
    """Runs that cases copy, made once in a process."""

    finished: Path
    stopped: Path
    expected: dict[str, bytes]


@functools.cache
def base() -> Base:
    """Return a finished run and one that was stopped after image 8, and what both find in the end."""
    place = Path(tempfile.mkdtemp(prefix="runs-"))
    finished = small.sweep(place / "finished").root
    return Base(finished, small.stop_after(2, place / "stopped"), harness.content(finished))


def cases(seed: int) -> Iterator[tuple[str, Callable[[Path], list[str]]]]:
    """Yield cases without end: what is done, and a function that makes the run folder and returns the command's words.

    Args:
        seed: The same seed yields the same cases.
    """
    rng = np.random.default_rng(seed)
    while True:
        verb = str(rng.choice(list(CODES), p=[0.3, 0.2, 0.1, 0.1, 0.3]))
        state = "finished" if verb in ("report", "merge") else str(rng.choice(["finished", "stopped"]))
        change = CHANGES[rng.integers(len(CHANGES))]
        number = int(rng.integers(2**32))
        what = f"{verb} of a {state} run, {change.__name__} {number}"
        yield what, functools.partial(_prepared, verb, state, change, number)


def _prepared(verb: str, state: str, change: Callable[..., None], number: int, folder: Path) -> list[str]:
    shutil.copytree(getattr(base(), state), folder, dirs_exist_ok=True)
    change(np.random.default_rng(number), folder)
    own = ["--model", "tests.sweep.fixtures:net"]
    own += ["--trust"] * (number % 4 > 0)  # without it most are refused at once, for the images' factory
    more = {"report": [*own, "--out", str(folder.parent / "page.html")], "merge": [*own, "--out", f"{folder}-merged"]}
    return [verb, *(["--run"] if verb in ("report", "sweep") else []), str(folder), *more.get(verb, [])]


def fault(words: list[str]) -> str | None:
    """Run a case's command in this process; return what is wrong with how it ended, `None` where it ended well."""
    verb, folder = words[0], Path(words[2] if words[1] == "--run" else words[1])
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = _swept(folder) if verb == "sweep" else main([*words, *(["--quiet"] if verb == "verify" else [])])
    text = told.getvalue().strip()
    lines = text.splitlines()
    if "Traceback" in text or code not in CODES[verb]:
        return f"exit {code}: {text[-1500:]}"
    if verb == "verify" and code == 1 and lines and all(line.startswith("cnnviz: ") for line in lines):
        return None
    if code and (len(lines) != 1 or not lines[0].startswith("cnnviz: ") or not lines[0].isprintable()):
        return f"exit {code} with {len(lines)} lines: {text[-1500:]!r}"
    if verb == "sweep" and code == 0:
        return _not_equal(folder)
    return None


def _swept(folder: Path) -> int:
    """Run the same sweep again, as `cnnviz sweep` does; return its exit code."""
    import sys

    try:
        small.sweep(folder)
    except SweepStop as stop:
        print(f"cnnviz: {stop}", file=sys.stderr)
        return stop.code
    return 0


def _not_equal(folder: Path) -> str | None:
    """Return what is wrong with a run that says that it is done: its bits are another's, and `verify` is silent."""
    if verify(RunFolder(folder)).faults:
        return None  # told, by the command that reads everything
    found = harness.content(folder)
    differing = [name for name, content in base().expected.items() if found.get(name) != content]
    return f"done, verified, and not equal: {differing}" if differing else None


def _files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file())


def _any_file(rng: np.random.Generator, folder: Path) -> Path:
    # By kind, as most files are those of checkpoints.
    files = _files(folder)
    places = sorted({path.relative_to(folder).parts[0] for path in files})
    place = places[rng.integers(len(places))]
    own = [path for path in files if path.relative_to(folder).parts[0] == place]
    return own[rng.integers(len(own))]


def an_edited_entry(rng: np.random.Generator, folder: Path) -> None:
    """One entry of a JSON file of another form."""
    names = ["run.json", "DONE.json", "manifest.json", "zarr.json", "metadata", "_METADATA"]
    files = [path for name in names for path in _files(folder, name)]
    path = files[rng.integers(len(files))]
    with contextlib.suppress(ValueError):
        path.write_text(json.dumps(edited(rng, json.loads(path.read_text()))))


def a_resealed_run(rng: np.random.Generator, folder: Path) -> None:
    """One entry of run.json of another form, and its hashes made anew."""
    content = edited(rng, json.loads((folder / "run.json").read_text()))
    if isinstance(content, dict):
        if isinstance(content.get("identity"), dict) and rng.random() < 0.8:
            content["fingerprint"] = fingerprint(content["identity"])
        write_run(RunFolder(folder), content)
    else:
        (folder / "run.json").write_text(json.dumps(content))


def an_edited_line(rng: np.random.Generator, folder: Path) -> None:
    """One line of a log or of a list of unreadable images of another form."""
    place = folder / str(rng.choice(["log", "errors"])) / "p00000.jsonl"
    place.parent.mkdir(exist_ok=True)
    before = place.read_text().splitlines() if place.exists() else ['{"id": 1, "path": "a", "error": "b"}']
    line = before[rng.integers(len(before))]
    for _ in range(int(rng.integers(1, 4))):
        before.append(json.dumps(edited(rng, json.loads(line))))
    place.write_bytes("\n".join(before).encode() + bytes(rng.integers(0, 256, rng.integers(0, 9), np.uint8)))


def a_damaged_file(rng: np.random.Generator, folder: Path) -> None:
    """A file cut short, empty, lengthened, with a flipped bit or with other bytes."""
    path = _any_file(rng, folder)
    data = bytearray(path.read_bytes())
    kind = rng.integers(5)
    if kind == 0 and data:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    else:
        data = (data[: len(data) // 2], bytearray(), data + b"\0" * 9, bytearray(rng.bytes(len(data))))[(kind - 1) % 4]
    path.write_bytes(data)


def a_deleted_file(rng: np.random.Generator, folder: Path) -> None:
    """A file that is gone."""
    _any_file(rng, folder).unlink()


def a_deleted_folder(rng: np.random.Generator, folder: Path) -> None:
    """A folder that is gone."""
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    shutil.rmtree(folders[rng.integers(len(folders))])


def a_foreign_file(rng: np.random.Generator, folder: Path) -> None:
    """A file in the place of another."""
    source, path = _any_file(rng, folder), _any_file(rng, folder)
    if source != path:
        shutil.copyfile(source, path)


def a_strange_file(rng: np.random.Generator, folder: Path) -> None:
    """A named pipe, a device, a folder or a link that leads nowhere, elsewhere or in a circle, in a file's place."""
    path = _any_file(rng, folder)
    path.unlink()
    kind = rng.integers(5)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    else:
        path.symlink_to(["/dev/zero", "/nowhere", path.name][kind - 2])


def a_strange_folder(rng: np.random.Generator, folder: Path) -> None:
    """A file, a link or a pipe in a folder's place."""
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    path = folders[rng.integers(len(folders))]
    remove(path)
    kind = rng.integers(4)
    if kind == 0:
        path.write_text("no folder")
    elif kind == 1:
        os.mkfifo(path)
    else:
        path.symlink_to(["/proc/self", path.name][kind - 2])


def a_strange_name(rng: np.random.Generator, folder: Path) -> None:
    """Something that nobody wrote, by a name that looks like ours or like none."""
    names = [*("ckpt/99999999999", "ckpt/²", "ckpt/-1", "ckpt/0", "ckpt/8.orbax-checkpoint-tmp", "ckpt/.old-4")]
    names += ["examples.zarr/pred/c/x", "examples.zarr/pred/c/99", "result/.totals.00000000.npz", "log/x.jsonl"]
    names += ["shards/x", ".run.00000000.json"]
    path = folder / str(rng.choice(names))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.mkdir() if rng.random() < 0.5 else path.write_bytes(rng.bytes(20))


def a_compressed_bomb(rng: np.random.Generator, folder: Path) -> None:
    """A chunk that unpacks to a gigabyte, under a checksum that is right; or a checkpoint's."""
    chunks = [path for path in _files(folder, "*") if "c" in path.parts and path.name.isdigit()]
    path = chunks[rng.integers(len(chunks))]
    size = int.from_bytes(path.read_bytes()[5:7], "little") + 256 if rng.random() < 0.5 else int(rng.integers(1 << 31))
    path.write_bytes(sealed(zstd_bomb(size, blocks=8_000)))


CHANGES = (
    an_edited_entry, an_edited_entry, a_resealed_run, a_resealed_run, an_edited_line, a_damaged_file, a_damaged_file,
    a_deleted_file, a_deleted_folder, a_foreign_file, a_strange_file, a_strange_folder, a_strange_name,
    a_compressed_bomb,
)  # fmt: skip
