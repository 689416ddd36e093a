"""Runs a command line in this process and looks whether it ended as documented."""

import contextlib
import io
import json
import tempfile

from cnnviz_jax.cli import main
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.plugins import reset_plugins
from tests.hostile.family import TracedBack


def run(words: list[str]) -> None:
    """Run `cnnviz` with these words: return where it succeeds, raise its sentence where it refuses.

    Raises:
        CnnvizError: It refused in a sentence, with exit code 2.
        TracedBack: It ended in another way, or stdout is no JSON although it should be.
    """
    reset_plugins()
    err = io.StringIO()
    with tempfile.TemporaryFile("w+") as out, contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        code = main(words)
        out.flush()
        out.seek(0)
        printed = out.read()
    told = err.getvalue()
    lines = told.strip().splitlines() or [""]
    if code == 0:
        if "--json" in words and "--" not in words:
            try:
                json.loads(printed)
            except ValueError as error:
                if "--help" not in words and "-h" not in words and "--version" not in words:
                    raise TracedBack(f"stdout is no JSON: {printed[:200]!r}") from error
        return
    if code != 2 or "Traceback" in told:
        raise TracedBack(f"exit {code}: {told[-1500:]}")
    if not lines[-1].startswith("cnnviz: "):
        raise TracedBack(f"exit 2 without a sentence: {told[-1500:]!r}")
    raise CnnvizError(lines[-1].removeprefix("cnnviz: "))
