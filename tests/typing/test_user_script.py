"""Type checkers know the options of techniques and what verbs return, by a user's script that mypy and pyright read."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

SCRIPT = Path(__file__).with_name("user_script.py")


def expected(mark: str) -> dict[int, str]:
    """Return what the script expects, by line."""
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    found = {number: re.search(rf"# {mark}: (.+)$", line) for number, line in enumerate(lines, 1)}
    return {number: match[1] for number, match in found.items() if match}


def check(complaints: dict[int, str], revealed: dict[int, str]) -> None:
    """Hold what a checker said to what the script expects."""
    errors = expected("error")
    assert sorted(complaints) == sorted(errors), complaints
    for line, word in errors.items():
        assert word in complaints[line]
    types = expected("expect")
    assert sorted(revealed) == sorted(types)
    for line, kind in types.items():
        assert revealed[line].replace("cnnviz_jax.", "").split(".")[-1] == kind.split(".")[-1], (line, revealed[line])


def environment() -> dict[str, str]:
    return {**os.environ, "MYPYPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "plugins")])}


def test_mypy_reads_the_script_as_meant():
    pytest.importorskip("mypy", reason="mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", "--ignore-missing-imports",
               "--show-error-codes", "--no-error-summary", "--no-color-output", str(SCRIPT)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=environment(), check=False)
    complaints: dict[int, str] = {}
    revealed: dict[int, str] = {}
    for line in done.stdout.splitlines():
        number, kind, text = re.fullmatch(r".*user_script\.py:(\d+): (error|note): (.*)", line).groups()
        if kind == "error":
            complaints[int(number)] = complaints.get(int(number), "") + text
        elif match := re.match(r'Revealed type is "(.*)"', text):
            revealed[int(number)] = re.sub(r"builtins\.|pathlib\.", "", match[1])
    check(complaints, revealed)


def test_pyright_reads_the_script_as_meant():
    program = shutil.which("pyright") or shutil.which("basedpyright")
    if program is None:
        pytest.skip("neither pyright nor basedpyright is installed")
    command = [program, "--outputjson", "--pythonpath", sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=environment(), check=False)
    complaints: dict[int, str] = {}
    revealed: dict[int, str] = {}
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        line = found["range"]["start"]["line"] + 1
        if match := re.match(r'Type of ".*" is "(.*)"', found["message"], re.DOTALL):
            revealed[line] = match[1]
        elif found["severity"] == "error":
            complaints[line] = complaints.get(line, "") + found["message"]
    check(complaints, revealed)
