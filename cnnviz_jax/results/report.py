"""What `report` returns: everything that one page shows."""

from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float

from cnnviz_jax.results.attribution import Attribution, Prediction
from cnnviz_jax.results.pytrees import Numbers
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.synthesis import Synthesis


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Result):
    """Everything one offline page shows of a model and a few images."""

    title: str
    model: dict[str, str]
    """Facts about the model, in words."""
    layers: tuple[dict[str, Any], ...] = ()
    """The layer table, one dict a row."""
    names: tuple[str, ...]
    """One name per image."""
    images: Float[Numbers, "n h w c"]
    predictions: tuple[Prediction, ...] = ()
    attributions: dict[str, Attribution] = field(default_factory=dict)
    """By technique; each covers all images."""
    inspections: dict[str, Any] = field(default_factory=dict)
    syntheses: dict[str, Synthesis] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    """One line per technique."""
    refused: dict[str, str] = field(default_factory=dict)
    """Techniques that do not apply to this model, with the reason."""
    elapsed_s: dict[str, float] = field(default_factory=dict)
    versions: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    """What was found when the model was read."""
    site: str = ""
    """Address of the page of a site of the same network, seen from the report's; empty for none."""
    site_layers: tuple[str, ...] = ()
    """The layers whose units have pages there."""
