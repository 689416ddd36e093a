"""The frozen pytrees that techniques return: raw arrays and where they came from.

Arrays are never normalised for display; that is the renderers' named policy. Words are static
fields, so a result passes through `jax.tree` and `jax.jit` like any pytree.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from cnnviz_jax.program import Field

Numbers = Array | np.ndarray
"""Where results hold their arrays: on the device while traced, on the host when returned."""

View = Literal["heatmap", "pixels", "maps"]
"""How values are meant to be looked at: one map over the picture, signed pixels, or independent channel maps."""

Status = Literal["ok", "no_gradient", "dead", "diverged"]


def static(**kwargs: Any) -> Any:
    """Return a dataclass field that `jax.tree` treats as structure, not as data."""
    return field(metadata={"static": True}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that decided the numbers, in words; `as_dict` is ready for JSON."""

    technique: str
    model: str
    config: Any
    """The technique's frozen config dataclass, every option at the value used."""
    targets: tuple[str, ...] = ()
    """What was explained or maximised, one text per picture."""
    layer: str | None = None
    seed: str = ""
    """The key's data in hexadecimal."""
    versions: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, Any], ...] = ()
    """Further facts, such as which ReLUs were rewritten; values are strings, numbers or tuples of them."""

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain dicts, lists, strings and numbers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "config"}
        known = dataclasses.is_dataclass(self.config) and not isinstance(self.config, type)
        config = dataclasses.asdict(self.config) if known else self.config
        plain |= {"config": config, "versions": dict(self.versions), "notes": dict(self.notes)}
        return json.loads(json.dumps(plain, default=str))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """What a fold returns for one image (or, with a leading n, for many)."""

    values: Float[Numbers, "*n h w"] | Float[Numbers, "*n h w c"]
    """At the image's size, or, for channel maps, at the layer's."""
    low_res: Float[Numbers, "*n rows cols"] | None = None
    """The raw map before upsampling, where the method makes one."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further numbers by name, such as a completeness gap."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Which parts of each picture a score rests on; positive means in favour."""

    values: Float[Numbers, "n h w"] | Float[Numbers, "n h w c"]
    """Raw signed values; unit: score, or score per unit of intensity for gradients."""
    low_res: Float[Numbers, "n rows cols"] | None
    """The raw map before upsampling, where the method makes one."""
    scores: Float[Numbers, " n"]
    """The target's score on the untouched picture."""
    target: Any
    """Class index per picture (int32), or the `cnnviz_jax.targets.Target` that was scored."""
    images: Float[Numbers, "n h w c"]
    """The pictures, in [0, 1]."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further numbers by name."""
    view: View = static(default="heatmap")
    provenance: Provenance = static(kw_only=True)
    warnings: tuple[str, ...] = static(default=())

    def __getitem__(self, index: int) -> "Attribution":
        """The result for one picture, with a leading axis of 1."""
        keep = slice(index, index + 1 or None)
        provenance = dataclasses.replace(self.provenance, targets=self.provenance.targets[keep])
        return dataclasses.replace(jax.tree.map(lambda leaf: leaf[keep], self), provenance=provenance)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Pictures made to excite units, one per target."""

    images: Float[Numbers, "n h w c"]
    """As the recipe shows them, in [0, 1]."""
    raw: Float[Numbers, "n h w c"]
    """In the model's input units, before any display step."""
    curves: Float[Numbers, "n steps"]
    """The objective at every step."""
    activation: Float[Numbers, " n"]
    """The objective reached by `raw`."""
    extras: Mapping[str, Shaped[Numbers, "..."]] = field(default_factory=dict)
    """Further arrays by name: `best` and `best_activation`; where asked for `frames` (n s h w c), `transparency`,
    and `exemplar_maximum`, `exemplar_index` and `ratio`, the activation reached over the data set's maximum."""
    status: tuple[Status, ...] = static(kw_only=True)
    """`ok`, or why there is no picture to believe: `no_gradient`, `dead`, `diverged`."""
    provenance: Provenance = static()
    warnings: tuple[str, ...] = static(default=())


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class FilterBank:
    """The kernel of one layer."""

    kernel: Float[Numbers, "h w i o"]
    layer: str = static()
    provenance: Provenance = static()
    warnings: tuple[str, ...] = static(default=())


@dataclass(frozen=True, kw_only=True)
class ReceptiveFields:
    """What every layer sees of the input."""

    fields: dict[str, Field]
    """By layer name, in execution order."""
    input_shape: tuple[int, int, int]
    """Height, width, channels of the input."""
    kinds: dict[str, str]
    provenance: Provenance
    unit: tuple[str, int, int] | None = None
    """Layer, row and column of the unit whose way down is asked for; then `fields` end with its layer."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The best classes of one picture."""

    classes: Int[Numbers, " k"]
    scores: Float[Numbers, " k"]
    probabilities: Float[Numbers, " k"]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything one offline page shows of a model and a few pictures."""

    title: str
    model: dict[str, str]
    """Facts about the model, in words."""
    layers: tuple[dict[str, Any], ...]
    """The layer table, one dict a row."""
    names: tuple[str, ...]
    """One name per picture."""
    images: Float[Numbers, "n h w c"]
    predictions: tuple[Prediction, ...]
    attributions: dict[str, Attribution]
    """By technique; each covers all pictures."""
    inspections: dict[str, Any]
    syntheses: dict[str, Synthesis]
    summaries: dict[str, str]
    """One line per technique."""
    refused: dict[str, str]
    """Techniques that do not apply to this model, with the reason."""
    elapsed_s: dict[str, float]
    versions: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    """What was found when the model was read."""
