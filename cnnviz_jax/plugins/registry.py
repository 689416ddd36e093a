"""The registry: what the loaded plugins offer, looked up by name, with errors that lead on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnnviz_jax.errors import PluginError, UnknownNameError, did_you_mean
from cnnviz_jax.plugins.contract import HOOKS
from cnnviz_jax.plugins.references import is_reference
from cnnviz_jax.plugins.reports import Disabled, PluginInfo, Skipped
from cnnviz_jax.plugins.specs import (
    AdapterSpec,
    CollectionSpec,
    Kind,
    LauncherSpec,
    LogSpec,
    ModelSpec,
    PanelSpec,
    Record,
    RendererSpec,
    TechniqueSpec,
)


@dataclass(frozen=True)
class Conflict:
    """A name that several plugins claim: none of them has it until the user disables all but one."""

    sort: str
    """`adapter`, `model`, `technique`, `renderer`, `panel`, `collection`, `launcher` or `log`."""
    name: str
    """The name."""
    owners: tuple[str, ...]
    """References (`distribution:name`) of the plugins that claim it."""

    @property
    def cause(self) -> str:
        """The sentence about it."""
        return (
            f"{self.sort} {self.name!r} is offered by {' and '.join(self.owners)}; disable all but one of them,"
            f" for example with CNNVIZ_DISABLE_PLUGINS={self.owners[-1]}"
        )


class Plugins:
    """Everything the loaded plugins offer. Made by `cnnviz_jax.plugins.plugins`, not by hand."""

    loaded: tuple[PluginInfo, ...]
    """The plugins that were loaded, in loading order."""
    skipped: tuple[Skipped, ...]
    """The plugins that were found and could not be loaded."""
    disabled: tuple[Disabled, ...]
    """The plugins that the user's choice kept out."""

    def __init__(self, read_file: Callable[[Path], tuple[PluginInfo, dict[str, list[Record]]]]):
        self.loaded = ()
        self.skipped = ()
        self.disabled = ()
        self.remarks: tuple[str, ...] = ()
        self._read_file = read_file
        self._offers: dict[str, dict[str, list[tuple[PluginInfo, Any]]]] = {sort: {} for sort, _ in HOOKS.values()}
        self._by_name: dict[str, Mapping[str, Any]] = {}

    def add(self, plugin: PluginInfo, offered: Mapping[str, list[Record]]) -> None:
        """Take in a plugin and its records by hook; the loader calls this once it has all of them."""
        for hook, records in offered.items():
            claims = self._offers[HOOKS[hook][0]]
            for record in records:
                claims.setdefault(record.name, []).append((plugin, record))
        self.loaded += (plugin,)
        self._by_name.clear()

    def load_file(self, path: str | Path) -> PluginInfo:
        """Load an unpackaged plugin file and return what it brought.

        Raises:
            PluginError: The file is missing, fails or breaks the contract of a plugin.
        """
        plugin, offered = self._read_file(Path(path))
        self.add(plugin, offered)
        return plugin

    def load_files(self, paths: Iterable[str]) -> None:
        """Load the unpackaged plugin files among these that were not loaded before; see `load_file`."""
        for path in paths:
            if path not in {plugin.name for plugin in self.loaded}:
                self.load_file(path)

    @property
    def adapters(self) -> Mapping[str, AdapterSpec]:
        """The adapters by name, sorted."""
        return self._uncontested("adapter")

    @property
    def models(self) -> Mapping[str, ModelSpec]:
        """The models by name, sorted."""
        return self._uncontested("model")

    @property
    def techniques(self) -> Mapping[str, TechniqueSpec]:
        """The techniques by name, sorted."""
        return self._uncontested("technique")

    @property
    def renderers(self) -> Mapping[str, RendererSpec]:
        """The renderers by name, sorted."""
        return self._uncontested("renderer")

    @property
    def panels(self) -> Mapping[str, PanelSpec]:
        """The panels by name, in the order in which they stand on a page."""
        found = self._uncontested("panel")
        return MappingProxyType(
            {name: found[name] for name in sorted(found, key=lambda name: (found[name].place, name))}
        )

    @property
    def collections(self) -> Mapping[str, CollectionSpec]:
        """The collections of pages by name, sorted."""
        return self._uncontested("collection")

    @property
    def launchers(self) -> Mapping[str, LauncherSpec]:
        """The launchers by name, sorted."""
        return self._uncontested("launcher")

    @property
    def logs(self) -> Mapping[str, LogSpec]:
        """The logs of trainings by name, sorted."""
        return self._uncontested("log")

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The names that several plugins claim."""
        return tuple(
            Conflict(sort, name, tuple(plugin.reference for plugin, _ in claims))
            for sort, names in self._offers.items()
            for name, claims in sorted(names.items())
            if len(claims) > 1
        )

    def adapter(self, name: str) -> AdapterSpec:
        """Return the adapter of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("adapter", name)[1]

    def model(self, name: str) -> ModelSpec:
        """Return the model of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("model", name)[1]

    def collection(self, name: str) -> CollectionSpec:
        """Return the collection of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("collection", name)[1]

    def launcher(self, name: str) -> LauncherSpec:
        """Return the launcher of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("launcher", name)[1]

    def log(self, name: str) -> LogSpec:
        """Return the log of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("log", name)[1]

    def renderer(self, name: str) -> RendererSpec:
        """Return the renderer of that name; raises `UnknownNameError` or, for a contested name, `PluginError`."""
        return self._find("renderer", name)[1]

    def technique(self, name: str, kind: Kind | None = None) -> TechniqueSpec:
        """Return the technique of that name, which must be of that kind if one is given.

        Raises:
            UnknownNameError: Nothing offers it, or it is of another kind.
            PluginError: Several plugins claim the name.
        """
        found: TechniqueSpec = self._find("technique", name, kind)[1]
        if kind is not None and found.kind != kind:
            raise UnknownNameError(
                f"{name!r} is not a technique of kind {kind} but of kind {found.kind}: use `cv.{found.kind}` or"
                f" `cnnviz {found.kind} {name}`. `cnnviz techniques --kind {kind}` lists those of kind {kind}."
            )
        return found

    def is_own_factory(self, word: str) -> bool:
        """Whether a word is the user's `package.module:factory`, and neither `keras:NAME` nor a slip in one."""
        collections = {name.partition(":")[0] for name in self.models if ":" in name}
        return is_reference(word) and word.partition(":")[0] not in collections

    def owner(self, sort: str, name: str) -> str:
        """Return the reference (`distribution:name`) of the plugin that offers this adapter, model and so on."""
        plugin: PluginInfo = self._find(sort, name)[0]
        return plugin.reference

    def notes(self) -> tuple[str, ...]:
        """What the user should hear about once: plugins skipped, contested names, list entries that fit nothing."""
        return (
            *(f"plugin {each.name!r} of {each.distribution} is skipped: {each.cause}" for each in self.skipped),
            *(conflict.cause for conflict in self.conflicts),
            *self.remarks,
        )

    def _uncontested(self, sort: str) -> Mapping[str, Any]:
        # Kept: every call of a verb looks a technique up twice.
        if sort not in self._by_name:
            names = self._offers[sort]
            found = {name: names[name][0][1] for name in sorted(names) if len(names[name]) == 1}
            self._by_name[sort] = MappingProxyType(found)
        return self._by_name[sort]

    def _find(self, sort: str, name: str, kind: str | None = None) -> tuple[PluginInfo, Any]:
        claims = self._offers[sort].get(name, [])
        if len(claims) > 1:
            raise PluginError(next(clash.cause for clash in self.conflicts if (clash.sort, clash.name) == (sort, name)))
        if claims:
            return claims[0]
        known = [
            key for key, record in self._uncontested(sort).items() if kind in (None, getattr(record, "kind", None))
        ]
        listing = f"cnnviz {sort}s" + (f" --kind {kind}" if kind else "")
        count = f"`{listing}` lists all {len(known)}." if known else f"None is loaded, as `{listing}` shows."
        text = f"no {f'{kind} ' if kind else ''}{sort} {name!r}.{did_you_mean(name, known)} {count}"
        absent = [(other, f"which was skipped: {other.cause}") for other in self.skipped]
        absent += [(other, f"which is disabled by {other.cause}") for other in self.disabled]  # type: ignore[misc]
        quoted = [f"plugin {other.name!r} of {other.distribution}, {why}" for other, why in absent[:4]]
        if len(absent) > 4:
            quoted.append(f"{len(absent) - 4} more, which `cnnviz plugins` names")
        raise UnknownNameError(f"{text} It might have come with {'; '.join(quoted)}." if quoted else text)
