"""One style for every help and every fault: tyro, which reads the options of techniques, draws frames of its own."""

import re

from cnnviz_jax.errors import UsageError

_RULE = re.compile(r"^ *-{20,} *$")
_NONE = re.compile(r"\{None\}\||(?<=\{)None,|, 'None'|'None', ")
"""What leaves an option out, which nobody writes."""
_DEFAULT_NONE = re.compile(r"\s+\(default:\s+None\)")
_SERIES = re.compile(r"\{\[(\w+) \[\1 \.\.\.\]\]\}")


def plain_help(text: str, usage: str) -> str:
    """Return a help as argparse writes those of other commands.

    Args:
        text: As tyro writes it to a stream that is no terminal.
        usage: The line in one line.
    """
    given = [line.rstrip() for line in text.splitlines()[1:]]
    lines: list[str] = []
    for line, below in zip(given, [*given[1:], ""], strict=True):
        if _RULE.match(below):
            lines += ["", f"{line.strip()}:"]
        elif line.startswith("  "):
            lines.append(f"  {_option(line[2:])}")
        elif line and not _RULE.match(line):
            lines += ["", line]
    return _DEFAULT_NONE.sub("", "\n".join([f"usage: {usage}", *lines])).rstrip()


def _option(line: str) -> str:
    """Return a line of an option, or of its help, without `None`; the help stays where it was."""
    parts = re.match(r"(-\S.*?)(  +|$)(.*)", line)
    if parts is None:
        return _NONE.sub("", line)
    flag, gap, told = parts.groups()
    short = _SERIES.sub(r"\1 ...", _NONE.sub("", flag))
    return short + (" " * (len(flag) - len(short)) + gap + _NONE.sub("", told) if told else "")


def fault_of(text: str, prog: str) -> UsageError:
    """Return what tyro says of a line, as one sentence."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if _RULE.match(line):
            parts.append([])
        else:
            parts[-1].append(line.strip())
    told = " ".join(" ".join(parts[1] if len(parts) > 1 else parts[0]).split("Got errors")[0].split()).rstrip(". ")
    near = re.search(r"Perhaps you meant:\s+(--[\w-]+)", text)
    guess = f" did you mean {near[1]!r}?" if near else ""
    told = _NONE.sub("", told[:1].lower() + told[1:]) or "the options are wrong"
    return UsageError(f"{told}.{guess} `{prog} --help` shows what can be given.")
