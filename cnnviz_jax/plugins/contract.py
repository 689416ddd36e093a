"""What a plugin must keep to: hooks that exist, and records of the right class with sound fields."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins import hookspecs, specs

HOOKS: dict[str, tuple[str, type]] = {
    hookspecs.cnnviz_adapters.__name__: ("adapter", specs.AdapterSpec),
    hookspecs.cnnviz_models.__name__: ("model", specs.ModelSpec),
    hookspecs.cnnviz_techniques.__name__: ("technique", specs.TechniqueSpec),
    hookspecs.cnnviz_renderers.__name__: ("renderer", specs.RendererSpec),
    hookspecs.cnnviz_panels.__name__: ("panel", specs.PanelSpec),
    hookspecs.cnnviz_collections.__name__: ("collection", specs.CollectionSpec),
    hookspecs.cnnviz_launchers.__name__: ("launcher", specs.LauncherSpec),
    hookspecs.cnnviz_logs.__name__: ("log", specs.LogSpec),
}
"""Hook name to the sort of thing it yields and the record class of that sort."""

OWN_PAGES = ("image", "class", "compare", "live", "dictionary")
"""First steps of addresses in a site that no collection may have."""

_WORD = "[A-Za-z0-9][A-Za-z0-9_.+-]*"
_NAME = re.compile(_WORD)
_MODEL_NAME = re.compile(f"(?:{_WORD}:)?{_WORD}")  # `keras:ResNet50`: a network of a collection that has its own names


def unknown_hooks(names: Iterable[str]) -> str:
    """Return the sentence about hooks that do not exist, with the nearest that does."""
    sentences = []
    for name in names:
        near = difflib.get_close_matches(name, HOOKS, n=1)
        sentences.append(
            f"there is no hook {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(HOOKS)}")
        )
    return "; ".join(sentences)


def checked(hook: str, yielded: object) -> list[specs.Record]:
    """Return what one hook yielded as a list, after checking every record in it.

    Raises:
        PluginError: A record has the wrong class or an unsound field, or a name comes twice.
    """
    sort, wanted = HOOKS[hook]
    if yielded is None:
        return []
    if isinstance(yielded, wanted):
        raise PluginError(f"{hook} returned one {wanted.__name__}; it must yield records or return a list of them")
    if not isinstance(yielded, Iterable) or isinstance(yielded, str | bytes | dict):
        raise PluginError(f"{hook} returned {type(yielded).__name__}; it must yield {wanted.__name__} records")
    accepted: dict[str, Any] = {}
    for record in yielded:
        if not isinstance(record, wanted):
            raise PluginError(f"{hook} yielded {_shown(record)}; it must yield {wanted.__name__} records")
        fault = _fault(record)
        if fault:
            raise PluginError(f"{hook} yielded {sort} {record.name!r}, whose {fault}")  # type: ignore[attr-defined]
        if record.name in accepted:  # type: ignore[attr-defined]
            raise PluginError(f"{hook} yielded {sort} {record.name!r} twice")  # type: ignore[attr-defined]
        accepted[record.name] = record  # type: ignore[attr-defined]
    return list(accepted.values())


def _shown(record: object) -> str:
    text = repr(record)
    return text if len(text) <= 60 else f"a {type(record).__name__}"


def _fault(record: Any) -> str | None:
    """Return what is wrong with a record, or `None`."""
    form = _MODEL_NAME if isinstance(record, specs.ModelSpec) else _NAME
    if not isinstance(record.name, str) or not form.fullmatch(record.name):
        return "name is not letters, digits, `-`, `_`, `+` and `.`"
    if not isinstance(record.summary, str) or not record.summary.strip():
        return "summary is not a line of text"
    if isinstance(record, specs.LauncherSpec):
        references = [each for each in (record.connect, record.script) if each is not None]
        if not references:
            return "connect and script are both absent; it needs one of them"
    else:
        references = [record.render if isinstance(record, specs.RendererSpec) else record.build]
    for reference in references:
        if not _is_lazy(reference):
            return f"callable is {_shown(reference)}, which is neither callable nor 'package.module:attribute'"
    if isinstance(record, specs.ModelSpec) and record.examples is not None and not _is_lazy(record.examples):
        return f"examples is {_shown(record.examples)}, which is neither callable nor 'package.module:attribute'"
    if isinstance(record, specs.TechniqueSpec):
        if record.kind not in specs.KINDS:
            return f"kind is {record.kind!r}, not one of {', '.join(specs.KINDS)}"
        result: Any = record.result
        if not isinstance(result, str):
            return f"result is {_shown(result)}, not the name of a class"
        if record.holds and not (_are_strings(record.holds) and all(map(_is_lazy, record.holds))):
            return f"holds is {_shown(record.holds)}, not a tuple of 'package.module:Class'"
    if isinstance(record, specs.TechniqueSpec | specs.LauncherSpec | specs.CollectionSpec):
        config: Any = record.config
        if not isinstance(config, type) or not dataclasses.is_dataclass(config):
            return f"config is {_shown(config)}, not a dataclass"
        if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return f"config {config.__name__} is not a frozen dataclass"
    if isinstance(record, specs.CollectionSpec) and record.name in OWN_PAGES:
        return f"name is that of pages that every site has: {', '.join(OWN_PAGES)}"
    if isinstance(record, specs.PanelSpec | specs.CollectionSpec):
        surveys: Any = record.surveys
        if not isinstance(surveys, Mapping) or not all(
            isinstance(name, str) and isinstance(options, Mapping) for name, options in surveys.items()
        ):
            return f"surveys is {_shown(surveys)}, not a mapping from names of survey techniques to their options"
        place: Any = getattr(record, "place", 0)
        if not isinstance(place, int):
            return f"place is {_shown(place)}, not a whole number"
    if isinstance(record, specs.AdapterSpec):
        matches: Any = record.matches
        if not callable(matches):
            return "matches is not callable"
    if isinstance(record, specs.RendererSpec):
        if not all(_are_strings(field) for field in (record.accepts, record.suffixes)):
            return "accepts or suffixes is not a tuple of strings"
        if not all(re.fullmatch(r"\.\S+", suffix) for suffix in record.suffixes):
            return "suffixes do not all begin with a dot"
        for field in ("figure", "fragment", "display", "overlay", "sheet"):
            if (given := getattr(record, field)) is not None and not _is_lazy(given):
                return f"{field} is {_shown(given)}, which is neither callable nor 'package.module:attribute'"
        if record.many and not _are_strings(record.many):
            return "many is not a tuple of strings"
    return None


def _is_lazy(reference: object) -> bool:
    return callable(reference) or (isinstance(reference, str) and bool(re.fullmatch(r"[\w.]+:[\w.]+", reference)))


def _are_strings(field: object) -> bool:
    return isinstance(field, tuple) and bool(field) and all(isinstance(part, str) for part in field)
