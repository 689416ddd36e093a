"""What learns a dictionary: a function of rows, one row per position of a layer, to a codec."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Array, Float, Key

from cnnviz_jax.model.codes import Codec
from cnnviz_jax.progress.bars import Progress, silent
from cnnviz_jax.results.pytrees import Numbers


@dataclass(frozen=True, kw_only=True)
class LearnerCase:
    """What a learner works on."""

    rows: Any
    """Activations (n, c), one row per position. They may lie on disk: there is `shape`, a length, and `rows[places]`
    with a slice or an array of whole numbers, which gives NumPy's floats."""
    key: Key[Array, ""]
    """Decides everything random."""
    progress: Progress = silent
    """`progress(done, total, what)`."""
    folder: Path | None = None
    """Where a long training keeps its state, to go on after a stop; `None` where it keeps none."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a learner returns."""

    codec: Codec
    """In the network's own units: it takes and gives values as the layer has them."""
    curves: Mapping[str, Float[Numbers, " points"]] = field(default_factory=dict)
    """How the learning went, by name; `step` has the steps."""
    warnings: tuple[str, ...] = ()
    """What the user should know."""


Learner = Callable[[LearnerCase], Fitted]
"""What the `build(config)` of a dictionary technique returns."""
