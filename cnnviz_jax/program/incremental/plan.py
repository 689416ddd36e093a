"""What a sweep of windows recomputes: for every value the changed part, and how each node gets to it.

The plan is made from abstract values alone, before anything runs. A value has a window where its changed part is a
rectangle, or a box, smaller than its map. It is whole from where the part fills nearly all of the map, where an
operation mixes positions (flatten, a global mean), or where a primitive has no rule. Whole values are recomputed from
the unchanged activations with the changed part laid over them, so a missing rule costs time and never exactness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from cnnviz_jax.program.analysis.interpreter import Analysis
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.incremental import pointwise, sliding
from cnnviz_jax.program.incremental.flops import flops_of
from cnnviz_jax.program.incremental.rulebook import RULES, WindowRecipe
from cnnviz_jax.program.incremental.spans import Places, Window, map_axes, window_of

_RULE_FILES = (pointwise, sliding)  # importing them fills RULES

NEARLY_ALL = 0.95
"""From this share of a map on, all of it is recomputed: cutting out the part costs more than it saves."""

_NO_RULE = "no window rule"


@dataclass(frozen=True, eq=False)
class WindowStep:
    """One node, and how it is evaluated for a changed window."""

    node: Node
    recipe: WindowRecipe | None
    """How its window is computed; `None` where the whole value is."""
    reason: str
    """Why all of it is recomputed; empty for a window."""
    flops: float
    """Operations at one place of the sweep."""
    dense_flops: float
    """Operations of the whole value."""
    read_elements: int
    """Numbers that are cut out and laid over, at one place."""

    @property
    def has_no_rule(self) -> bool:
        """Whether no place of any sweep has a window of it, for want of a rule."""
        return self.recipe is None and self.reason.startswith(_NO_RULE)


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The steps from a changed image to some values."""

    graph: Graph
    analysis: Analysis
    places: Places
    """The rows, and the columns, that may change together; a place of the sweep is one of each axis."""
    image: int
    """The image with its spatial axes apart: of a volume, held slice below slice, the reshape that parts them."""
    outputs: tuple[int, ...]
    """The values that are computed at every place."""
    steps: tuple[WindowStep, ...]
    windows: dict[int, Window | None]
    """By value that the image feeds: its changed part; `None` for all of it."""

    @property
    def flops(self) -> float:
        """Operations at one place of the sweep."""
        return sum(step.flops for step in self.steps)

    @property
    def dense_flops(self) -> float:
        """Operations of one evaluation from the image on."""
        return sum(step.dense_flops for step in self.steps)

    @property
    def read_elements(self) -> int:
        """Numbers that are cut out and laid over, at one place."""
        return sum(step.read_elements for step in self.steps)


class _Planner:
    def __init__(self, graph: Graph, analysis: Analysis, places: Places) -> None:
        self.graph, self.analysis, self.places = graph, analysis, places
        self.image = _own_image(graph, analysis)
        self.windows: dict[int, Window | None] = {self.image: self.worthwhile(self.image)}

    def shape(self, number: int) -> tuple[int, ...]:
        return self.graph.values[number].shape

    def depends(self, number: int) -> bool:
        return self.analysis.depends(number)

    def window(self, number: int) -> Window | None:
        return self.windows[number]

    def worthwhile(self, number: int) -> Window | None:
        window = window_of(self.analysis.values[number], self.shape(number), self.places)
        return None if window is None or window.share(self.shape(number)) >= NEARLY_ALL else window

    def step(self, node: Node) -> WindowStep:
        recipe, reason, window = self.recipe(node)
        for number in node.outputs:
            self.windows[number] = window
        whole = self.shape(node.outputs[0])
        dense = flops_of(node, self.shape, whole)
        if recipe is None or window is None:
            laid = sum(prod(self.shape(n)) for n in node.inputs if self.depends(n) and self.windows[n] is not None)
            return WindowStep(node, None, reason, dense, dense, laid)
        part = window.shape(whole)
        if node.name.startswith(("reduce_", "cum", "arg")) and not node.name.startswith("reduce_window"):
            flops = dense * prod(part) / max(1, prod(whole))
        else:
            flops = flops_of(node, self.shape, part)
        return WindowStep(node, recipe, "", flops, dense, self.cut(node, recipe))

    def cut(self, node: Node, recipe: WindowRecipe) -> int:
        """Numbers that a recipe reads from elsewhere than the very window that was computed."""
        total = 0
        for number, reading in zip(node.inputs, recipe.readings, strict=True):
            source = self.windows.get(number) if self.depends(number) else None
            spans = getattr(reading, "spans", None)
            if source is not None and spans is not None:
                region = Window(source.axes, spans)
                total += 0 if region.is_same(source) else prod(region.shape(self.shape(number)))
        return total

    def recipe(self, node: Node) -> tuple[WindowRecipe | None, str, Window | None]:
        sources = [number for number in node.inputs if self.depends(number)]
        if any(self.windows[number] is None for number in sources):
            return None, "all of what it reads may have changed", None
        # The window of a result follows from what its units see of the image, not from the windows of the inputs: the
        # two agree up to a unit where sizes were those of another worst place, and a rule reads what its result needs.
        found = [self.worthwhile(number) for number in node.outputs]
        first = found[0] if found else None
        if first is None:
            window = window_of(self.analysis.values[node.outputs[0]], self.shape(node.outputs[0]), self.places)
            return None, "mixes places" if window is None else "the window occludes the map", None
        if any(other is None or other.axes != first.axes or not other.is_same(first) for other in found):
            return None, "its results change in different places", None
        rule = RULES.get(node.name)
        recipe = rule(self, node, first) if rule is not None else None
        if recipe is None:
            return None, f"{_NO_RULE} for this {node.name}" if rule else f"{_NO_RULE} for {node.name}", None
        return recipe, "", first


def plan_windows(
    graph: Graph,
    analysis: Analysis,
    outputs: Sequence[int],
    places: Places,
) -> WindowPlan:
    """Return the plan of a sweep that changes one interval of each axis of the image at a time.

    Args:
        graph: The program.
        analysis: What is known of its values.
        outputs: The values to compute at every place.
        places: For each axis the rows, or the columns, that change together, as (first, one past the last).
    """
    planner = _Planner(graph, analysis, places)
    nodes = [node for node in analysis.leaves_below(outputs) if planner.image not in node.outputs]
    steps = tuple(planner.step(node) for node in nodes)
    return WindowPlan(graph, analysis, places, planner.image, tuple(outputs), steps, planner.windows)


def _own_image(graph: Graph, analysis: Analysis) -> int:
    """The image, or the one reshape of it that has each of its spatial axes alone."""
    image = graph.values[graph.image_id]
    if map_axes(analysis.values[image.id], image.shape) is None and len(image.consumers) == 1:
        (apart,) = image.consumers[0].outputs
        if image.consumers[0].name == "reshape" and map_axes(analysis.values[apart], graph.values[apart].shape):
            return apart
    return image.id
