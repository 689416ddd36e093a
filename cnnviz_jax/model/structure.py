"""All of a model but its numbers: read at one input size, at another one, in another precision."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.errors import ModelError, reason_of
from cnnviz_jax.model.layers import INPUT
from cnnviz_jax.model.pure import Precision, PureModel
from cnnviz_jax.model.scored import Scored
from cnnviz_jax.model.several_inputs import SeveralInputs
from cnnviz_jax.model.spaces import Space
from cnnviz_jax.program import Program
from cnnviz_jax.program.graph.fingerprint import fingerprint
from cnnviz_jax.program.rewrites.low_precision import low_precision_products
from cnnviz_jax.program.rewrites.one_class import of_one_class


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What a model is read from: its function, and how images become what that takes."""

    pure: PureModel
    input_shape: tuple[int, int, int]
    labels: tuple[str, ...] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    name: str
    space: Space | SeveralInputs | None = None
    """How inputs are held as images, where they are none, or several."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure(Given):
    """All of a model but its numbers, which keys compiled programs.

    Two are equal where they compute the same under the same names, as the traced programs tell: a network adapted anew
    with other weights, as in every round of a training, compiles nothing. (A function that does something else for
    several images than for one, and differently in two models that agree for one, would be mistaken; none is known.)
    """

    apply: Callable[[Any, Float[Array, "n h w c"]], Any]
    """`apply(params, images) -> (scores, all outputs)` with images in [0, 1], NHWC."""
    program: Program
    head: str | None
    """Layer whose value replaces the outputs as logits, where the model ends in a softmax."""
    warnings: tuple[str, ...] = ()
    sizes: dict[tuple[int, int], "Structure"] = field(default_factory=dict)
    """The same model at other input sizes."""
    exact: "Structure | None" = None
    """The same model in float32, where this one multiplies rounded numbers."""
    precision: Precision = "float32"
    """What those are rounded to."""

    @functools.cached_property
    def _identity(self) -> str:
        # What is closed over (the parameters, in most adapters) is no part of `fn` that the trace does not show.
        pure = self.pure
        said = (pure.axes, pure.framework, pure.param_paths, pure.scope_root, pure.scope_hints, pure.tokens, pure.notes)
        own = (self.input_shape, self.space, self.labels, self.mean, self.std, self.name, self.head, self.warnings)
        exact = None if self.exact is None else self.exact._identity
        aliases = tuple(pure.layer_aliases.items())
        return fingerprint(self.program.fingerprint, said, own, aliases, exact)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Structure) and self._identity == other._identity)

    def __hash__(self) -> int:
        return hash(self._identity)

    @functools.cached_property
    def of_one_class(self) -> "Structure | None":
        """The same model with the score of one class for output, where much is saved; else `None`.

        Its parameters are the model's and the number of the class.

        Cost: a trace, where there is such a structure.
        """
        ends = self.read_values((), need_outputs=True)
        apply = of_one_class(self.program, ends[0]) if len(ends) == 1 else None
        if apply is None:
            return None
        params = self.program.param_shapes, jax.ShapeDtypeStruct((), jnp.int32)
        pure = dataclasses.replace(self.pure, param_paths=(*self.pure.param_paths, "class"))
        read = traced(apply, pure, self.input_shape, params, extents=self.extents)
        return dataclasses.replace(
            self, pure=pure, apply=lambda params, x: (apply(params, x), ()), program=read, head=None, sizes={}
        )

    def of_target(self, params: Any, target: Scored) -> "tuple[Any, Structure, Scored] | None":
        """Return parameters and structure of a target's one class, and what scores it; `None` where nothing is gained.

        Something is where a layer at every position makes all classes, as in SqueezeNet, and the target is the logit of
        one.
        """
        asked = target.of_one_class()
        if asked is None or self.of_one_class is None:
            return None
        return (params, jnp.asarray(asked[0], jnp.int32)), self.of_one_class, asked[1]

    def given(self, **changes: Any) -> Given:
        """Return what it was read from, with some of it changed, to read it anew."""
        return Given(**{each.name: getattr(self, each.name) for each in dataclasses.fields(Given)} | changes)

    @property
    def one_space(self) -> Space | None:
        """`space` where the model takes one input that is no image: several inputs share no axes."""
        return self.space if isinstance(self.space, Space) else None

    @property
    def extents(self) -> tuple[int, ...]:
        """Lengths of the spatial axes: height and width of an image, as others are held too; three of a volume."""
        return _extents(self.input_shape, self.space)

    def program_layers(self, read: Sequence[str], need_outputs: bool) -> tuple[str, ...]:
        """Return the program's layers that `Model.read_off` takes: no `input` that is no layer, and the logits' own."""
        own = (name for name in read if name != INPUT or INPUT in self.program.layers)
        head = (self.head,) if self.head is not None and need_outputs else ()
        return tuple(dict.fromkeys((*own, *head)))

    def read_values(self, read: Sequence[str], need_outputs: bool) -> list[int]:
        """Return the numbers of the program's values that `Model.run` reads."""
        ids = [self.program.layer_node(name).value for name in self.program_layers(read, need_outputs)]
        return [*ids, *self.program.result_ids] if need_outputs and self.head is None else ids


def structure_of(given: Given, params: Any) -> Structure:
    """Return all of a model but its numbers, read at one input size."""
    pure, input_shape, mean, std, space = given.pure, given.input_shape, given.mean, given.std, given.space
    cast: list[Any] = []

    def apply(params: Any, images: Float[Array, "n h w c"]) -> Any:
        own: Any = images if space is None else space.own(images)
        if any(mean):
            own = own - jnp.asarray(mean, own.dtype)
        if any(value != 1.0 for value in std):
            # Times the reciprocal, as rounding then stays closest to a normalisation done in float64.
            own = own * jnp.asarray([1 / value for value in std], own.dtype)
        if pure.axes == "NCHW":
            own = jax.tree.map(lambda each: jnp.moveaxis(each, -1, 1) if each.ndim > 2 else each, own)
        if cast:
            own = jax.tree.map(lambda each: each.astype(cast[0]), own)
        # Accelerators round float32 products to fewer bits by default; explanations compare small differences.
        with jax.default_matmul_precision("float32"):
            outputs = pure.fn(params, own)
            # Scores first; the other outputs are returned as well, so that what only they rest on keeps its layers.
            return pure.logits(outputs), outputs

    head, warnings = None, list(pure.notes)
    extents = _extents(input_shape, space)
    try:
        program = traced(apply, pure, input_shape, params, has_more=True, extents=extents)
    except ModelError:
        # Code that promotes no dtypes (`lax.conv`) wants images of its parameters' precision.
        low = {leaf.dtype for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.floating)}
        if len(low) != 1 or (dtype := next(iter(low))) == jnp.float32:
            raise
        cast.append(dtype)
        program = traced(apply, pure, input_shape, params, has_more=True, extents=extents)
        warnings.append(f"images are cast to {dtype}, as the parameters are")
    for check in program.checks:
        if check.severity == "error":
            raise ModelError(check.text)
        warnings.append(check.text)
        if check.name == "softmax-head":
            head = check.detail
    return Structure(**vars(given), apply=apply, program=program, head=head, warnings=tuple(warnings))


def _extents(input_shape: tuple[int, int, int], space: Space | SeveralInputs | None) -> tuple[int, ...]:
    return space.spatial if space is not None and len(space.spatial) > 2 else input_shape[:2]


def of_any_batch(structure: Structure, params: Any) -> Structure:
    """Return the same structure; where its function takes one image only, one that maps it over several, and says so.

    Cost: a trace.
    """
    two = jax.ShapeDtypeStruct((2, *structure.input_shape), jnp.float32)
    try:
        scores = jax.tree.leaves(jax.eval_shape(structure.apply, params, two)[0])
        found = next((leaf.shape for leaf in scores if leaf.shape[:1] != (2,)), None)
        why = None if found is None else f"of two it returns scores of shape {found}"
    except Exception as error:
        why = reason_of(error)
    if why is None:
        return structure
    single = structure.apply

    def apply(params: Any, images: Float[Array, "n h w c"]) -> Any:
        scores, more = jax.vmap(lambda image: single(params, image[None]))(images)
        return jax.tree.map(lambda leaf: leaf[:, 0], scores), more

    warning = f"the model takes one image at a time ({why}); jax.vmap maps it over several"
    return dataclasses.replace(structure, apply=apply, warnings=(*structure.warnings, warning))


def in_precision(structure: Structure, precision: Precision, params: Any) -> Structure:
    """Return the same model with its products on numbers of another precision; see `Model.with_precision`.

    Raises:
        ModelError: The precision is unknown, or no product could be rounded.
    """
    if precision not in get_args(Precision):
        raise ModelError(f"precision is one of {', '.join(get_args(Precision))}; got {precision!r}")
    exact = structure.exact or structure
    if precision == "float32":
        return exact
    if precision == structure.precision:
        return structure
    products = low_precision_products(exact.program.graph, precision)
    if not products:
        raise ModelError(f"{exact.name} has no float32 convolution or matrix product to compute in {precision}")
    apply = exact.program.with_overrides(products)
    warning = f"{len(products)} products round their operands to {precision} and sum in float32"
    if precision == "tf32" and jax.default_backend() == "cpu":
        warning = "tf32 changes nothing on a CPU, which multiplies float32 in full"
    return dataclasses.replace(
        exact,
        apply=apply,
        program=traced(apply, exact.pure, exact.input_shape, params, has_more=True, extents=exact.extents),
        warnings=(*exact.warnings, warning),
        sizes={},
        exact=exact,
        precision=precision,
    )


def traced(
    apply: Callable[..., Any],
    pure: PureModel,
    input_shape: tuple[int, int, int],
    params: Any,
    *,
    has_more: bool = False,
    extents: tuple[int, ...] | None = None,
) -> Program:
    """Return the program of `apply(params, images)` at an input size, read with what the adapter says of it.

    With `has_more`, `apply` returns its results and what else is computed beside them.
    """
    return Program.trace(
        apply,
        params,
        jax.ShapeDtypeStruct((1, *input_shape), jnp.float32),
        param_paths=pure.param_paths,
        scope_root=pure.scope_root,
        scope_hints=pure.scope_hints,
        tokens=pure.tokens,
        has_more=has_more,
        extents=extents,
    )
