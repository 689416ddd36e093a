"""`cv.load_model`: from the name of a model to the model, be it a registered network or the user's own factory."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.downloads import local_file
from cnnviz_jax.errors import ImageError, ModelError, PluginError
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.foreign import code_of, foreign, title_of
from cnnviz_jax.plugins.references import import_factory, load
from cnnviz_jax.verbs.adapt import adapt


def load_model(name: str, weights: str | Path | None = None) -> Model:
    """Return a model by name: a registered network such as `shapes`, or what `package.module:factory` returns.

    A factory is called without arguments, or with the weights' path if weights are given. It returns a
    `cnnviz_jax.Model`; or a native model; or a tuple of what `cnnviz_jax.adapt` takes, in which a last dict
    with `input_shape` or `scores` holds its keyword arguments: `(fn, params, {"input_shape": (32, 32, 3)})`.

    Args:
        name: One of those that `cnnviz models` lists, or `package.module:factory`, found from the current folder.
        weights: A file, an Orbax folder, or a URL, which is fetched into the cache folder once. Where it is `None`, the
            weights that come with the network, or those that `cnnviz models --download` fetched.

    Raises:
        UnknownNameError: No plugin offers that name; near matches are listed.
        UsageError: The factory cannot be imported.
        ModelError: The factory fails, or what it returns cannot be adapted.
        WeightsError: The file is missing, broken or does not fit.
    """
    registry = plugins()
    if not registry.is_own_factory(name):
        spec = registry.model(name)
        own = None if weights is None else local_file(weights)
        with code_of(registry, "model", spec):
            model = load(spec.build)(own)
        if not isinstance(model, Model):
            raise PluginError(f"{title_of(registry, 'model', spec)} built {type(model).__name__}; a Model is needed")
        return model
    factory = import_factory(name, "model")
    file = None if weights is None else str(local_file(weights))
    called = "" if file is None else ", called with the weights' path,"
    with foreign(f"the factory {name}{called}", error=ModelError):
        made = factory() if file is None else factory(file)
    return adapted(made)


def adapted(made: Any) -> Model:
    """Return what a factory made as a model; see `load_model` for the forms it may take."""
    if isinstance(made, Model):
        return made
    parts = made if isinstance(made, tuple) else (made,)
    if not parts:
        raise ModelError("the factory returned an empty tuple; it returns a model or what cnnviz_jax.adapt takes")
    keywords = {name for name, p in inspect.signature(adapt).parameters.items() if p.kind is p.KEYWORD_ONLY}
    last = parts[-1]
    # A Linen model's variables are a dict too, so only one that says input_shape or scores counts as keywords.
    said = isinstance(last, dict) and (
        "input_shape" in last or isinstance(last.get("scores"), str | int) or callable(last.get("scores"))
    )
    if len(parts) > 1 and said and set(last) <= keywords:
        return adapt(*parts[:-1], **last)
    return adapt(*parts)


def example_images(name: str, count: int = 4) -> tuple[Float[np.ndarray, "n h w c"], tuple[str, ...]]:
    """Return images that ship with a registered network, and a name for each.

    Raises:
        UnknownNameError: No plugin offers that network.
        ImageError: The network ships no images.
    """
    spec = plugins().model(name)
    if spec.examples is None:
        raise ImageError(f"{name} ships no images; name some")
    with code_of(plugins(), "model", spec):
        images, names = load(spec.examples)(count)
        return np.asarray(images, np.float32), tuple(map(str, names))
