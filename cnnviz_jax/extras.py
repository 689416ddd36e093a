"""Packages that come with an extra, and one sentence where they are absent. Light."""

import importlib
from typing import Any

from cnnviz_jax.errors import UsageError


def require(package: str, *, extra: str = "sweep", what: str = "a sweep") -> Any:
    """Return an imported package.

    Args:
        package: Name of the module.
        extra: The extra of this project that brings it.
        what: What needs it, for the error.

    Raises:
        UsageError: It is not installed; the text says what to install.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.split(".")[0]:
            raise
        raise UsageError(
            f"{what} needs the package {error.name!r}, which is not installed: pip install 'cnnviz-jax[{extra}]'"
        ) from error
