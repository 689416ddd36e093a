"""Where each leaf stands in the model: its path of module names, from the name stack and from its parameters.

The name stack comes first, cleaned of transforms (`vmap(conv1)`), of the root and of hints. A parameter path may go on
where the stack stops (`layer1` on the stack, kernel at `layer1.conv1.kernel`). An unrolled scan puts its index behind
the name of what it repeats: `blocks[0].conv`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnviz_jax.program.graph.graph import SCAN_INDEX
from cnnviz_jax.program.layers.operations import Operation, ProgramView
from cnnviz_jax.program.layers.parameter_modules import ParameterModules, common

Path = tuple[str, ...]

_WRAPPED = re.compile(r"^\w+\((.*)\)$")
_INDEX = re.compile(r"\[\d+\]$")


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
        # "ResNet/vmap(layer1)/blocks\0" + "2/conv" with root ResNet: split at slashes outside parentheses; unwrap
        # vmap(...), jvp(...), transpose(...); keep the scan's index as a part of its own: layer1, blocks, \0 2, conv.
        parts: list[str] = []
        for piece in _split(text):
            name, *indices = piece.split(SCAN_INDEX)
            while (wrapped := _WRAPPED.match(name)) is not None:
                name = wrapped.group(1)
            mark = "".join(SCAN_INDEX + index for index in indices)
            kept = [part for part in name.split("/") if part and not self._is_hint(part)]
            parts.extend(kept)
            if mark:
                parts.append(mark)
        # Linen calls every module by its class's name first. Under an outer scan or wrapper an index may stand between
        # the parts of the root, hence the comparison without indices.
        for root in self._roots:
            bare = [part for part in parts if not part.startswith(SCAN_INDEX)]
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
class LeafPath:
    """Where in the model a leaf stands."""

    path: Path
    scoped: int
    """How much of the path the name stack tells; the rest is its parameters' path."""


def leaf_paths(
    view: ProgramView, scopes: Scopes, modules: ParameterModules, operations: Sequence[Operation]
) -> dict[int, LeafPath]:
    """The path of every image-dependent leaf, by order."""
    # A functional model that scopes its stages only: the stack says `layer1`, the kernel's path `layer1.conv2.kernel`.
    # The stack is a beginning of the parameter's module, so the leaf stands at `layer1.conv2`. Where the two disagree
    # (stack `backbone.stem`, parameters `conv1`) the stack alone counts: it is what the author wrote around this call.
    raw = {leaf.order: scopes.path(leaf.scope) for leaf in view.leaves}
    stacks = _indexed(view, raw, modules)
    found = {order: LeafPath(path, len(path)) for order, path in stacks.items()}
    for operation in operations:
        number = operation.kernel
        params = view.abstract(number).params if number is not None else _learned(view, operation)
        owner = modules.of(params)
        here = stacks[operation.node.order]
        if owner is None:
            continue
        bare = tuple(_INDEX.sub("", part) for part in here)
        if owner[: len(bare)] == bare and len(owner) > len(bare):
            for node in operation.nodes:
                if stacks[node.order] == here:
                    found[node.order] = LeafPath(here + owner[len(bare) :], len(here))
    return found


def _learned(view: ProgramView, operation: Operation) -> frozenset[int]:
    """The parameters of a norm or a scale; other operations have none of their own."""
    if operation.kind not in ("norm", "scale"):
        return frozenset()
    numbers = {number for node in operation.nodes for number in node.inputs if not view.depends(number)}
    return frozenset().union(*(view.abstract(number).params for number in numbers))


def _indexed(view: ProgramView, raw: dict[int, Path], modules: ParameterModules) -> dict[int, Path]:
    """Attach the index of each unrolled scan to the name of what it repeats, outermost scan first."""
    # What is repeated has a name inside the scan, outside of it, or neither. Step 0 of a scan, index as a part of its
    # own:
    #     stack 0 block conv, stack 0 block norm   one name inside that holds others   stack.block[0].conv, ...
    #     blocks 0 conv, blocks 0 norm             several names inside                blocks[0].conv, blocks[0].norm
    #     blocks 0 conv                            one that may be all of a block      blocks[0].conv
    #     0 conv                                   no name outside                     conv[0]
    #     0                                        no name at all                      that of the stacked parameters
    # Each pass resolves one scan per path, so nested scans take as many passes as they are deep.
    found = dict(raw)
    while True:
        groups: dict[Path, list[int]] = defaultdict(list)
        for order, path in found.items():
            scan = next((k for k, part in enumerate(path) if part.startswith(SCAN_INDEX)), None)
            if scan is not None:
                groups[path[:scan]].append(order)
        if not groups:
            return found
        for prefix, orders in groups.items():
            rests = {order: found[order][len(prefix) + 1 :] for order in orders}
            first = {rest[0] if rest and not rest[0].startswith(SCAN_INDEX) else "" for rest in rests.values()}
            deep = any(len(rest) > 1 for rest in rests.values())
            inward = len(first) == 1 and "" not in first and (deep or not prefix)
            label = () if prefix or inward else _repeated(view, orders, modules)
            for order, rest in rests.items():
                index = f"[{found[order][len(prefix)][1:]}]"
                if inward:
                    found[order] = (*prefix, rest[0] + index, *rest[1:])
                else:
                    named = (*prefix, *label)
                    found[order] = (*named[:-1], named[-1] + index, *rest)


def _repeated(view: ProgramView, orders: Sequence[int], modules: ParameterModules) -> Path:
    """A name for a scan without scopes: the module that holds its stacked parameters."""
    inside = set(orders)
    found: list[Path] = []
    for leaf in view.leaves:
        if leaf.order in inside:
            numbers = [number for number in leaf.inputs if not view.depends(number)]
            owner = modules.of(frozenset().union(*(view.abstract(number).params for number in numbers)))
            if owner is not None:
                found.append(owner)
    if not found:
        return ("scan",)
    shared = common(found)
    alone = all(owner == shared for owner in found)
    return (shared[:-1] if alone and len(shared) > 1 else shared) or ("scan",)
