"""The exception tree: every error this library raises on purpose.

An error says in a sentence or two what was asked, what was found and what would work. The
command line prints that sentence and leaves the traceback out. Light: imports nothing heavy.
"""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator


class CnnvizError(Exception):
    """A mistake that the user can mend; its text is one or two plain sentences."""

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        """The sentence itself."""
        return " ".join(str(part) for part in self.args)


class CnnvizWarning(UserWarning):
    """What a result gives cause to say, such as a map that is zero everywhere; the result's `warnings` have it too."""


class UsageError(CnnvizError, ValueError):
    """An option or argument that cannot mean anything here."""


class UnknownNameError(CnnvizError, KeyError):
    """A plugin, technique, model, adapter or renderer name that nothing offers."""


class LayerNotFoundError(CnnvizError, KeyError):
    """A layer name that the model does not have."""


class LayerKindError(CnnvizError, ValueError):
    """A layer that exists but cannot serve: no spatial map, no kernel, inside an opaque region."""


class ImageError(CnnvizError, ValueError):
    """An image that is missing, broken, misshaped or not finite."""


class TargetError(CnnvizError, ValueError):
    """A target that the model cannot score, such as a class index out of range."""


class ModelError(CnnvizError, ValueError):
    """A model that cannot be explained as it stands: untraceable, training mode, dropout on."""


class WeightsError(CnnvizError, ValueError):
    """Weights that are missing, broken, unsafe to read or do not fit the network."""


class RuleError(CnnvizError, ValueError):
    """A backward rule that applies to nothing in this program."""


class WindowError(CnnvizError, ValueError):
    """An occlusion window or stride that does not fit the image."""


class PluginError(CnnvizError, RuntimeError):
    """A plugin that cannot be loaded, or two plugins that claim one name."""


class RenderError(CnnvizError, ValueError):
    """A result that no renderer can write in the asked form, or an output path that cannot be written."""


class ResultFileError(CnnvizError, ValueError):
    """A file of a stored result that is missing, broken, or none of `cv.save`'s."""


class MemoryBudgetError(CnnvizError, MemoryError):
    """Work that does not fit the memory budget even one evaluation at a time."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work whose finished part is kept; its text says how much that is and how to go on."""


def in_few(things: Iterable[object], most: int = 5) -> str:
    """Return the first things of a list, and how many more there are: `0, 1, 2 and 7 more`."""
    listed = list(map(str, things))
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x' or 'y'?` for the closest known names, or an empty string."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.55)]
    return f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


@contextlib.contextmanager
def raised_as(
    made: Callable[[Exception], Exception],
    *,
    of: tuple[type[Exception], ...] = (OSError, ValueError),
    but: type[Exception],
) -> Iterator[None]:
    """Raise what `made` makes of an error of the block, that error its cause; `but` passes as it is."""
    try:
        yield
    except but:
        raise
    except of as error:
        raise made(error) from error


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's text, short and printable; its class where it says nothing.

    For sentences about what strangers' code and parsers of strangers' bytes raise.
    """
    try:
        text = (str(error).strip().splitlines() or [""])[0]
    except Exception:  # a stranger's class may fail here too
        text = ""
    if isinstance(error, MemoryError):
        return "it would take more memory than there is"
    return printable(text or type(error).__name__)


_LONGEST_SENTENCE = 3_000


def as_sentence(text: str) -> str:
    """Return a text as one line of a terminal: what it quotes may come from files, plugins and what was pasted."""
    return printable(" ".join(text.splitlines()), _LONGEST_SENTENCE)


def printable(text: str, longest: int = 200) -> str:
    """Return a stranger's text as it may stand in a sentence: not pages long, and nothing a terminal would obey."""
    shown = "".join(character if character.isprintable() else "?" for character in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."
