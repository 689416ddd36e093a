"""What results share as pytrees: static fields, and where arrays lie."""

from dataclasses import field
from typing import Any

import numpy as np
from jaxtyping import Array

Numbers = Array | np.ndarray
"""Where results hold their arrays: on the device while traced, on the host when returned."""


def static(**kwargs: Any) -> Any:
    """Return a dataclass field that `jax.tree` treats as structure, not as data."""
    return field(metadata={"static": True}, **kwargs)
