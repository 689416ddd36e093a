"""From the word for a model to the model: a registered name, or the user's own factory."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.words import is_factory
from cnnviz_jax.downloads import is_url, local_file
from cnnviz_jax.errors import CnnvizError, ModelError, UnknownNameError, UsageError, WeightsError
from cnnviz_jax.manager import Plugins, plugins

if TYPE_CHECKING:
    from cnnviz_jax.model import Model, Precision


def check_model(word: str, weights: str | None, registry: Plugins) -> None:
    """Refuse a model that cannot exist or weights that are not there, before anything heavy is imported.

    Raises:
        UnknownNameError: The word is neither a registered name nor `package.module:factory`.
        WeightsError: The weights file is missing.
    """
    if not _is_own_factory(word, registry):
        try:
            registry.model(word)
        except UnknownNameError as error:
            raise UnknownNameError(f"{error} A model of your own is given as package.module:factory.") from error
    if weights is not None and not is_url(weights) and not Path(weights).exists():
        raise WeightsError(f"no weights at {weights!r}; give a .safetensors or .pth file, an Orbax folder, or a URL")


def _is_own_factory(word: str, registry: Plugins) -> bool:
    """Whether the word is the user's `package.module:factory`, and neither `keras:NAME` nor a slip in one."""
    collections = {name.partition(":")[0] for name in registry.models if ":" in name}
    return is_factory(word) and word.partition(":")[0] not in collections


def load(word: str, weights: str | None, *, precision: str | None = None, quiet: bool = False) -> Model:
    """Return the model that a word names.

    Weights given as a URL are fetched first, with progress on stderr unless `quiet`.
    A factory is called without arguments, or with the weights' path if `--weights` is given. It returns a
    `cnnviz_jax.Model`; or a native model; or a tuple of what `cnnviz_jax.adapt` takes, in which a last dict
    with `input_shape` holds its keyword arguments: `(fn, params, {"input_shape": (32, 32, 3)})`.
    A `precision` is that of `Model.with_precision`.

    Raises:
        UsageError: The factory cannot be found.
        ModelError: The factory fails.
    """
    if precision is not None:
        return load(word, weights, quiet=quiet).with_precision(cast("Precision", precision))
    import cnnviz_jax as cv

    if weights is not None and is_url(weights):
        with progress_on_stderr(quiet=quiet) as progress:
            weights = str(local_file(weights, progress))
    if not _is_own_factory(word, plugins()):
        return cv.load_model(word, weights)
    factory = _find(word)
    try:
        made = factory() if weights is None else factory(weights)
    except (CnnvizError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise ModelError(
            f"the factory {word} failed: {type(error).__name__}: {error}; --debug shows where"
            + ("" if weights is None else ". With --weights it is called with the file's path")
        ) from error
    return adapted(made)


def look_in_current_folder() -> None:
    """Let factories that the command names, or that a recorded training does, lie in the current folder."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _find(word: str) -> Any:
    module_name, _, attribute = word.partition(":")
    look_in_current_folder()
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(
                f"no module {error.name!r} for the model {word!r}; it is looked for in the current folder and among"
                f" installed packages"
            ) from error
        raise ModelError(f"the module {module_name!r} cannot be imported: {error}; --debug shows where") from error
    except Exception as error:
        raise ModelError(
            f"the module {module_name!r} cannot be imported: {type(error).__name__}: {error}; --debug shows where"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"the module {module_name!r} has no {attribute!r}, which the model {word!r} names")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{word} is a {type(found).__name__}; name a function that returns the model")
    return found


def adapted(made: Any) -> Model:
    """Return what a factory made as a model; see `load` for the forms it may take."""
    import cnnviz_jax as cv

    if isinstance(made, cv.Model):
        return made
    parts = made if isinstance(made, tuple) else (made,)
    if not parts:
        raise ModelError("the factory returned an empty tuple; it returns a model or what cnnviz_jax.adapt takes")
    keywords = {name for name, p in inspect.signature(cv.adapt).parameters.items() if p.kind is p.KEYWORD_ONLY}
    last = parts[-1]
    # A Linen model's variables are a dict too, so only one that names input_shape counts as keywords.
    if len(parts) > 1 and isinstance(last, dict) and "input_shape" in last and set(last) <= keywords:
        return cv.adapt(*parts[:-1], **last)
    return cv.adapt(*parts)
