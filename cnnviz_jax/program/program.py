"""`Program`: a model traced once, its layers, and every way to run it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float

from cnnviz_jax.compiling import is_to_be_compiled_quickly
from cnnviz_jax.errors import LayerKindError, ModelError, RuleError, UsageError
from cnnviz_jax.program.graph import _compat
from cnnviz_jax.program.graph.evaluator import Change, Evaluator, Override
from cnnviz_jax.program.incremental import ChangedWindows, Interval, plan_windows
from cnnviz_jax.program.layers.activations import UNRULED
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.traced import TracedProgram
from cnnviz_jax.program.rewrites import relu_rules
from cnnviz_jax.program.rewrites.convolutions import faster_convolutions
from cnnviz_jax.program.rewrites.max_pool import compared_pools

Handler = Callable[[LayerNode, list[Any], Callable[..., Any]], Any]
"""`handler(layer_node, inputs, default) -> value`: `default(*inputs)` is what the program computes there."""


class Program(TracedProgram):
    """A model as one traced program: layers by name, and `run` to read and change what happens at them.

    It holds no parameters: they are arguments of `run` and `kernel`, so one program serves all checkpoints.
    """

    @functools.cached_property
    def evaluator(self) -> Evaluator:
        """Runs the graph by value number, below `run`."""
        return Evaluator(self.graph)

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
        overrides: Mapping[int, Override] | None = None,
        places: Mapping[str, LayerNode] | None = None,
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
            overrides: Other ways to compute values of the graph, by number.
            places: Values that names in `read`, `add` and `replace` stand for, in place of the program's own layers.
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
        faster = self._sooner if is_to_be_compiled_quickly() else self._faster
        if need_outputs and not (read or add or replace or rules or handlers or overrides or faster):
            every = _compat.evaluate(self._open, self._consts, [*leaves, x])
            return jax.tree.unflatten(self._results_tree, every[: len(self.result_ids)]), {}
        inputs = {**self.numbered(params), self.graph.image_id: x}
        nodes = {
            name: (places or {}).get(name) or self.layer_node(name) for name in (*read, *(add or {}), *(replace or {}))
        }
        changes = self._changes(inputs, add or {}, replace or {}, nodes)
        # Whoever computes a value last in this row decides: the faster ways lie below rules, rules below the caller.
        ways = {**faster, **self._ruled(rules or {}), **(overrides or {})}
        for name, handler in (handlers or {}).items():
            layer = self.layer_node(name)
            ways[layer.value] = self._handled(layer, handler, inputs)
        ids = [nodes[name].value for name in read]
        outputs = self.result_ids if need_outputs else ()
        values = self.evaluator.run(inputs, [*ids, *outputs], changes=changes, overrides=ways)
        found = {name: values[number] for name, number in zip(read, ids, strict=True)}
        return self.outputs_of(params, values) if need_outputs else None, found

    @functools.cached_property
    def _faster(self) -> dict[int, Override]:
        return compared_pools(self.graph) | self._convolved

    @property
    def computes_faster(self) -> bool:
        """Whether a forward pass takes less time here than in the model's own code, for its convolutions."""
        return bool(self._convolved)

    @functools.cached_property
    def _convolved(self) -> dict[int, Override]:
        return faster_convolutions(self.graph)

    @functools.cached_property
    def _sooner(self) -> dict[int, Override]:
        """The same of a program that is compiled quickly and runs once, to the same numbers."""
        return compared_pools(self.graph, all_that_gain=False) | self._convolved

    def _changes(
        self,
        inputs: dict[int, Any],
        add: Mapping[str, Any],
        replace: Mapping[str, Any],
        nodes: Mapping[str, LayerNode],
    ) -> dict[int, Change]:
        """Functions of values; replaced values become inputs. Names of one value act one after the other."""
        steps: dict[int, list[Change]] = {}
        for name, new in replace.items():
            layer = nodes[name]
            if callable(new):
                steps.setdefault(layer.value, []).append(new)
            else:
                if jax.numpy.shape(new) != layer.shape:
                    raise UsageError(f"layer {name!r} has shape {layer.shape}, its replacement {jax.numpy.shape(new)}")
                inputs[layer.value] = new
        for name, delta in add.items():
            steps.setdefault(nodes[name].value, []).append(lambda value, delta=delta: value + delta)  # type: ignore[misc]
        in_turn = functools.partial(functools.reduce, lambda value, change: change(value))
        return {number: functools.partial(in_turn, changes) for number, changes in steps.items()}

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

    def _handled(self, layer: LayerNode, handler: Handler, inputs: Mapping[int, Any]) -> Override:
        operation = layer.operation
        if operation is None:
            raise LayerKindError(f"{layer.name!r} is a module of several operations; handle the layers inside it")
        # `default` runs the program from the operation's inputs to its value. Without the image among what is known, a
        # way around the inputs would fail loudly instead of mixing two evaluations.
        fixed = {number: value for number, value in inputs.items() if number != self.graph.image_id}

        def default(*operands: Any) -> Any:
            known = {**fixed, **dict(zip(operation.inputs, operands, strict=True))}
            return self.evaluator.run(known, (layer.value,), overrides=self._faster)[layer.value]

        return Override(operation.inputs, lambda *operands: handler(layer, list(operands), default))

    def windows(
        self,
        places: Sequence[Sequence[Interval]],
        *,
        read: Sequence[str] = (),
        need_outputs: bool = True,
        beside: ChangedWindows | None = None,
    ) -> ChangedWindows:
        """Return what evaluates the program exactly when the image changes in one interval of each axis at a time.

        Args:
            places: For each spatial axis the rows, or the columns, that change together, as (first, one past the last).
            read: Layers whose values are returned.
            need_outputs: Whether the outputs are too.
            beside: Windows of the same image that share the unchanged activations.

        Raises:
            LayerNotFoundError: A name is unknown.
        """
        numbers = [self.layer_node(name).value for name in read]
        if need_outputs:
            numbers += [number for number in self.result_ids if self.analysis.depends(number)]
        plan = plan_windows(self.graph, self.analysis, numbers, tuple(map(tuple, places)))
        return ChangedWindows(plan, self.evaluator, beside, self._faster)

    def outputs_of(self, params: Any, values: Mapping[int, Any]) -> Any:
        """Return the results as the function gives them, from their values by number; others are computed."""
        missing = [number for number in self.result_ids if number not in values]
        found = {**self.evaluator.run(self.numbered(params), missing), **values} if missing else values
        return jax.tree.unflatten(self._results_tree, [found[number] for number in self.result_ids])

    def with_overrides(self, overrides: Mapping[int, Override]) -> Callable[[Any, Float[ArrayLike, "n ..."]], Any]:
        """Return the traced function as `fn(params, x)` for any batch, with values computed by `overrides`."""

        def single(params: Any, x: Any) -> Any:
            inputs = {**self.numbered(params), self.graph.image_id: x}
            values = self.evaluator.run(inputs, self.graph.output_ids, overrides=overrides)
            return jax.tree.unflatten(self._outputs_tree, [values[number] for number in self.graph.output_ids])

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
        layers = [layer for layer in self.layers.values() if layer.operation]
        reached = {layer.name: make(layer) for layer in layers if layer.kind == kind}
        if not reached:
            kinds = sorted({layer.kind for layer in layers})
            raise RuleError(f"the program has no layer of kind {kind!r}; it has {', '.join(kinds)}")
        return reached

    def kernel(self, name: str, params: Any) -> Float[Array, "..."]:
        """Return the kernel of a layer as (h, w, in, out), or (in, out) for a dense one.

        It is evaluated through all that the program does to its parameters. The in-channels of a grouped
        convolution are those of one group: a depthwise kernel is (h, w, 1, channels).

        Raises:
            LayerNotFoundError: The name is unknown.
            LayerKindError: The layer has no kernel.
        """
        layer = self.layer_node(name)
        if layer.kernel is None:
            raise LayerKindError(f"layer {layer.name!r} is of kind {layer.kind!r} and has no kernel of its own")
        number = layer.kernel.value
        return layer.kernel.turned(self.evaluator.run(self.numbered(params), (number,))[number])
