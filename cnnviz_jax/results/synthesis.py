"""What synthesize techniques return: images made to excite units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import jax
from jaxtyping import Float, Shaped

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.pytrees import Numbers, static
from cnnviz_jax.results.result import Result

Status = Literal["ok", "no_gradient", "not_reached", "dead", "diverged"]
"""How the ascent of one image ended; only `ok` shows a feature.

`no_gradient`: nothing to climb at any step. `not_reached`: the unit is nowhere above 0 after these steps, and more, or
other ones, might get there. `dead`: the ascent came to rest with the unit nowhere above 0, and no image of the data set
that was given fires it; as far as was tried, none can. `diverged`: not finite."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, repr=False)
class Synthesis(Result):
    """Images made to excite units, one per target."""

    images: Float[Numbers, "n ..."]
    """As the recipe shows them, (n, h, w, c) in [0, 1]; series (n, t, c) and volumes (n, d, h, w, c) in their units."""
    raw: Float[Numbers, "n ..."]
    """In the model's input units, before any display step."""
    curves: Float[Numbers, "n steps"]
    """The objective at every step."""
    activation: Float[Numbers, " n"]
    """The objective reached by `raw`."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further arrays by name: `best` and `best_activation`; `peak`, how high a unit or channel gets anywhere in `raw`,
    where every target is one; where asked for `frames` (n s, then axes as `raw`'s), `transparency`,
    and `exemplar_maximum`, `exemplar_index` and `ratio`, the activation reached over the data set's maximum."""
    status: tuple[Status, ...] = static(kw_only=True)
    """`ok`, or why there is no image to believe: `no_gradient`, `not_reached`, `dead`, `diverged`."""
    provenance: Provenance = static()
    warnings: tuple[str, ...] = static(default=())
