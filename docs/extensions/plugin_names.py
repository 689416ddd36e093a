"""The directive `plugin-names`: every public name of `cnnviz_jax.plugin` by group, each with its first sentence.

It reads `cnnviz_jax.plugin` itself, so that the page cannot lack a name. A name that has a full entry elsewhere on
these pages leads there.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from cnnviz_jax import plugin

STUB = str(Path(plugin.__file__).with_suffix(".pyi"))
"""Where the names are listed."""
GROUPS = {
    "plugins": "What a plugin offers",
    "engine": "How evaluations run",
    "model": "Models and their layers",
    "program": "The traced program",
    "targets": "Targets",
    "results": "Results",
    "data": "Images and data sets",
    "options": "Checks of options",
    "recorder": "Recorded trainings",
    "compiling": "Compiling",
    "downloads": "Downloads",
    "verbs": "Public functions",
    "errors": "Errors",
}
"""Package or module of the core to the heading of its names."""


def rows() -> dict[str, list[tuple[str, str, str]]]:
    """Return, by heading, the names with the full name of each and its first sentence.

    Raises:
        ExtensionError: A name has no docstring.
    """
    found: dict[str, list[tuple[str, str, str]]] = {heading: [] for heading in GROUPS.values()}
    for name in plugin.__all__:
        value = inspect.unwrap(getattr(plugin, name))
        if inspect.ismodule(value):
            home, full, text = value.__name__, value.__name__, inspect.getdoc(value)
        elif inspect.isclass(value) or inspect.isfunction(value):
            home, full, text = value.__module__, f"{value.__module__}.{value.__qualname__}", inspect.getdoc(value)
        else:
            home = _homes()[name]
            full, text = f"{home}.{name}", _of_constant(home, name)
        if not text:
            raise ExtensionError(f"cnnviz_jax.plugin.{name} has no docstring; {home} needs one line about it")
        group = home.split(".")[1]
        found.setdefault(GROUPS.get(group, group), []).append((name, full, _first_sentence(text)))
    return {heading: names for heading, names in found.items() if names}


def _homes() -> dict[str, str]:
    """Return the module of each name, as the stub imports it."""
    imports = [node for node in ast.parse(Path(STUB).read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"cnnviz_jax.{node.module}" for node in imports for alias in node.names}


def _of_constant(module: str, name: str) -> str:
    """Return the text that stands below a constant; a type of `typing` has no docstring of its own."""
    importlib.import_module(module)
    lines = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name), [])
    return " ".join(lines).strip()


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", paragraph)[0]


class PluginNames(SphinxDirective):
    """`{plugin-names}`: a section per group, in each a list of names."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        for file in (__file__, STUB):
            self.env.note_dependency(file)
        sections: list[nodes.Node] = []
        for heading, names in rows().items():
            section = nodes.section(ids=[nodes.make_id(heading)], names=[heading.lower()])
            section += nodes.title(heading, heading)
            section += nodes.bullet_list("", *(self._item(*row) for row in names))
            sections.append(section)
        return sections

    def _item(self, name: str, full: str, sentence: str) -> nodes.list_item:
        link = addnodes.pending_xref(
            "", nodes.literal(name, name), refdomain="py", reftype="obj", reftarget=full, plugin_name=True
        )
        words, _ = self.parse_inline(sentence.replace("**", r"\*\*"))  # a power, not bold
        return nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(": "), *words))


def left_alone(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.Element
) -> nodes.Element | None:
    """Return a name of the list without a link where no page has a full entry for it."""
    return contnode if node.get("plugin_name") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("plugin-names", PluginNames)
    app.connect("missing-reference", left_alone)
    return {"parallel_read_safe": True}
