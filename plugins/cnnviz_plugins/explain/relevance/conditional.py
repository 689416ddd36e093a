"""Concept relevance: relevance that passes through some channels of some layers only (Achtibat et al. 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, ClassScore, Fold, Heatmap, Model, UsageError
from cnnviz_plugins.explain.relevance.conditions import Condition, condition_of
from cnnviz_plugins.explain.relevance.descent import Descent, checked_layer
from cnnviz_plugins.explain.relevance.lrp import Lrp
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import PassingConfig
from cnnviz_plugins.explain.site import IMAGE, Site

Skip = Literal["exclude", "keep"]


def build(config: PassingConfig, model: Model) -> Fold:
    """Return LRP, under the conditions that are asked for.

    Raises:
        CnnvizError: A subclass says which rule, layer or channel does not fit the model.
    """
    lrp = Lrp.build(config, model)
    conditions = tuple(condition_of(text) for text in config.conditions)
    return with_conditions(lrp, model, conditions, config.skip) if conditions else lrp


def conditioned(
    descent: Descent,
    image: Float[Array, "h w c"],
    masks: Sequence[tuple[str, Float[Array, " _"]]],
    skip: Skip = "exclude",
    at: str | None = None,
) -> Float[Array, "..."]:
    """Return the relevance of an image's values, or of a layer's, that passes each layer by the channels of its mask.

    Args:
        descent: The model, its rules and its target.
        image: One image in [0, 1].
        masks: Layers, highest first, each with 1 for the channels that are let through and 0 for the others.
        skip: What becomes of relevance that does not pass a layer at all.
        at: The layer where relevance is read, below the others or the lowest of them; `None` for the image.

    Cost: one forward pass; one backward pass, where all is excluded that passes by; with `keep` one more from each
    layer down.
    """
    if skip == "exclude":
        # R_l <- R_l 1[c in theta_l] at one layer, then down to the next from there and from nowhere else.
        start, relevance = None, jnp.float32(1)
        for name, mask in masks:
            relevance = descent.leg(image, start, (name,)).down(relevance)[1][name] * mask
            start = name
        if at is None:
            return descent.leg(image, start).down(relevance)[0]
        return relevance if at == start else descent.leg(image, start, (at,)).down(relevance)[1][at]
    # The same by linearity with all ways open: from what arrives below is taken what the other channels would have
    # sent there, layer after layer. With one layer, R - T((1 - m) R_l), T the way from it to the image.
    layers = [name for name, _ in masks]
    stops = (*layers, *(() if at is None or at in layers else (at,)))
    values, arriving = descent.leg(image, None, stops).down()
    for place, (name, mask) in enumerate(masks):
        missed = arriving[name] * (1 - mask)
        lost, below = descent.leg(image, name, stops[place + 1 :]).down(missed)
        values = values - lost
        arriving |= {name: arriving[name] - missed} | {each: arriving[each] - less for each, less in below.items()}
    return values if at is None else arriving[at]


@dataclass(frozen=True, kw_only=True)
class ConditionalLrp(Fold):
    """Relevance that passes the layers of a condition by its channels: (h, w, c), or of many conditions one map each.

    With `site` at a layer, the relevance of that layer's units, under one condition.

    With several conditions `values` is (h, w, k), each map summed over the image's channels. `extras` has `root`, the
    relevance that went in; `bypassed`, how much of LRP's arrives at the image without passing every one of the layers,
    as through a skip connection; and `removed_share`, that part of LRP's sum, which `skip="exclude"` leaves out.

    Cost: one forward pass, and one backward pass for each condition: from the highest of its layers to the image, what
    is above being shared. Where relevance can pass by, two more.
    Source: Achtibat et al. 2023, arXiv:2206.03208, section 4.1.
    """

    settings: RelevanceSettings
    layers: tuple[str, ...]
    """The conditioned layers, highest first."""
    channels: tuple[tuple[tuple[int, ...], ...], ...]
    """Of every condition, of every layer: the channels that relevance passes by."""
    skip: Skip = "exclude"
    site: Site = IMAGE

    @property
    def evaluations(self) -> int:
        """The conditions."""
        return len(self.channels)

    def prepare(self, case: Case) -> dict[str, Array]:
        """Return how much relevance there is, and how much of it passes by."""
        descent = self.descent(case)
        at = self.site.layer
        whole = descent.leg(case.image, None, () if at is None else (at,))
        found = {"root": whole.root, "bypassed": jnp.float32(0), "removed_share": jnp.float32(0)}
        if descent.may_pass_by(self.layers):
            values, stopped = whole.down()
            total = (values if at is None else stopped[at]).sum()
            open_to_all = [(name, jnp.ones(case.model.layers[name].channels)) for name in self.layers]
            by = total - conditioned(descent, case.image, open_to_all, at=at).sum()
            share = jnp.where(total == 0, 0, by / jnp.where(total == 0, 1, total))
            found |= {"bypassed": by, "removed_share": share if self.skip == "exclude" else jnp.float32(0)}
        return found

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the relevance under condition `case.index`."""
        masks = []
        for place, name in enumerate(self.layers):
            table = np.zeros((len(self.channels), case.model.layers[name].channels), np.float32)
            for row, condition in enumerate(self.channels):
                table[row, list(condition[place])] = 1
            masks.append((name, jnp.asarray(table)[case.index]))
        values = conditioned(self.descent(case), case.image, masks, self.skip, self.site.layer)
        return values if self.evaluations == 1 else values.sum(-1)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the relevance with the sums."""
        if self.evaluations > 1:
            return Heatmap(values=jnp.moveaxis(gathered, 0, -1), extras=case.context)
        return self.site.heatmap(gathered[0], case.context)

    def descent(self, case: Case) -> Descent:
        """Return the rules in place for a case."""
        return Descent.of(case.model, case.target, self.settings, _and_site(self.layers, self.site))


def with_conditions(lrp: Lrp, model: Model, conditions: Sequence[Condition], skip: Skip) -> ConditionalLrp:
    """Return LRP under conditions.

    Args:
        lrp: Without any, at the image or a layer.
        model: Whose layers are named.
        conditions: At least one; all of the same layers.
        skip: What becomes of relevance that passes by.

    Raises:
        LayerNotFoundError: The model has no such layer.
        UsageError: A layer has no such channel, a condition stands at the image or below the layer that is read, or two
            name different layers.
    """
    named = [{checked_layer(model, name, "a condition"): numbers for name, numbers in each} for each in conditions]
    for each in named:
        for name, numbers in each.items():
            count = model.layers[name].channels
            if max(numbers) >= count:
                raise UsageError(f"layer {name!r} has channels 0 to {count - 1}, got {max(numbers)}")
        if each.keys() != named[0].keys():
            raise UsageError(
                f"the conditions of one call name the same layers, so that they share what is above; got "
                f"{', '.join(named[0])} and {', '.join(each)}: call once for each"
            )
    several = len(named) > 1
    at = lrp.site.layer
    descent = Descent.of(model, ClassScore(0), lrp.settings, _and_site(tuple(named[0]), lrp.site))
    layers = descent.highest_first(tuple(named[0]))
    for name in layers if at is not None else ():
        if name != at and not descent.leads_to(str(at), name):
            raise UsageError(
                f"a condition at {name!r} changes no relevance at {at!r}, which lies above it or beside it"
            )
    if several and at is not None:
        raise UsageError(f"relevance at {at!r} is read under one condition, got {len(named)}; call once for each")
    notes = (("layers", layers), ("skip", skip), *((("unit", "relevance"),) if several else ()))
    own = tuple(note for note in lrp.notes if not several or note[0] != "unit")
    return ConditionalLrp(
        settings=lrp.settings,
        layers=layers,
        channels=tuple(tuple(each[name] for name in layers) for each in named),
        skip=skip,
        site=lrp.site,
        view="maps" if several else lrp.view,
        layer=layers[-1] if several else at,
        notes=(*own, *notes),
        warnings=lrp.warnings,
    )


def _and_site(layers: tuple[str, ...], site: Site) -> tuple[str, ...]:
    return layers if site.layer is None or site.layer in layers else (*layers, site.layer)
