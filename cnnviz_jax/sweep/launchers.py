"""Who runs the shards of a sweep: an engine named with `--on`, or a script printed with `--print-launcher`.

Light: the command line is made of it before JAX starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import LauncherSpec
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.spec import SweepSpec, part_from_words


@dataclass(frozen=True, kw_only=True)
class LauncherOptions:
    """Who runs the shards of a sweep, how many there are and how often one is started again."""

    on: str | None = None
    """Run the shards on an engine and merge them: `ray`, `ray://HOST:PORT`, or 'NAME option=value ...'; see `cnnviz
    launchers`."""
    print_launcher: str | None = None
    """Print a script that runs the shards and merges them, `slurm` or 'jobset image=... claim=...', and do no more."""
    shards: int = 8
    """Shards, with --on and --print-launcher; best a few for each worker. Frozen with the run."""
    retries: int = 3
    """How often a shard is started again after its process was lost or ended with a code that allows it."""

    def __post_init__(self) -> None:
        if self.shards < 1 or self.retries < 0:
            raise SweepUsageError(
                f"shards is 1 or more and retries 0 or more, got {self.shards} and {self.retries}: a shard is a part of"
                " the images"
            )
        if self.on and self.print_launcher:
            raise SweepUsageError("--on runs the shards and --print-launcher prints who would: give one of them")


@dataclass(frozen=True, kw_only=True)
class ScriptCase:
    """What the script of a launcher runs: `cnnviz`, with `--shard i/n` for every shard, and then with `merge`."""

    words: tuple[str, ...]
    """What follows `cnnviz` for a shard, without `--shard`."""
    merge: tuple[str, ...]
    """What follows `cnnviz` once all shards are done."""
    run: str
    """The run folder, as the user named it."""
    shards: int
    retries: int
    """How often a shard may be started again."""
    started_in: str
    """The folder from which relative paths are found."""
    final: tuple[int, ...]
    """Exit codes after which starting again changes nothing."""
    again: int
    """The exit code of a shard that was stopped by a signal and resumes when it is started again."""

    @property
    def name(self) -> str:
        """A name of lower-case letters, digits and dashes for the job, from the run folder's."""
        letters = "".join(each if each.isascii() and each.isalnum() else "-" for each in self.run.rsplit("/")[-1])
        return f"cnnviz-{letters.lower().strip('-') or 'sweep'}"[:40].rstrip("-")


def launcher_and_config(text: str, job: Literal["connect", "script"]) -> tuple[LauncherSpec, Any]:
    """Return the launcher that words name, and its config.

    Args:
        text: `NAME option=value ...`; `NAME:REST` gives the option `address`, and so does a URL, `NAME://REST`.
        job: What it must be able to do.

    Raises:
        UnknownNameError: No plugin offers it.
        UsageError: An option does not exist or its value is not allowed, or the launcher does the other job only.
    """
    from cnnviz_jax.options.building import config_from

    options = part_from_words(text)
    word = str(options.pop("technique"))
    name, _, rest = word.partition(":")
    spec = plugins().launcher(name)
    if rest:
        if "address" in options:
            raise SweepUsageError(f"two addresses: {word!r} and address={options['address']!r}")
        options["address"] = word if rest.startswith("//") else rest
    if getattr(spec, job) is None:
        flag, other = ("--on", "--print-launcher") if job == "connect" else ("--print-launcher", "--on")
        able = ", ".join(each for each, record in plugins().launchers.items() if getattr(record, job)) or "none"
        raise UsageError(f"{name} is for {other}, not for {flag}; for that there are: {able}")
    return spec, config_from(spec, options)


def merge_words(spec: SweepSpec, run: str) -> tuple[str, ...]:
    """Return what follows `cnnviz` to merge the shards of a run that this user wrote."""
    named = {"--model": spec.model, "--weights": spec.weights, "--source": spec.source}
    return ("merge", run, *(word for flag, value in named.items() if value for word in (flag, value)), "--trust")


def without_flags(words: Sequence[str], flags: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command line without options that take one value each."""
    kept, skips = [], False
    for word in words:
        if skips:
            skips = False
        elif word in flags:
            skips = True
        elif not any(word.startswith(f"{flag}=") for flag in flags):
            kept.append(word)
    return tuple(kept)
