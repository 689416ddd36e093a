"""Keras 3 on its JAX backend: `cv.adapt(model, ...)`, functional, sequential or subclassed.

Keras opens a named scope around every layer's call, so layers are called as `model.summary()` lists them,
and those of a nested model `nested.layer`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import keras

from cnnviz_jax.plugin import AdaptOptions, Axes, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import inference_kwargs
from cnnviz_plugins.adapters.outputs import owned, pure_model


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a Keras model or layer as a `PureModel` over a flat dictionary of its variables.

    Args:
        native: The model, built.
        args: Nothing: a Keras model holds its own weights.
        options: Layout and keyword arguments; inference flags of the call are found.

    Raises:
        ModelError: Keras runs on another backend, the model is not built, or takes several inputs.
    """
    title = str(native.name)
    backend = keras.backend.backend()
    if backend != "jax":
        raise ModelError(
            f"{title} runs on Keras's {backend} backend; set KERAS_BACKEND=jax in the environment before keras is "
            "first imported, and build or load the model again"
        )
    if args:
        raise ModelError(f"{title} holds its own weights; cv.adapt(model, ...) takes no more, got {len(args)}")
    if options.method is not None:
        raise ModelError(
            f"a Keras model is called as a whole; for {options.method!r} adapt keras.Model(model.inputs, outputs)"
        )
    if not native.built:
        raise ModelError(f"{title} has no weights yet; call it once on an image, or say model.build((None, h, w, c))")
    trainable, fixed = list(native.trainable_variables), list(native.non_trainable_variables)
    names = _names([variable.path for variable in (*trainable, *fixed)], title)
    kwargs = inference_kwargs(native.call, options, operands=("x",))
    count = len(trainable)

    def fn(params: Any, x: Any) -> Any:
        values = [params[name] for name in names]
        # Keras promotes numbers by rules of its own; its code is not written for strict promotion.
        with jax.numpy_dtype_promotion("standard"):
            return native.stateless_call(values[:count], values[count:], x, **kwargs)[0]

    variables = zip(names, (*trainable, *fixed), strict=True)
    params = {name: owned(variable.value, name) for name, variable in variables}
    formats = {layer.data_format for layer in _layers(native) if getattr(layer, "data_format", None)}
    is_first = "channels_first" in (formats or {keras.config.image_data_format()})
    axes: Axes = options.axes or ("NCHW" if is_first else "NHWC")
    shape = None if isinstance(options.input_shape, Mapping) else _input_shape(native, title, axes)
    return pure_model(fn, params, options, framework="keras", name=title, axes=axes, input_shape=shape)


def _names(paths: Sequence[str], title: str) -> list[str]:
    """Return one dotted path per variable, without the model's own name; the second of a name is `name#1`."""
    used: Counter[str] = Counter()
    names = []
    for path in paths:
        name = path.removeprefix(f"{title}/").replace("/", ".")
        names.append(f"{name}#{used[name]}" if used[name] else name)
        used[name] += 1
    return names


def _layers(native: Any) -> Iterator[Any]:
    yield native
    for layer in getattr(native, "layers", ()):
        yield from _layers(layer)


def _input_shape(native: Any, title: str, axes: str) -> tuple[int, ...] | None:
    """Return the axes of one input, channels last, where the model has fixed them.

    Raises:
        ModelError: It takes several inputs.
    """
    shape = getattr(native, "input_shape", None)
    if isinstance(shape, dict | list) or (isinstance(shape, tuple) and shape and not isinstance(shape[-1], int)):
        raise ModelError(
            f"{title} takes {len(shape)} inputs; where they are a dictionary say input_shape={{name: (height, width, "
            "channels), ...}, else adapt a function that fixes all but one: cv.adapt(lambda params, x: ..., params)"
        )
    if not isinstance(shape, tuple) or not 2 <= len(shape) <= 5 or None in shape[1:]:
        return None
    is_last = axes == "NHWC" or len(shape) == 2
    return tuple(int(n) for n in (shape[1:] if is_last else (*shape[2:], shape[1])))
