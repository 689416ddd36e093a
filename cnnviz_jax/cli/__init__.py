"""The command line: `cnnviz VERB [TECHNIQUE] MODEL IMAGES...`.

Grammar, the same for every verb:

- Options of `cnnviz` itself (`--plugin FILE`, `--no-plugins`, `--quiet`, `--debug`) stand anywhere.
- The verb comes first. The verbs that run a technique (`explain`, `synthesize`, `inspect`) take its
  name next; `synthesize` may leave it out and then means `activation-maximization`.
- Then come words: the model, then images, folders or an .npz of images. With `--model` all words are images.
  `report` without a model means the bundled `shapes`.
- A model is a registered name or `package.module:factory`, found from the current folder.
- Everything else is an option and may stand before, between or after the words. Options that take
  several values end at the next option, so put words before those.

Exit codes: 0 done; 1 internal error, with a traceback and where to report it (and, for `doctor`, a
check that failed); 2 a mistake in the command, its files or its plugins, told in a sentence on stderr;
130 interrupted; 143 and 129 ended by SIGTERM and SIGHUP, with unfinished files removed. With `--json` stdout
holds the JSON and nothing else, whatever plugins print.

Commands keep the programs that they compile in a private folder (`cnnviz doctor` shows it), so that the next process
compiles nothing again; CNNVIZ_COMPILE_CACHE names another folder, or `off`.

Light until a command runs: listings and `--help` import no jax, flax, optax, matplotlib or numpy.
"""

import contextlib
import errno
import gc
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence

from cnnviz_jax.cli.commands import COMMANDS, overview
from cnnviz_jax.cli.global_options import Settings, version_line
from cnnviz_jax.cli.tables import stdout_for_json
from cnnviz_jax.cli.values import Leave
from cnnviz_jax.errors import CnnvizError, CnnvizWarning, UsageError, as_sentence, did_you_mean, printable

_SURROUNDINGS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
"""Faults of disk, permissions or names of files, which the user can mend and we cannot."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `cnnviz` command and return its exit code; never raises.

    Args:
        argv: The words after `cnnviz`; those of the process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    own = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in own
    try:
        # A command prints the warnings of its result as lines of its own.
        with (
            warnings.catch_warnings(),
            _ended_by_signals(),
            stdout_for_json() if "--json" in own else contextlib.nullcontext(),
        ):
            warnings.simplefilter("ignore", CnnvizWarning)
            return _dispatch(words)
    except CnnvizError as error:
        return _refused(str(error), error, debug)
    except _Ended as ended:
        print(f"cnnviz: ended by {signal.Signals(ended.number).name}", file=sys.stderr)
        return 128 + ended.number
    except KeyboardInterrupt as stopped:
        print(f"cnnviz: {str(stopped) or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; point stdout elsewhere so that closing it at exit stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno in _SURROUNDINGS:
            named = f": {printable(str(error.filename))}" if error.filename else ""
            return _refused(f"{error.strerror}{named}" if named else str(error), error, debug)
        return _broken()
    except Leave as leaving:
        return leaving.code
    except SystemExit as leaving:
        return _refused(
            f"a plugin, a model or a library called sys.exit({leaving.code!r:.40}), so nothing came of this; --debug"
            " shows where",
            leaving,
            debug,
        )
    except Exception:
        return _broken()


def command() -> None:
    """Run the command of this process's words, and leave with its exit code."""
    # A process that is soon over needs no look through its objects after every 700 new ones: 18 % of the CPU time of
    # a first LRP of `shapes`, imports and reading of the program included. A saliency map makes 300,000 that last.
    gc.set_threshold(700_000, 20, 50)
    code = main()
    if code > 128:
        # Ended by a signal. Python's own exit would wait for the program that XLA still computes: minutes, at worst.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    # Python's exit looks through all objects again and again for cycles whose memory ends with the process anyway:
    # 0.5 of the 3.5 CPU seconds of a saliency map.
    gc.freeze()
    sys.exit(code)


class _Ended(KeyboardInterrupt):
    """A signal that ends the process; as an exception, so that unfinished files are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, where nobody else listens, end the block as Ctrl-C does."""

    def caught(number: int, frame: object) -> None:
        raise _Ended(number)

    is_main = threading.current_thread() is threading.main_thread()
    free = [number for number in _ENDING if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in free:
        signal.signal(number, caught)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)


_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _dispatch(words: list[str]) -> int:
    settings, words = Settings.split(words)
    if settings.version:
        print(version_line())
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    verb, *rest = words
    if verb.startswith("-"):
        raise UsageError(f"no option {verb!r} before the command; `cnnviz --help` shows what there is.")
    if verb not in COMMANDS:
        raise UsageError(f"no command {verb!r}.{did_you_mean(verb, COMMANDS)} `cnnviz --help` lists them.")
    command = importlib.import_module(f"cnnviz_jax.cli.commands.{verb.replace('-', '_')}")
    code: int = command.run(rest, settings)
    return code


def _refused(sentence: str, error: BaseException, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"cnnviz: {as_sentence(sentence)}", file=sys.stderr)
    return 2


def _broken() -> int:
    traceback.print_exc()
    print(
        f"cnnviz: an internal error; please report it with the lines above, the command and"
        f" `cnnviz doctor --json` ({version_line()}).",
        file=sys.stderr,
    )
    return 1
