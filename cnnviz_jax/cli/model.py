"""The model of a command: refused before anything heavy is imported, then loaded with progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.compiling import use_compile_cache_of_commands
from cnnviz_jax.downloads import is_url, local_file
from cnnviz_jax.errors import UnknownNameError, WeightsError
from cnnviz_jax.plugins import Plugins

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model
    from cnnviz_jax.model.pure import Precision


def check_model(word: str, weights: str | None, registry: Plugins) -> None:
    """Refuse a model that cannot exist or weights that are not there, before anything heavy is imported.

    Raises:
        UnknownNameError: The word is neither a registered name nor `package.module:factory`.
        WeightsError: The weights file is missing.
    """
    if not registry.is_own_factory(word):
        try:
            registry.model(word)
        except UnknownNameError as error:
            raise UnknownNameError(f"{error} A model of your own is given as package.module:factory.") from error
    if weights is not None and not is_url(weights) and not Path(weights).exists():
        raise WeightsError(f"no weights at {weights!r}; give a .safetensors or .pth file, an Orbax folder, or a URL")


def load(word: str, weights: str | None, *, precision: str | None = None, quiet: bool = False) -> Model:
    """Return the model that a word names; see `cnnviz_jax.load_model`.

    Weights given as a URL are fetched first, with progress on stderr unless `quiet`. A `precision` is that of
    `Model.with_precision`.
    """
    import cnnviz_jax as cv

    use_compile_cache_of_commands()
    if weights is not None and is_url(weights):
        with progress_on_stderr(quiet=quiet) as progress:
            weights = str(local_file(weights, progress))
    model = cv.load_model(word, weights)
    return model if precision is None else model.with_precision(cast("Precision", precision))
