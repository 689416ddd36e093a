"""`Program`: a model traced once, its layers, and every way to run it."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float

from cnnviz_jax.errors import (
    CnnvizError,
    LayerKindError,
    LayerNotFoundError,
    ModelError,
    RuleError,
    UsageError,
    did_you_mean,
)
from cnnviz_jax.program.analysis.interpreter import Analysis, analyse
from cnnviz_jax.program.graph import _compat
from cnnviz_jax.program.graph.evaluator import Change, Evaluator, Override
from cnnviz_jax.program.graph.graph import Graph, flatten
from cnnviz_jax.program.layers.activations import UNRULED
from cnnviz_jax.program.layers.checks import Check, check, softmax_heads
from cnnviz_jax.program.layers.nodes import LayerNode, find_layer_nodes, plain_layer_node
from cnnviz_jax.program.layers.operations import Operation, View
from cnnviz_jax.program.layers.parameter_modules import ParameterModules
from cnnviz_jax.program.layers.recognition import operations
from cnnviz_jax.program.layers.scopes import Scopes
from cnnviz_jax.program.layers.tokens import Tokens, last_mixing
from cnnviz_jax.program.rewrites import relu_rules
from cnnviz_jax.program.rewrites.max_pool import compared_pools
from cnnviz_jax.program.windows import ChangedWindows, Interval, plan_windows

Handler = Callable[[LayerNode, list[Any], Callable[..., Any]], Any]
"""`handler(layer_node, inputs, default) -> value`: `default(*inputs)` is what the program computes there."""


class Program:
    """A model as one traced program: layers by name, and `run` to read and change what happens at them.

    It holds no parameters: they are arguments of `run` and `kernel`, so one program serves all checkpoints.
    """

    graph: Graph
    """The flat graph; see the folder's README."""
    analysis: Analysis
    """Layout, dependence and reach of every value."""
    operations: tuple[Operation, ...]
    """Every recognised operation, in execution order."""
    layers: Mapping[str, LayerNode]
    """The layers by name, in execution order."""
    checks: tuple[Check, ...]
    """Findings: training mode, dropout, softmax head, opaque regions."""
    is_cacheable: bool
    """Whether it may outlive the call that traced it: false if the function closed over tracers."""

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
    ) -> None:
        """Read a traced program; use `Program.trace`."""
        self._open, self._consts = open_program, tuple(consts)
        self._params_tree: Any = jax.tree.structure(params)
        self._outputs_tree: Any = jax.tree.structure(outputs)
        self.is_cacheable = not any(isinstance(array, _compat.Tracer) for array in consts)
        self.graph = flatten(open_program, consts, len(jax.tree.leaves(params)))
        self.analysis = analyse(self.graph)
        self.evaluator = Evaluator(self.graph)
        view, parameter_modules = View(self.graph, self.analysis), ParameterModules(paths)
        self.operations = tuple(operations(view, parameter_modules))
        roots = (scope_root,) if isinstance(scope_root, str) else tuple(scope_root)
        layers, self._operation_names = find_layer_nodes(
            view, self.operations, parameter_modules, Scopes(roots, scope_hints), tokens
        )
        for head in softmax_heads(view, self.operations):
            if all(layer_node.value != head.inputs[0] for layer_node in layers.values()):
                name = f"{self._operation_names[head.node.order]}.input"
                layers[name] = plain_layer_node(view, name, head.inputs[0], parameter_modules)
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
    ) -> "Program":
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
        return cls(
            open_program,
            consts,
            params,
            outputs,
            paths=paths,
            scope_root=scope_root,
            scope_hints=scope_hints,
            tokens=tokens,
        )

    @property
    def last_map(self) -> str | None:
        """The last layer with a map of more than one position, or `None`.

        Of tokens beside which others stand (a class token), it is the last sum or norm before tokens are mixed for the
        last time: behind that, the scores may be read off the class token alone.
        """
        maps = [s for s in self.layers.values() if s.is_map and s.canonical_shape[0] * s.canonical_shape[1] > 1]
        if not maps:
            return None
        grid = maps[-1].grid
        tokens = 0 if grid is None else maps[-1].shape[grid.tokens]
        mixing = last_mixing(self.graph, self.analysis.depends, tokens) if grid and tokens > grid.count else None
        if mixing is not None:
            orders = {s.name: getattr(self.graph.values[s.value].producer, "order", -1) for s in maps}
            fit = [s for s in maps if orders[s.name] < mixing and s.kind in ("norm", "add")]
            maps = fit or maps
        return maps[-1].name

    def layer_node(self, name: str) -> LayerNode:
        """Return a layer; slashes are accepted for dots.

        Raises:
            LayerNotFoundError: No layer is called so; near matches are offered.
        """
        found = self.layers.get(name) or self.layers.get(str(name).replace("/", "."))
        if found is None:
            raise LayerNotFoundError(
                f"no layer {name!r} in this program.{did_you_mean(str(name).replace('/', '.'), self.layers)} "
                f"It has {len(self.layers)} layers; `program.layers` lists them"
            )
        return found

    def run(
        self,
        params: Any,
        x: Float[ArrayLike, "n ..."],
        *,
        read: Sequence[str] = (),
        add: Mapping[str, Any] | None = None,
        replace: Mapping[str, Any] | None = None,
        rules: Mapping[str, str | Callable[[Any], Any]] | None = None,
        handlers: Mapping[str, Handler] | None = None,
        need_outputs: bool = True,
    ) -> tuple[Any, dict[str, Any]]:
        """Run the program on one image and return `(outputs, {name: native value})`.

        Composes with `jit`, `vmap`, `grad` and, without rules, `jvp`.

        Args:
            params: Parameters, as they were traced.
            x: The images, batch of one.
            read: Layers whose values are returned, as all later layers see them.
            add: Native values added to layers.
            replace: Native values, or functions of the value, put in place of layers. Nothing that only a replaced
                value needs is evaluated.
            rules: Backward rules by kind of activation, such as `{"relu": "guided"}`; a function `x -> y` replaces it.
            handlers: Functions that compute layers in place of the program; see `Handler`.
            need_outputs: Whether to run on to the outputs; if not, they are `None` and nothing above the deepest
                layer in `read` is evaluated.

        Raises:
            LayerNotFoundError: A name is unknown.
            RuleError: A rule is unknown or reaches no activation.
        """
        leaves, tree = jax.tree.flatten(params)
        if tree != self._params_tree:
            raise ModelError("these parameters do not have the tree that was traced")
        shape = self.graph.values[self.graph.image_id].shape
        if jax.numpy.shape(x) != shape:
            raise UsageError(f"the program was traced for images of shape {shape}, got {jax.numpy.shape(x)}")
        if need_outputs and not (read or add or replace or rules or handlers or self._pools):
            return jax.tree.unflatten(self._outputs_tree, _compat.evaluate(self._open, self._consts, [*leaves, x])), {}
        given: dict[int, Any] = dict(zip((*self.graph.param_ids, self.graph.image_id), (*leaves, x), strict=True))
        changes = self._changes(given, add or {}, replace or {})
        overrides = {**self._pools, **self._ruled(rules or {})}
        for name, handler in (handlers or {}).items():
            layer_node = self.layer_node(name)
            overrides[layer_node.value] = self._handled(layer_node, handler, given)
        ids = [self.layer_node(name).value for name in read]
        wanted = [*ids, *self.graph.output_ids] if need_outputs else ids
        values = self.evaluator.run(given, wanted, changes=changes, overrides=overrides)
        outputs = None
        if need_outputs:
            outputs = jax.tree.unflatten(self._outputs_tree, [values[number] for number in self.graph.output_ids])
        return outputs, {name: values[number] for name, number in zip(read, ids, strict=True)}

    @functools.cached_property
    def _pools(self) -> dict[int, Override]:
        return compared_pools(self.graph)

    def _changes(self, given: dict[int, Any], add: Mapping[str, Any], replace: Mapping[str, Any]) -> dict[int, Change]:
        """Functions of values; replaced values become given ones. Names of one value act one after the other."""
        steps: dict[int, list[Change]] = {}
        for name, new in replace.items():
            layer_node = self.layer_node(name)
            if callable(new):
                steps.setdefault(layer_node.value, []).append(new)
            else:
                if jax.numpy.shape(new) != layer_node.shape:
                    raise UsageError(
                        f"layer {name!r} has shape {layer_node.shape}, its replacement {jax.numpy.shape(new)}"
                    )
                given[layer_node.value] = new
        for name, delta in add.items():
            steps.setdefault(self.layer_node(name).value, []).append(lambda value, delta=delta: value + delta)  # type: ignore[misc]
        return {number: _composed(changes) for number, changes in steps.items()}

    def _ruled(self, rules: Mapping[str, str | Callable[[Any], Any]]) -> dict[int, Override]:
        overrides = {}
        for kind, rule in rules.items():
            reached = [operation for operation in self.operations if operation.kind == kind]
            if not reached:
                found = sorted({op.kind for op in self.operations if op.kind in UNRULED or op.kind == "relu"})
                raise RuleError(
                    f"the rule for {kind!r} reaches nothing: the model has no such activation"
                    + (f", only {', '.join(found)}" if found else "")
                )
            if isinstance(rule, str) and kind != "relu":
                raise RuleError(f"rule {rule!r} is defined for 'relu' only, not for {kind!r}; pass a function instead")
            function = relu_rules.resolve(rule)
            for operation in reached:
                overrides[operation.value] = Override(operation.inputs, function)
        return overrides

    def _handled(self, layer_node: LayerNode, handler: Handler, given: Mapping[int, Any]) -> Override:
        operation = layer_node.operation
        if operation is None:
            raise LayerKindError(f"{layer_node.name!r} is a module of several operations; handle the layers inside it")
        fixed = {number: value for number, value in given.items() if number != self.graph.image_id}

        def default(*inputs: Any) -> Any:
            known = {**fixed, **dict(zip(operation.inputs, inputs, strict=True))}
            return self.evaluator.run(known, (layer_node.value,), overrides=self._pools)[layer_node.value]

        return Override(operation.inputs, lambda *inputs: handler(layer_node, list(inputs), default))

    def windows(
        self,
        rows: Sequence[Interval],
        cols: Sequence[Interval],
        *,
        read: Sequence[str] = (),
        need_outputs: bool = True,
    ) -> ChangedWindows:
        """Return what evaluates the program exactly when the image changes in one of `rows` x `cols` at a time.

        Args:
            rows: Rows of the image that change together, as (first, one past the last).
            cols: The same for columns.
            read: Layers whose values are wanted.
            need_outputs: Whether the outputs are.

        Raises:
            LayerNotFoundError: A name is unknown.
        """
        wanted = [self.layer_node(name).value for name in read]
        if need_outputs:
            wanted += [number for number in self.graph.output_ids if self.analysis.depends(number)]
        return ChangedWindows(plan_windows(self.graph, self.analysis, wanted, rows, cols), self.evaluator)

    def outputs_of(self, params: Any, values: Mapping[int, Any]) -> Any:
        """Return the outputs as the function gives them, from their values by number; others are computed."""
        missing = [number for number in self.graph.output_ids if number not in values]
        given = dict(zip(self.graph.param_ids, jax.tree.leaves(params), strict=True)) if missing else {}
        found = {**self.evaluator.run(given, missing), **values} if missing else values
        return jax.tree.unflatten(self._outputs_tree, [found[number] for number in self.graph.output_ids])

    def with_overrides(self, overrides: Mapping[int, Override]) -> Callable[[Any, Float[ArrayLike, "n ..."]], Any]:
        """Return the program as `fn(params, x)` for any batch, with values computed by `overrides` in its place."""

        def single(params: Any, x: Any) -> Any:
            given = dict(zip((*self.graph.param_ids, self.graph.image_id), (*jax.tree.leaves(params), x), strict=True))
            return self.outputs_of(params, self.evaluator.run(given, self.graph.output_ids, overrides=overrides))

        def fn(params: Any, x: Any) -> Any:
            if len(x) == 1:
                return single(params, x)
            return jax.tree.map(lambda leaf: leaf[:, 0], jax.vmap(lambda one: single(params, one[None]))(x))

        return fn

    def override(self, kind: str, make: Callable[[LayerNode], Handler]) -> dict[str, Handler]:
        """Return handlers for all layers of a kind, for `run(handlers=...)`: `make(layer_node)` gives each.

        Raises:
            RuleError: The program has no layer of that kind.
        """
        reached = {
            layer_node.name: make(layer_node)
            for layer_node in self.layers.values()
            if layer_node.operation and layer_node.kind == kind
        }
        if not reached:
            kinds = sorted({layer_node.kind for layer_node in self.layers.values() if layer_node.operation})
            raise RuleError(f"the program has no layer of kind {kind!r}; it has {', '.join(kinds)}")
        return reached

    def rewritten(self, rules: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the activations that rules reach, in execution order; those after the scores too."""
        return tuple(self._operation_names[op.node.order] for op in self.operations if op.kind in rules)

    def unruled_activations(self) -> tuple[str, ...]:
        """Return the names of activations other than ReLU, for which no backward rule is agreed: they pass through."""
        return tuple(self._operation_names[op.node.order] for op in self.operations if op.kind in UNRULED)

    def kernel(self, name: str, params: Any) -> Float[Array, "..."]:
        """Return the kernel of a layer as (h, w, in, out), or (in, out) for a dense one.

        It is evaluated through all that the program does to its parameters. The in-channels of a grouped
        convolution are those of one group: a depthwise kernel is (h, w, 1, channels).

        Raises:
            LayerNotFoundError: The name is unknown.
            LayerKindError: The layer has no kernel.
        """
        layer_node = self.layer_node(name)
        if layer_node.kernel is None:
            raise LayerKindError(
                f"layer {layer_node.name!r} is of kind {layer_node.kind!r} and has no kernel of its own"
            )
        given = dict(zip(self.graph.param_ids, jax.tree.leaves(params), strict=True))
        number = layer_node.kernel.value
        return layer_node.kernel.turned(self.evaluator.run(given, (number,))[number])

    def __repr__(self) -> str:
        shape = self.graph.values[self.graph.image_id].shape
        return f"Program({len(self.layers)} layers, {len(self.graph.leaves)} operations, images {shape})"


def _composed(changes: Sequence[Change]) -> Change:
    def change(value: Any) -> Any:
        for step in changes:
            value = step(value)
        return value

    return change


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def _default_paths(paths: Sequence[Any]) -> tuple[str, ...]:
    """Tree paths joined by dots, without Linen's collections."""
    named = [[_key(key) for key in path] for path in paths]
    if any(path and path[0] == "params" for path in named):
        named = [path[1:] if len(path) > 1 else path for path in named]
    return tuple(".".join(path) for path in named)


def _key(key: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
