"""What the libraries of JAX share: random numbers without running an initialiser, and a quickly compiled forward."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax import nnx

from cnnviz_jax.compiling.options import quick_options
from zoos.network import Network, paths_above, random_leaf

Shape = tuple[int, int, int]


def compiled_forward(function: Callable[..., Any], *held: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return images -> array by `function(*held, images)`, compiled at the first call."""

    def forward(images: np.ndarray) -> np.ndarray:
        with jax.numpy_dtype_promotion("standard"):
            program = jax.jit(function).lower(*held, images).compile(compiler_options=quick_options())
        return np.asarray(program(*held, images))

    return forward


def filled(tree: Any, *, inputs_first: bool = True) -> Any:
    """Return a tree of shapes with random numbers in their place."""
    rng = np.random.default_rng(0)

    def leaf(path: Any, shape: Any) -> Any:
        if not hasattr(shape, "shape") or not hasattr(shape, "dtype"):
            return shape
        if jax.dtypes.issubdtype(shape.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        keys = [part for part in (_part(key) for key in path) if part not in ("value", "")]
        return random_leaf(".".join(keys), shape.shape, shape.dtype, rng, inputs_first=inputs_first)

    return jax.tree_util.tree_map_with_path(leaf, tree)


def _part(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key))))


def linen(
    module: Any,
    shape: Shape,
    *,
    scores: Callable[[Any], Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **call: Any,
) -> Network:
    """Return a Linen module as a `Network`; `call` is what its own call needs for inference."""
    image = jax.ShapeDtypeStruct((1, *shape), np.float32)
    called = set()

    def noted(function: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        called.add(".".join(context.module.path))
        return function(*args, **kwargs)

    with nn.intercept_methods(noted):
        variables = filled(jax.eval_shape(lambda x: module.init(jax.random.key(0), x, **call), image))
    pick = scores or (lambda outputs: outputs)
    forward = compiled_forward(lambda variables, x: pick(module.apply(variables, x, **call)), variables)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    held = (".".join(_part(key) for key in path[1:-1]) for path, _ in leaves if len(path) > 2)
    modules = paths_above([*held, *called])  # such as Dropout, which holds nothing
    extra = {} if scores is None else {"scores": scores}
    return Network((module, variables), shape, forward, modules, {**extra, **(options or {})})


def of_nnx(
    make: Callable[[], Any], shape: Shape, *, scores: Callable[[Any], Any] | None = None, **call: Any
) -> Network:
    """Return an NNX module as a `Network`; `call` is what its own call needs for inference."""
    graph, state = nnx.split(nnx.eval_shape(make))
    module = nnx.merge(graph, filled(state))
    pick = scores or (lambda outputs: outputs)
    module.eval()
    graph, state = nnx.split(module)
    forward = compiled_forward(lambda state, x: pick(nnx.merge(graph, state)(x, **call)), state)
    paths = [".".join(map(str, path[:-1])) for path, _ in nnx.to_flat_state(state)]
    modules = paths_above([*paths, *(path.replace(".layers.", ".") for path in paths)])
    return Network((module,), shape, forward, modules, {} if scores is None else {"scores": scores})


def equinox(
    make: Callable[[Any], Any],
    shape: Shape,
    *,
    scores: Callable[[Any], Any] | None = None,
    abstract: bool = True,
    **call: Any,
) -> Network:
    """Return an Equinox module of one CHW image as a `Network`; `call` is what its own call needs for inference.

    A module whose initialiser looks at its key's numbers is made with `abstract=False`, by running it.
    """
    import equinox as eqx

    made = eqx.filter_eval_shape(make, jax.random.key(0)) if abstract else make(jax.random.PRNGKey(0))
    module = filled(made, inputs_first=False)
    pick = scores or (lambda outputs: outputs)
    arrays, rest = eqx.partition(eqx.nn.inference_mode(module), eqx.is_array_like)

    def scored(arrays: Any, images: Any) -> Any:
        whole = eqx.combine(arrays, rest)
        return jax.vmap(lambda image: pick(whole(image.transpose(2, 0, 1), **call)))(images)

    arrays, fixed = eqx.partition(arrays, eqx.is_array)
    forward = compiled_forward(lambda arrays, x: scored(eqx.combine(arrays, fixed), x), arrays)
    leaves = jax.tree_util.tree_leaves_with_path(arrays)
    paths = [".".join(_part(key) for key in path[:-1]) for path, _ in leaves]
    modules = paths_above([*paths, *(path.replace(".layers.", ".") for path in paths)])
    return Network((module,), shape, forward, modules, {} if scores is None else {"scores": scores})
