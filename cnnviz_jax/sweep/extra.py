"""The packages that only a sweep needs, and one sentence where they are absent."""

from __future__ import annotations

import importlib
from typing import Any

from cnnviz_jax.sweep.exits import SweepUsageError


def require(package: str) -> Any:
    """Return an imported package.

    Raises:
        SweepUsageError: It is not installed; the text says what to install.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.split(".")[0]:
            raise
        raise SweepUsageError(
            f"a sweep needs the package {error.name!r}, which is not installed: pip install 'cnnviz-jax[sweep]'"
        ) from error
