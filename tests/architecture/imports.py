"""The import graph of both packages, read off their source: who names whom, lazily and for types only included.

The names of a stub (`.pyi`) count as imports for types of the module beside it, which loads them when first used.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ROOTS = {"cnnviz_jax": CHECKOUT / "cnnviz_jax", "cnnviz_plugins": CHECKOUT / "plugins" / "cnnviz_plugins"}


@dataclass(frozen=True)
class Import:
    """One import of one module by another."""

    importer: str
    imported: str
    """The module that holds what is imported; a package where its `__init__` does."""
    kind: str
    """`top`, `lazy` (inside a function) or `types` (under `TYPE_CHECKING`)."""


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of both packages by its dotted name; a package is its `__init__`."""
    found = {}
    for root, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([root, *(part for part in parts if part != "__init__")])] = path
    return found


@functools.cache
def imports() -> list[Import]:
    """Return every import between modules of the two packages, each once per kind."""
    known = modules()
    found = dict.fromkeys(
        Import(importer, imported, kind)
        for importer, path in known.items()
        for file in (path, path.with_suffix(".pyi"))
        if file.exists()
        for imported, kind in _imported(file, known)
        if imported != importer
    )
    return list(found)


def circles(edges: Iterator[tuple[str, str]] | set[tuple[str, str]]) -> list[list[str]]:
    """Return the strongly connected components of two and more (Tarjan 1972), each sorted."""
    after: dict[str, set[str]] = {}
    for start, end in edges:
        after.setdefault(start, set()).add(end)
        after.setdefault(end, set())
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in after[node]:
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in after:
        if node not in order:
            visit(node)
    return sorted(found)


def _imported(file: Path, known: dict[str, Path]) -> Iterator[tuple[str, str]]:
    def walk(node: ast.AST, kind: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom):
                # Only the stubs of the core's own package import relatively, all from `cnnviz_jax` itself.
                module = ".".join(filter(None, ("cnnviz_jax" if child.level else "", child.module)))
                for alias in child.names if module.split(".")[0] in ROOTS else ():
                    inner = f"{module}.{alias.name}"
                    yield (inner if inner in known else module), kind
            elif isinstance(child, ast.Import):
                yield from ((alias.name, kind) for alias in child.names if alias.name in known)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                yield from walk(child, "types")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child, "lazy" if kind == "top" else kind)
            else:
                yield from walk(child, kind)

    yield from walk(ast.parse(file.read_text(encoding="utf-8")), "types" if file.suffix == ".pyi" else "top")
