"""A model as techniques are given it: images in [0, 1] in, logits out, layers by name.

Parameters are leaves of `Model`, so they are arguments of everything that is compiled: one executable serves all
checkpoints.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.compiling import abstract, in_batches, is_to_be_compiled_quickly, shapes_returned
from cnnviz_jax.data.given import Images, check_images, of_bytes
from cnnviz_jax.errors import LayerKindError, ModelError, TargetError, UsageError
from cnnviz_jax.model.codes import CodeLayer, change_codes, code_layer, layers_below, read_codes, with_code_rows
from cnnviz_jax.model.copying import Copied
from cnnviz_jax.model.forward import as_float, forward, is_at_hand
from cnnviz_jax.model.layers import INPUT, Layer, LayerTable
from cnnviz_jax.model.one_input import of_one_input
from cnnviz_jax.model.pure import Precision
from cnnviz_jax.model.scored import Scored
from cnnviz_jax.model.several_inputs import held_together
from cnnviz_jax.model.structure import Structure, in_precision, structure_of
from cnnviz_jax.program import Handler, LayerNode, Override, Program
from cnnviz_jax.results.pytrees import static


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Model(Copied):
    """Any JAX model, adapted: call it on images, look at its layers, run techniques on it."""

    params: Any
    structure: Structure = static()
    codes: tuple[CodeLayer, ...] = ()
    """Layers that dictionaries add; see `with_dictionary`."""

    def __call__(self, images: Images) -> Float[Array, "n *map classes"]:
        """Return the logits of images in [0, 1], or of bytes; images or parameters may be traced, unchecked then.

        Raises:
            ImageError: The images do not fit the model or are not finite.
        """
        space = self.structure.space
        if isinstance(images, Mapping) and any(map(_is_traced, images.values())):
            images = held_together(space, images)
        if isinstance(images, jax.core.Tracer):
            images = of_bytes(images) if images.dtype == jnp.uint8 else images
            if space is not None:
                images = space.held(images[None] if images.shape == space.shape else images)
            return forward(self, images if images.ndim == 4 else images[None])
        images = check_images(images, self.input_shape, on_device=True, space=space)
        if not all(map(is_at_hand, jax.tree.leaves(self.params))):
            return jax.jit(forward)(self, images)
        return in_batches(forward, (forward, self.structure), (self,), images)

    def __repr__(self) -> str:  # the parameters would fill pages
        kind = "images" if self.structure.space is None else self.structure.space.words.removeprefix("a ")
        size = "" if isinstance(self.shape, Mapping) else f" {' x '.join(map(str, self.shape))}"
        return f"Model({self.name}: {len(self.program.layers)} layers, {kind}{size})"

    @property
    def shape(self) -> tuple[int, ...] | Mapping[str, tuple[int, ...]]:
        """The axes of one input as `adapt` was told, such as (h, w, c) or (t, c); of several inputs those of each."""
        return self.input_shape if self.structure.space is None else self.structure.space.shape

    @property
    def name(self) -> str:
        """What the user calls the model."""
        return self.structure.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one image; other inputs are held as images, see `shape`."""
        return self.structure.input_shape

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names, if known."""
        return self.structure.labels

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found when the model was read."""
        return self.structure.warnings

    @property
    def program(self) -> Program:
        """The traced program, for techniques that need more than `run`."""
        return self.structure.program

    @functools.cached_property
    def shapes(self) -> "Model":
        """The same model with the shapes of its parameters in their place, as programs are compiled for."""
        return jax.tree.map(abstract, self)

    @functools.cached_property
    def layers(self) -> LayerTable:
        """The layer table, in execution order."""
        rows = {name: self._layer(name, node) for name, node in self.program.layers.items()}
        aliases = {**self.program.aliases, **self.structure.pure.layer_aliases}
        return LayerTable(with_code_rows(rows, self.codes), aliases, self.name, self.input_shape)

    def map_layer(self, name: str | None = None) -> Layer:
        """Return the layer called `name`, or the last map of more than one position that the scores rest on.

        The output itself is not meant, where another map is there. Of a transformer with a class token, it is the last
        layer from which the other tokens still reach the scores. `model.program.default_layer` says which and why.

        Raises:
            LayerNotFoundError: No layer has that name.
            LayerKindError: It has no map, or no layer has.
        """
        if name is not None:
            layer = self.layers[name]
            if not layer.is_map:
                tokens = "; where it holds a grid of tokens say adapt(..., tokens=(before, rows, columns))"
                raise LayerKindError(
                    f"layer {layer.name!r} of {self.name} is no map: its shape is {layer.shape}"
                    + (tokens if len(layer.shape) > 1 else "")
                )
            return layer
        default = self.program.default_layer
        if default is None:
            raise LayerKindError(
                f"{self.name} has no layer with a map of more than one position; techniques that need none will do, "
                "such as saliency and occlusion, and where tokens form a grid say "
                "adapt(..., tokens=(before, rows, columns))"
            )
        return self.layers[default.name]

    def _layer(self, name: str, node: LayerNode) -> Layer:
        shape = tuple(node.canonical_shape)
        channels = shape[-1] if shape else 1
        kernel = None if node.kernel is None else functools.partial(self.program.kernel, name, self.params)
        params = () if node.kernel is None else node.kernel.paths
        kernel_shape = None if node.kernel is None else node.kernel.shape
        return Layer(name, node.kind, shape, channels, node.receptive_field, node.axes, params, kernel_shape, kernel)

    @functools.cached_property
    def class_count(self) -> int:
        """Number of classes: the length of the logits' last axis.

        Raises:
            TargetError: The outputs are not one array with a class axis.
        """
        one = jax.ShapeDtypeStruct((1, *self.input_shape), jnp.float32)
        out = shapes_returned(forward, (forward, self.structure), (self, one))
        if not hasattr(out, "shape") or len(out.shape) < 2:
            raise TargetError(
                f"{self.name} does not return (n, classes) scores; explain a cv.targets.custom(...) instead"
            )
        return int(out.shape[-1])

    def class_name(self, index: int) -> str:
        """Return `243 bull mastiff`, or `243` where labels are not known."""
        known = self.labels is not None and index < len(self.labels)
        return f"{index} {self.labels[index]}" if known and self.labels else str(index)

    def with_params(self, params: Any) -> "Model":
        """Return the same model with other numbers: everything compiled for one serves the other.

        Raises:
            ModelError: The tree, a shape or a dtype differs.
        """
        old, new = (
            jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), p) for p in (self.params, params)
        )
        if old != new:
            raise ModelError(f"these parameters do not have the tree, shapes and dtypes of {self.name}")
        return dataclasses.replace(self, params=params)

    def at_size(self, height: int, width: int) -> "Model":
        """Return the same model for images of another size.

        Raises:
            ModelError: The model cannot be traced at that size (a dense layer fixes it, say).
        """
        if (height, width) == self.input_shape[:2]:
            return self
        sizes = self.structure.sizes
        if (height, width) not in sizes:
            old = self.structure
            shape = (height, width, old.input_shape[2])
            made = structure_of(old.given(input_shape=shape), self.params)
            sizes[height, width] = in_precision(made, old.precision, self.params)
        return dataclasses.replace(self, structure=sizes[height, width])

    def of_input(self, name: str, others: Mapping[str, Any]) -> "Model":
        """Return the model of one of several inputs, the others as given: a model like any other.

        Args:
            name: The input that is left.
            others: One example of each of the others, by name.

        Raises:
            ModelError: The model takes one input, or none of that name.
            ImageError: One of the others is missing, unknown, or of another shape.

        Cost: one trace.
        """
        params, structure = of_one_input(self.structure, self.params, name, others)
        return Model(params, structure)

    def with_precision(self, precision: Precision) -> "Model":
        """Return the same model with its convolutions and matrix products on numbers of another precision.

        `bfloat16` rounds the operands of each product and sums in float32; all else, gradients between products too,
        stays float32. Accelerators multiply such numbers several times faster; a CPU does not. `tf32` lets NVIDIA's
        cards round the operands to 10 bits, as PyTorch lets them in convolutions by default, and changes nothing on a
        CPU. `explain` notes by how much the scores differ from those in float32.

        Args:
            precision: `float32`, `tf32` or `bfloat16`.

        Raises:
            ModelError: The precision is unknown, or the model has no float32 product that could be rounded.

        Cost: one trace.
        """
        structure = in_precision(self.structure, precision, self.params)
        return self if structure is self.structure else dataclasses.replace(self, structure=structure)

    def with_dictionary(self, dictionary: Any, name: str | None = None, *, layer: str | None = None) -> "Model":
        """Return the same model with the features of a dictionary as a further layer, wherever a layer can be named.

        `relu4/dictionary` has the codes, features as channels; `relu4/dictionary/pre` what they are chosen from, which
        synthesis can climb. Scores stay the same bit by bit. What changes the codes moves the layer below by what the
        change adds; what the features leave of its value stays.

        Args:
            dictionary: From `cv.learn_dictionary` or `cv.load`.
            name: What the layer is called; the dictionary's own layer and `.dictionary` when not given.
            layer: Where its values are, for a dictionary that was learned from rows.

        Raises:
            LayerNotFoundError: The model has no such layer.
            LayerKindError: It has another number of channels, or the name is taken.

        Example:
            features = cv.learn_dictionary("topk", model, images, layer="relu4")
            wider = model.with_dictionary(features)
            cv.survey("exemplars", wider, images, layer="relu4/dictionary")
        """
        added = code_layer(self.layers, self.name, dictionary, name, layer)
        return dataclasses.replace(self, codes=(*self.codes, added))

    def own_layers(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the layers of the program that these are read off: themselves, or what a dictionary stands for."""
        return layers_below(self.codes, names)

    def run(
        self,
        image: Float[Array, "h w c"],
        *,
        read: tuple[str, ...] = (),
        add: Mapping[str, Float[Array, "..."]] | None = None,
        replace: Mapping[str, Any] | None = None,
        rules: Mapping[str, Any] | None = None,
        handlers: Mapping[str, Handler] | None = None,
        overrides: Mapping[int, Override] | None = None,
        places: Mapping[str, LayerNode] | None = None,
        need_outputs: bool = True,
    ) -> tuple[Any, dict[str, Float[Array, "..."]]]:
        """Return one image's logits and the values at the layers `read`; traceable.

        Values are canonical, (h, w, c) or (c,), whatever the model's own layout.

        Args:
            image: One image in [0, 1].
            read: Layers whose values are returned.
            add: Values added to layers; differentiate with respect to them for gradients there.
            replace: Values, or functions of the value, put in place of layers.
            rules: Backward rules, such as `{"relu": "guided"}`.
            handlers: Functions that compute layers in place of the program, on native values.
            overrides: Other ways to compute values of the program's graph, by number.
            places: Values that names of layers stand for here, in place of the model's own layers.
            need_outputs: Whether to run above the deepest layer that is read; if not, logits are `None`.

        Raises:
            LayerNotFoundError: A name is unknown.
            RuleError: A rule is unknown or reaches no activation.
        """
        if image.dtype == jnp.float64:  # drawn with `JAX_ENABLE_X64`; the program was read for float32
            image = image.astype(jnp.float32)
        if self.structure.space is not None:
            image = jnp.asarray(self.structure.space.held(jax.tree.map(lambda each: each[None], image))[0])
        add, replace, places = dict(add or {}), dict(replace or {}), dict(places or {})
        if INPUT in (*add, *replace) and INPUT not in self.program.layers:
            change = replace.pop(INPUT, image)
            image = (change(image) if callable(change) else change) + add.pop(INPUT, 0)

        seen: dict[str, Any] = {}
        change_codes(self.codes, add, replace, seen)

        def native(name: str, change: Any, *, replaced: bool = False) -> Any:
            node = places.get(name) or self.program.layer_node(name)
            if callable(change):
                return lambda value: node.with_canonical(value, change(node.to_canonical(value)))
            if replaced and node.grid is not None:
                return lambda value: node.with_canonical(value, change)
            return node.from_canonical(change)

        outputs, values = self.program.run(
            self.params,
            image[None],
            read=self.structure.program_layers(self.own_layers(read), need_outputs),
            add={name: native(name, delta) for name, delta in add.items()},
            replace={name: native(name, value, replaced=True) for name, value in replace.items()},
            rules=rules,
            handlers=handlers,
            overrides=overrides,
            places=places,
            need_outputs=need_outputs and self.structure.head is None,
        )
        return self.read_off(image, outputs, values, read, need_outputs, places, codes=seen)

    def read_off(
        self,
        image: Float[Array, "h w c"],
        outputs: Any,
        values: Mapping[str, Any],
        read: Sequence[str],
        need_outputs: bool,
        places: Mapping[str, LayerNode] = MappingProxyType({}),
        *,
        codes: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Float[Array, "..."]]]:
        """Return one image's logits and canonical values at `read` from what the program computed.

        Args:
            image: The image in [0, 1], which is the value of `input` where the program has no such layer.
            outputs: The scores of a batch of one; not looked at where the model ends in a softmax.
            values: Native values of `Structure.program_layers`.
            read: Layers whose values are returned.
            need_outputs: Whether logits are returned; if not, they are `None`.
            places: As for `run`.
            codes: Codes of dictionaries that were changed; others are computed from the values.
        """
        nodes = {name: places.get(name) or self.program.layer_node(name) for name in values}
        activations = {name: nodes[name].to_canonical(value) for name, value in values.items()}
        activations = {INPUT: image, **activations}
        activations |= read_codes(self.codes, activations, read) | dict(codes or {})
        logits = None
        if need_outputs and self.structure.head is not None:
            logits = jnp.asarray(activations[self.structure.head], jnp.float32)
        elif need_outputs:
            logits = jax.tree.map(lambda value: as_float(value[0]), outputs)
        return logits, {name: activations[name] for name in read}

    def score(
        self,
        image: Float[Array, "h w c"],
        target: Scored,
        *,
        read: tuple[str, ...] = (),
        add: Mapping[str, Float[Array, "..."]] | None = None,
        replace: Mapping[str, Any] | None = None,
        rules: Mapping[str, Any] | None = None,
        handlers: Mapping[str, Handler] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, "..."]]]:
        """Return the target's score of one image and the values at the layers `read`; see `run`."""
        is_plain = not (read or add or replace or rules or handlers or is_to_be_compiled_quickly())
        if is_plain and (found := self.structure.of_target(self.params, target)) is not None:
            params, structure, alone = found
            return alone.score(Model(params, structure).run(image)[0], {}), {}
        every = tuple(dict.fromkeys((*read, *target.layers)))
        outputs, activations = self.run(
            image,
            read=every,
            add=add,
            replace=replace,
            rules=rules,
            handlers=handlers,
            need_outputs=target.needs_outputs,
        )
        return target.score(outputs, activations), {name: activations[name] for name in read}


def _is_traced(leaf: Any) -> bool:
    return isinstance(leaf, jax.core.Tracer)


def require_model(model: Any) -> None:
    """Raise `ModelError` unless `model` is a `cnnviz_jax.Model`, and `UsageError` where its parameters are traced."""
    if not isinstance(model, Model):
        raise ModelError(f"model is a cv.Model, got {type(model).__name__}; cv.adapt(...) makes one of any JAX model")
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(model.params)):
        raise UsageError(
            f"the parameters of {model.name} are traced by jit, vmap or grad, and this function runs compiled programs "
            "of its own; call it outside, or transform model(images), model.run or model.score"
        )
