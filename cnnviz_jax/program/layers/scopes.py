"""Where each leaf stands in the model: its path of module names, from the name stack and from its parameters.

The name stack comes first, cleaned of transforms (`vmap(conv1)`), of the root and of hints. A parameter path may go on
where the stack stops (`layer1` on the stack, kernel at `layer1.conv1.kernel`). An unrolled scan puts its index behind
the name of what it repeats: `blocks[0].conv`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.operations import Operation, View
from cnnviz_jax.program.layers.parameter_modules import ParameterModules, common

Path = tuple[str, ...]

_WRAPPED = re.compile(r"^\w+\((.*)\)$")
_INDEX = re.compile(r"\[\d+\]$")
_TURN = "\0"


class Scopes:
    """Cleans name stacks."""

    def __init__(self, roots: Sequence[str], hints: Iterable[str]) -> None:
        self._roots = tuple(tuple(part for part in root.split("/") if part) for root in roots if root)
        self._hints = tuple(re.compile(hint) for hint in hints)
        self._cleaned: dict[str, Path] = {}

    def path(self, text: str) -> Path:
        """The module names in a name stack; those that a scan repeats end in a NUL and the index."""
        if text not in self._cleaned:
            self._cleaned[text] = self._clean(text)
        return self._cleaned[text]

    def _clean(self, text: str) -> Path:
        parts: list[str] = []
        for piece in _split(text):
            name, *turns = piece.split(_TURN)
            while (wrapped := _WRAPPED.match(name)) is not None:
                name = wrapped.group(1)
            mark = "".join(_TURN + turn for turn in turns)
            kept = [part for part in name.split("/") if part and not self._is_hint(part)]
            parts.extend(kept)
            if mark:
                parts.append(mark)
        for root in self._roots:
            bare = [part for part in parts if not part.startswith(_TURN)]
            if tuple(bare[: len(root)]) == root:
                for name in root:
                    parts.remove(name)
                break
        return tuple(parts)

    def _is_hint(self, part: str) -> bool:
        return "->" in part or any(hint.fullmatch(part) for hint in self._hints)


def _split(text: str) -> list[str]:
    """Split at slashes outside parentheses."""
    pieces, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "/" and depth == 0:
            pieces.append(text[start:place])
            start = place + 1
    pieces.append(text[start:])
    return [piece for piece in pieces if piece]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf stands."""

    path: Path
    scoped: int
    """How much of the path the name stack tells; the rest is its parameters' path."""


def places(
    view: View, scopes: Scopes, parameter_modules: ParameterModules, operations: Sequence[Operation]
) -> dict[int, Place]:
    """The place of every image-dependent leaf, by order."""
    raw = {leaf.order: scopes.path(leaf.scope) for leaf in view.leaves}
    stacks = _indexed(view, raw, parameter_modules)
    found = {order: Place(path, len(path)) for order, path in stacks.items()}
    for operation in operations:
        number = operation.kernel
        params = view.abstract_value(number).params if number is not None else _learned(view, operation)
        owner = parameter_modules.of(params)
        here = stacks[operation.node.order]
        if owner is None:
            continue
        bare = tuple(_INDEX.sub("", part) for part in here)
        if common(bare, owner) == bare and len(owner) > len(bare):
            for node in operation.nodes:
                if stacks[node.order] == here:
                    found[node.order] = Place(here + owner[len(bare) :], len(here))
    return found


def _learned(view: View, operation: Operation) -> frozenset[int]:
    """The parameters of a norm; other operations have none of their own."""
    if operation.kind != "norm":
        return frozenset()
    numbers = {number for node in operation.nodes for number in node.inputs if not view.depends(number)}
    return frozenset().union(*(view.abstract_value(number).params for number in numbers))


def _indexed(view: View, raw: dict[int, Path], parameter_modules: ParameterModules) -> dict[int, Path]:
    """Attach the index of each unrolled scan to the name of what it repeats, outermost scan first."""
    found = dict(raw)
    while True:
        groups: dict[Path, list[int]] = defaultdict(list)
        for order, path in found.items():
            turn = next((k for k, part in enumerate(path) if part.startswith(_TURN)), None)
            if turn is not None:
                groups[path[:turn]].append(order)
        if not groups:
            return found
        for prefix, orders in groups.items():
            rests = {order: found[order][len(prefix) + 1 :] for order in orders}
            first = {rest[0] if rest and not rest[0].startswith(_TURN) else "" for rest in rests.values()}
            deep = any(len(rest) > 1 for rest in rests.values())
            inward = len(first) == 1 and "" not in first and (deep or not prefix)
            label = () if prefix or inward else _repeated(view, orders, parameter_modules)
            for order, rest in rests.items():
                index = f"[{found[order][len(prefix)][1:]}]"
                if inward:
                    found[order] = (*prefix, rest[0] + index, *rest[1:])
                else:
                    named = (*prefix, *label)
                    found[order] = (*named[:-1], named[-1] + index, *rest)


def _repeated(view: View, orders: Sequence[int], parameter_modules: ParameterModules) -> Path:
    """A name for a scan without scopes: the module that holds its stacked parameters."""
    inside = set(orders)
    found: list[Path] = []
    for leaf in view.leaves:
        if leaf.order in inside:
            owner = parameter_modules.of(
                frozenset().union(*(view.abstract_value(n).params for n in leaf.inputs if not view.depends(n)))
            )
            if owner is not None:
                found.append(owner)
    if not found:
        return ("scan",)
    shared = found[0]
    for owner in found:
        shared = common(shared, owner)
    alone = all(owner == shared for owner in found)
    return (shared[:-1] if alone and len(shared) > 1 else shared) or ("scan",)


def scope_of(node: Node) -> str:
    """The name stack under which the body of a call is evaluated again."""
    return re.sub(_TURN + r"\d+", "", node.scope)
