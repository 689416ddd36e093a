"""The command line: `cnnviz VERB [TECHNIQUE] MODEL IMAGES...`.

Grammar, the same for every verb:

- Options of `cnnviz` itself (`--plugin FILE`, `--no-plugins`, `--quiet`, `--debug`) stand anywhere.
- The verb comes first. The verbs that run a technique (`explain`, `synthesize`, `inspect`) take its
  name next; `synthesize` may leave it out and then means `activation-maximization`.
- Then come words: the model, then images or folders of images. With `--model` all words are images.
  `report` without a model means the bundled `shapes`.
- A model is a registered name or `package.module:factory`, found from the current folder.
- Everything else is an option and may stand before, between or after the words. Options that take
  several values end at the next option, so put words before those.

Exit codes: 0 done; 1 internal error, with a traceback and where to report it (and, for `doctor`, a
check that failed); 2 a mistake in the command, its files or its plugins, told in a sentence on stderr;
130 interrupted.

Commands keep the programs that they compile in a private folder (`cnnviz doctor` shows it), so that the next process
compiles nothing again; CNNVIZ_COMPILE_CACHE names another folder, or `off`.

Light until a command runs: listings and `--help` import no jax, flax, optax, matplotlib or numpy.
"""

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from cnnviz_jax.cli.commands import COMMANDS, overview
from cnnviz_jax.cli.global_options import Settings, version_line
from cnnviz_jax.compiling import use_compile_cache_of_commands
from cnnviz_jax.errors import CnnvizError, UsageError, did_you_mean

_SURROUNDINGS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""Faults of disk or permissions, which the user can mend and we cannot."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `cnnviz` command and return its exit code; never raises.

    Args:
        argv: The words after `cnnviz`; those of the process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        return _dispatch(words)
    except CnnvizError as error:
        return _refused(str(error), error, debug)
    except KeyboardInterrupt as stopped:
        print(f"cnnviz: {str(stopped) or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; point stdout elsewhere so that closing it at exit stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno in _SURROUNDINGS:
            return _refused(f"{error.strerror}: {error.filename}" if error.filename else str(error), error, debug)
        return _broken()
    except SystemExit as leaving:  # argparse and tyro leave so, after --help (0) or a usage error (2)
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception:
        return _broken()


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
    use_compile_cache_of_commands()
    command = importlib.import_module(f"cnnviz_jax.cli.commands.{verb.replace('-', '_')}")
    code: int = command.run(rest, settings)
    return code


def _refused(sentence: str, error: BaseException, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"cnnviz: {sentence}", file=sys.stderr)
    return 2


def _broken() -> int:
    traceback.print_exc()
    print(
        f"cnnviz: an internal error; please report it with the lines above, the command and"
        f" `cnnviz doctor --json` ({version_line()}).",
        file=sys.stderr,
    )
    return 1
