"""A model traced once and read: its graph, what is known of every value, its layers by name."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import jax

from cnnviz_jax.errors import CnnvizError, LayerNotFoundError, ModelError, did_you_mean
from cnnviz_jax.program.analysis.interpreter import Analysis
from cnnviz_jax.program.graph import _compat
from cnnviz_jax.program.graph.building import graph_of
from cnnviz_jax.program.graph.fingerprint import fingerprint
from cnnviz_jax.program.graph.graph import Graph
from cnnviz_jax.program.layers.activations import UNRULED
from cnnviz_jax.program.layers.checks import ProgramCheck, check, softmax_heads
from cnnviz_jax.program.layers.default_layer import DefaultLayer, default_layer, feeding
from cnnviz_jax.program.layers.links import layer_links
from cnnviz_jax.program.layers.naming import find_layer_nodes, layer_node_of
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation, ProgramView
from cnnviz_jax.program.layers.parameter_modules import ParameterModules
from cnnviz_jax.program.layers.recognition import operations
from cnnviz_jax.program.layers.scopes import Scopes
from cnnviz_jax.program.layers.tokens import Tokens


class TracedProgram:
    """A traced model as it was read; `Program` runs it."""

    graph: Graph
    """Values and nodes; see the folder's README."""
    analysis: Analysis
    """Layout, dependence and reach of every value."""
    operations: tuple[Operation, ...]
    """Every recognised operation, in execution order."""
    layers: Mapping[str, LayerNode]
    """The layers by name, in execution order."""
    aliases: Mapping[str, str]
    """Further names of layers: those of modules that hand their value on as it is."""
    checks: tuple[ProgramCheck, ...]
    """Findings: training mode, dropout, softmax head, opaque regions."""
    result_ids: tuple[int, ...]
    """Values that `run` returns; what the function computes beside them is read for its layers only."""

    def __init__(
        self,
        open_program: Any,
        consts: Sequence[Any],
        params: Any,
        outputs: Any,
        *,
        paths: Sequence[str],
        scope_root: str | Sequence[str],
        scope_hints: Iterable[str],
        tokens: Tokens | None = None,
        has_more: bool = False,
        extents: tuple[int, ...] | None = None,
    ) -> None:
        """Read a traced program; use `Program.trace`."""
        self._open, self._consts = open_program, tuple(consts)
        self._params_tree: Any = jax.tree.structure(params)
        self._outputs_tree: Any = jax.tree.structure(outputs)
        results = outputs[0] if has_more else outputs
        self._results_tree: Any = jax.tree.structure(results)
        self.graph = graph_of(open_program, consts, len(jax.tree.leaves(params)))
        self.result_ids = self.graph.output_ids[: len(jax.tree.leaves(results))]
        self.analysis = Analysis(self.graph, extents)
        view, modules = ProgramView(self.graph, self.analysis, self.result_ids), ParameterModules(paths)
        self.operations = tuple(operations(view, modules))
        roots = (scope_root,) if isinstance(scope_root, str) else tuple(scope_root)
        layers, self._operation_names, self.aliases = find_layer_nodes(
            view, self.operations, modules, Scopes(roots, scope_hints), tokens
        )
        # Scores are taken before a softmax at the end. Where no layer holds them (the program scales them by hand) they
        # get a name of their own.
        for head in softmax_heads(view, self.operations):
            if all(layer.value != head.inputs[0] for layer in layers.values()):
                name = f"{self._operation_names[head.node.order]}.input"
                layers[name] = layer_node_of(view, name, "module", head.inputs[0], None, modules)
        self.layers = MappingProxyType(layers)
        self.checks = check(view, self.operations, self.layers)

    @classmethod
    def trace(
        cls,
        fn: Callable[[Any, Any], Any],
        params: Any,
        example: Any,
        *,
        param_paths: Sequence[str] | None = None,
        scope_root: str | Sequence[str] = "",
        scope_hints: Iterable[str] = (),
        tokens: Tokens | None = None,
        has_more: bool = False,
        extents: tuple[int, ...] | None = None,
    ) -> Self:
        """Trace `fn(params, images)` for one image and read the program.

        Args:
            fn: Pure and traceable; images are batched, batch of one, axes n h w c.
            params: Pytree of arrays, or of their shapes.
            example: The images, or their shape and dtype.
            param_paths: A dotted path for each leaf of `params`, in leaf order; by default the tree's own.
            scope_root: Beginning of the name stack that all layers share (Linen's class name), left out of names;
                several if the model may have any of them.
            scope_hints: Regular expressions of name-stack parts that are no modules.
            tokens: Where tokens are a map: tokens before it, rows, columns; by default it is found where it can be.
            extents: Lengths of the input's spatial axes; depth, height and width where the rows of the images are the
                slices of a volume, one below the other.
            has_more: Whether `fn` returns (results, more): `run` returns the results, and layers are read in all.

        Raises:
            ModelError: The function cannot be traced, or the paths are not one per leaf.

        Cost: one trace of the model and some ten milliseconds per hundred layers; nothing is computed.
        """
        leaves = jax.tree_util.tree_flatten_with_path(params)[0]
        paths = _default_paths([path for path, _ in leaves]) if param_paths is None else tuple(param_paths)
        if len(paths) != len(leaves):
            raise ModelError(f"{len(paths)} parameter paths for {len(leaves)} parameters; give one per tree leaf")
        try:
            open_program, consts, outputs = _compat.trace(fn, params, example)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            raise ModelError(
                "the model cannot be traced: its Python code needs the numbers inside an array (an `if` or a loop on "
                f"values, NumPy instead of jax.numpy, or `float()`); {_first_line(error)}"
            ) from error
        except CnnvizError:
            raise  # it says already, in its own words, what is wrong
        except Exception as error:
            shape = getattr(example, "shape", None)
            raise ModelError(f"the model fails on images of shape {shape}: {_first_line(error)}") from error
        if _compat.refers(open_program):
            # A reference is read and written in an order that no value tells, so parts of the program cannot be run.
            raise ModelError(
                "the model keeps numbers in a jax.Ref while it computes, whose reads and writes cannot be taken apart "
                "into layers; return what it computes, and read a reference that it only reads before: ref[...]"
            )
        return cls(
            open_program, consts, params, outputs,
            paths=paths, scope_root=scope_root, scope_hints=scope_hints, tokens=tokens, has_more=has_more,
            extents=extents,
        )  # fmt: skip

    def numbered(self, params: Any) -> dict[int, Any]:
        """Return the parameters by their number in the graph."""
        return dict(zip(self.graph.param_ids, jax.tree.leaves(params), strict=True))

    @property
    def param_shapes(self) -> Any:
        """The parameters' shapes and dtypes, in their tree."""
        values = (self.graph.values[number] for number in self.graph.param_ids)
        shapes = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in values]
        return jax.tree.unflatten(self._params_tree, shapes)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest that two traces share where they compute the same; see `program.graph.fingerprint`."""
        trees = (self._params_tree, self._outputs_tree, self._results_tree)
        return fingerprint(self._open, self._consts, *map(str, trees))

    @functools.cached_property
    def default_layer(self) -> DefaultLayer | None:
        """The layer that is looked at where none is named, or `None` where no layer is a map."""
        return default_layer(self.graph, self.analysis, self.layers, self.operations, self.result_ids)

    @functools.cached_property
    def links(self) -> Mapping[str, tuple[str, ...]]:
        """For each layer, the layers that it is computed from; see `program.layers.links`."""
        return layer_links(self.graph, self.analysis, self.layers)

    @functools.cached_property
    def _results_rest_on(self) -> frozenset[int]:
        return feeding(self.graph, self.result_ids)

    def reaches(self, name: str, *, results: bool, layers: Sequence[str] = ()) -> bool:
        """Return whether the results, or the values of some layers, are computed from that of layer `name`."""
        value = self.layer_node(name).value
        if results and value in self._results_rest_on:
            return True
        return value in feeding(self.graph, [self.layer_node(other).value for other in layers])

    def layer_node(self, name: str) -> LayerNode:
        """Return a layer; slashes are accepted for dots.

        Raises:
            LayerNotFoundError: No layer is called so; near matches are offered.
        """
        dotted = str(name).replace("/", ".")
        found = self.layers.get(name) or self.layers.get(self.aliases.get(dotted, dotted))
        if found is None:
            raise LayerNotFoundError(
                f"no layer {name!r} in this program.{did_you_mean(dotted, self.layers)} "
                f"It has {len(self.layers)} layers; `program.layers` lists them"
            )
        return found

    def rewritten(self, rules: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the activations that rules reach, in execution order; those after the scores too."""
        return tuple(self._operation_names[op.node.order] for op in self.operations if op.kind in rules)

    def unruled_activations(self) -> tuple[str, ...]:
        """Return the names of activations other than ReLU, for which no backward rule is agreed: they pass through."""
        return self.rewritten(dict.fromkeys(UNRULED))

    def __repr__(self) -> str:
        shape = self.graph.values[self.graph.image_id].shape
        return f"Program({len(self.layers)} layers, {len(self.graph.leaves)} operations, images {shape})"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def _default_paths(paths: Sequence[Any]) -> tuple[str, ...]:
    """Tree paths joined by dots, without Linen's collections."""
    named = [[jax.tree_util.keystr((key,), simple=True) for key in path] for path in paths]
    if any(path and path[0] == "params" for path in named):
        named = [path[1:] if len(path) > 1 else path for path in named]
    return tuple(".".join(path) for path in named)
