"""Writes `cnnviz_jax/techniques/__init__.pyi` from the built-in techniques: `python -m tests.typing.stub`.

The core imports no plugin, and type checkers run none of our code: so the classes that `cv.techniques` finds when it
runs stand in a stub, with their options, docstrings and what comes back.
"""

import textwrap

from cnnviz_jax.options.docs import field_docs, options_of
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import KINDS, TechniqueSpec
from cnnviz_jax.techniques.lookup import class_name
from tests.docs.pages import CHECKOUT

STUB = CHECKOUT / "cnnviz_jax" / "techniques" / "__init__.pyi"
_WIDTH = 118
_RESULTS = {
    "Evolution": "evolution",
    **dict.fromkeys(("Dissection", "Distributions", "Exemplars"), "units"),
    **dict.fromkeys(
        ("Convolution", "EffectiveReceptiveField", "FilterBank", "FilterMatch", "FilterVariety", "ReceptiveFields"),
        "weights",
    ),
}
"""The module of `cnnviz_jax.results` that each of what inspect and survey techniques return stands in."""


def stub() -> str:
    """Return the text of the stub."""
    registry = plugins()
    specs = [
        spec
        for name, spec in registry.techniques.items()
        if registry.owner("technique", name).startswith("cnnviz-jax:")
    ]
    kinds = sorted(f"{kind.capitalize()}Config" for kind in KINDS)
    head = [
        "# Written by `python -m tests.typing.stub`; tests/typing/test_stub.py keeps it.",
        "from dataclasses import dataclass",
        "from typing import Any, Literal",
        "",
        f"from cnnviz_jax.plugins.configs import {', '.join(kinds)}",
        f"from cnnviz_jax.results import {', '.join(sorted(set(_RESULTS.values())))}",
    ]
    return "\n".join([*head, "", *(_class(spec) for spec in sorted(specs, key=lambda spec: class_name(spec.name)))])


def _class(spec: TechniqueSpec) -> str:
    base = f"{spec.kind.capitalize()}Config"
    if spec.result:  # a plugin's own class is no business of the core's stub
        base += "[Any]" if ":" in spec.result else f"[{_RESULTS[spec.result]}.{spec.result}]"
    docs, lines = field_docs(spec.config), []
    for field, hint in options_of(spec.config).items():
        default = "" if field.default.__class__.__name__ == "_MISSING_TYPE" else f" = {field.default!r}"
        lines += [*_broken(f"{field.name}: {hint}{default}"), *_quoted(docs.get(field.name, ""))]
    words = _quoted(f"{spec.summary[0].upper()}{spec.summary[1:]}.")
    return "\n".join(
        ["@dataclass(frozen=True, kw_only=True)", f"class {class_name(spec.name)}({base}):", *words, *lines, ""]
    )


def _quoted(words: str) -> list[str]:
    if not words:
        return []
    prefix = 'r"""' if "\\" in words else '"""'
    return _wrapped(f'{prefix}{words}"""', " " * 4)


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(words, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _broken(line: str) -> list[str]:
    """Return a field on one line, or its list of words broken over several."""
    if len(line) + 4 <= _WIDTH:
        return [f"    {line}"]
    head, _, rest = line.partition("[")
    inner, _, tail = rest.rpartition("]")
    return [f"    {head}[", *_wrapped(inner, " " * 8), f"    ]{tail}"]


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
