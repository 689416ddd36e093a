"""From a native object to a `Model`: choose the adapter, fix size and scale of images, read the program, check it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.errors import ModelError, PluginError, WeightsError, in_few
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.pure import AdaptOptions, Axes, PureModel
from cnnviz_jax.model.scores import Scores, picker
from cnnviz_jax.model.several_inputs import SeveralInputs
from cnnviz_jax.model.spaces import Space, space_of
from cnnviz_jax.model.structure import Given, of_any_batch, structure_of
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.foreign import code_of, title_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import AdapterSpec


def adapt(
    native: Any,
    *args: Any,
    input_shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    adapter: str | None = None,
    axes: Axes | None = None,
    call_kwargs: Mapping[str, Any] | None = None,
    method: str | Callable[..., Any] | None = None,
    scores: Scores | None = None,
    tokens: tuple[int, ...] | None = None,
    name: str | None = None,
) -> Model:
    """Return any JAX model as a `Model`, without touching its code.

    Linen: `adapt(module, variables, ...)`. NNX: `adapt(module, ...)`. Plain function:
    `adapt(fn, params, ...)` with `fn(params, x)`.

    Args:
        native: The model in its own framework.
        *args: What that framework needs beside it, such as variables or parameters.
        input_shape: Height, width and channels of one image; of other inputs (k,) numbers, (time, channels), or
            (depth, height, width, channels). Several inputs are a mapping of such, by name: the model is called with a
            dictionary of arrays.
        mean: Subtracted from images in [0, 1], per channel, before the model sees them.
        std: Divides them after that.
        labels: Class names, in order.
        adapter: Name of the adapter, where more than one matches.
        axes: Layout that the native function takes, `NHWC` or `NCHW`, where it is not the framework's own.
        call_kwargs: Keyword arguments of the call, beside the inference flags that are found; these go first.
        method: Method to call in place of `__call__`: its name, or a function of the module and its operands.
        scores: Which output is explained, where there are several: its name, its number, or a function of all outputs.
        tokens: For a transformer: tokens before the grid of patches, rows, columns; found where it is unambiguous.
        name: What to call the model in results.

    Raises:
        ModelError: The model cannot be traced, is in training mode, or has dropout on.
        WeightsError: A parameter is not finite.
        PluginError: No adapter, or more than one, matches.

    Cost: two traces, nothing is run or compiled.
    """
    if axes is not None and axes not in get_args(Axes):
        raise ModelError(f"axes is the layout the model takes, one of {', '.join(get_args(Axes))}; got {axes!r}")
    options = AdaptOptions(input_shape=input_shape, axes=axes, call_kwargs=call_kwargs, method=method)
    spec = _choose(native, adapter)
    with code_of(plugins(), "adapter", spec):
        pure = load(spec.build)(native, args, options)
    if not isinstance(pure, PureModel):
        raise PluginError(f"{title_of(plugins(), 'adapter', spec)} built {type(pure).__name__}; a PureModel is needed")
    shape = input_shape or pure.input_shape
    if shape is None:
        raise ModelError(
            f"{pure.name} does not tell its input size; say input_shape=(height, width, channels), or, where a factory "
            'returns it, return it with that: (model, {"input_shape": (28, 28, 1)})'
        )
    if not _are_shapes(shape.values() if isinstance(shape, Mapping) else [shape]):
        raise ModelError(
            f"input_shape is (height, width, channels) in whole pixels, or (numbers,), (time, channels) or (depth, "
            f"height, width, channels); got {shape!r}"
        )
    space: Space | SeveralInputs | None
    if isinstance(shape, Mapping):
        space = SeveralInputs.of(shape)
        if mean is not None or std is not None:
            raise ModelError("mean and std are of one input's channels; scale several inputs in the function")
    else:
        space = space_of(tuple(map(int, shape)))
    size: tuple[int, int, int] = tuple(map(int, shape)) if space is None else space.image  # type: ignore[assignment]
    _check_finite(pure)
    if scores is not None:
        pure = dataclasses.replace(pure, logits=picker(scores))
    if tokens is not None:
        if len(tokens) != 3 or not all(isinstance(n, int) for n in tokens) or tokens[0] < 0 or min(tokens[1:]) < 1:
            raise ModelError(f"tokens is (tokens before the grid, rows, columns), such as (1, 14, 14); got {tokens!r}")
        pure = dataclasses.replace(pure, tokens=(tokens[0], tokens[1], tokens[2]))
    given = Given(
        pure=pure,
        input_shape=size,
        mean=_per_channel(mean, size[2], "mean", 0.0),
        std=_per_channel(std, size[2], "std", 1.0),
        labels=None if labels is None else tuple(str(label) for label in labels),
        name=name or pure.name,
        space=space,
    )
    structure = structure_of(given, pure.params)
    if tokens is not None and all(layer_node.grid is None for layer_node in structure.program.layers.values()):
        before, rows, columns = tokens
        raise ModelError(
            f"tokens={tokens!r} means {before + rows * columns} tokens, and no layer of {structure.name} has so many"
        )
    return Model(pure.params, of_any_batch(structure, pure.params))


def with_numbers_of(model: Model, native: Any, *args: Any, **options: Any) -> Model:
    """Return a model with the numbers that its native object holds now; nothing is traced.

    Args:
        model: What `adapt` returned.
        native: The same network, later in its training, and `args` what stands beside it.
        **options: As `adapt` was given them.

    Raises:
        ModelError: It is another network.
    """
    given = {name: options.get(name) for name in ("input_shape", "axes", "call_kwargs", "method")}
    spec = _choose(native, options.get("adapter"))
    with code_of(plugins(), "adapter", spec):
        pure = load(spec.build)(native, args, AdaptOptions(**given))
    return model.with_params(pure.params)


def _are_shapes(shapes: Iterable[Any]) -> bool:
    each = list(shapes)
    sound = [
        isinstance(shape, tuple | list)
        and 1 <= len(shape) <= 4
        and all(isinstance(n, int | np.integer) and n > 0 for n in shape)
        for shape in each
    ]
    return bool(each) and all(sound)


def _choose(native: Any, adapter: str | None) -> AdapterSpec:
    manager = plugins()
    if adapter is not None:
        return manager.adapter(adapter)
    specs: list[AdapterSpec] = list(manager.adapters.values())
    matching = [spec for spec in specs if not spec.fallback and _takes(spec, native)]
    matching = matching or [spec for spec in specs if spec.fallback and _takes(spec, native)]
    if len(matching) > 1:
        names = " and ".join(repr(spec.name) for spec in matching)
        raise PluginError(f"adapters {names} both take a {type(native).__name__}; say adapter=...")
    if not matching:
        raise PluginError(
            f"no adapter takes a {type(native).__module__}.{type(native).__qualname__}; "
            f"`cnnviz adapters` lists those installed, and cv.adapt(fn, params, ...) takes any function"
        )
    return matching[0]


def _takes(spec: AdapterSpec, native: Any) -> bool:
    with code_of(plugins(), "adapter", spec):
        return bool(spec.matches(native))


def _per_channel(value: Any, channels: int, word: str, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,) * channels
    array = np.broadcast_to(np.asarray(value, np.float64), (channels,)) if np.ndim(value) == 0 else np.asarray(value)
    if array.shape != (channels,) or not np.all(np.isfinite(array)) or (word == "std" and np.any(array == 0)):
        raise ModelError(f"{word} is one finite number per channel ({channels} here), got {value!r}")
    return tuple(float(x) for x in array)


def _check_finite(pure: PureModel) -> None:
    bad = []
    for path, leaf in zip(pure.param_paths, jax.tree.leaves(pure.params), strict=True):
        if isinstance(leaf, jax.core.Tracer) or not jnp.issubdtype(getattr(leaf, "dtype", bool), jnp.floating):
            continue
        if isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1:
            finite = bool(jnp.isfinite(leaf).all())  # where it lies: it may not fit one host
        else:
            # A float64 sum of float32 overflows only where an entry is itself not finite.
            finite = bool(np.isfinite(np.asarray(leaf).astype(np.float64).sum()))
        if not finite:
            bad.append(path)
    if bad:
        raise WeightsError(f"{pure.name} has parameters that are not finite: {in_few(bad, 3)}")
