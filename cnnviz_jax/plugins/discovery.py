"""Which plugins are installed: the entry points of every distribution, read without importing any."""

from dataclasses import dataclass
from importlib import metadata

from cnnviz_jax.plugins.hookspecs import PROJECT
from cnnviz_jax.plugins.reports import Skipped
from cnnviz_jax.plugins.selection import OWN, normalized


@dataclass(frozen=True)
class Candidate:
    """An installed plugin that has not been imported yet."""

    entry_point: metadata.EntryPoint
    """Where to import it from."""
    distribution: str
    """The distribution that declares it."""
    version: str
    """That distribution's version."""

    @property
    def name(self) -> str:
        """The entry point's name, which is the plugin's."""
        return self.entry_point.name


def installed_plugins() -> tuple[list[Candidate], list[Skipped]]:
    """Return the installed plugins, this project's first, then by name; and what could not be read.

    `importlib.metadata.entry_points` is not used: one malformed file would end the program there.
    """
    names: set[str] = set()
    unreadable: list[Skipped] = []
    for distribution in metadata.distributions():
        try:
            if any(point.group == PROJECT for point in distribution.entry_points):
                names.add(normalized(distribution.metadata["Name"]))
        except Exception as error:  # broken metadata of another distribution may raise anything
            unreadable += _unreadable(distribution, error)
    candidates = []
    for name in names:
        distribution = metadata.distribution(name)  # the first on the path hides older copies further down
        facts = distribution.metadata  # parsed anew at every look
        candidates += [
            Candidate(point, facts["Name"], facts["Version"])
            for point in distribution.entry_points
            if point.group == PROJECT
        ]
    if OWN not in names:
        unreadable.append(
            Skipped(
                name="built-in plugins",
                distribution=OWN,
                cause="only the source of cnnviz_jax is on the path and no installed distribution declares the"
                " built-in plugins; run `pip install .` (or `pip install -e .`) in the checkout",
            )
        )
    candidates.sort(key=lambda found: (normalized(found.distribution) != OWN, found.name, found.distribution))
    return candidates, unreadable


def _unreadable(distribution: metadata.Distribution, error: Exception) -> list[Skipped]:
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:  # not even readable, so nobody's plugin that we could name
        return []
    if f"[{PROJECT}]" not in text:
        return []
    title = str(getattr(distribution, "_path", distribution))
    return [Skipped("?", title, f"its entry_points.txt cannot be read: {type(error).__name__}: {error}")]
