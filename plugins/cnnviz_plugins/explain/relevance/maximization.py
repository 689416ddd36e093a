"""Relevance maximisation: the images in which a channel mattered most for the class, not those it fired on most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import (
    LIMBS,
    Batch,
    ClassScore,
    Dataset,
    Delta,
    Derived,
    Exemplars,
    LayerReducer,
    Model,
    Provenance,
    SurveyPlan,
    TopK,
    Total,
    by_position,
    exact_limbs,
    exact_means,
    kept_images,
    surveyed_layer,
    targets,
    unread_note,
)
from cnnviz_plugins.explain.relevance.descent import Descent, checked_layer
from cnnviz_plugins.explain.relevance.lrp import settings_of
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import RelevanceMaximizationConfig
from cnnviz_plugins.strongest import strongest

_SHOWN = 6
_TINY = 1e-10  # zennit-crp's


@dataclass(frozen=True, kw_only=True)
class LayerRelevance(Derived):
    """A layer's relevance for a class, (h, w, c) or (c,), and which class it is, int32.

    Cost: two forward passes and a backward pass down to the layer.
    """

    layer: str
    settings: RelevanceSettings
    target: int | None
    """The class; each image's predicted one when not given."""
    by: Literal["sum", "max"]
    is_normalised: bool
    """Whether the relevance of all channels, each by its sum or maximum, has size 1 in all."""

    def values(self, model: Model, image: Float[Array, "h w c"]) -> tuple[Float[Array, "..."], Int[Array, ""]]:
        """Return relevance and class."""
        if self.target is None:
            logits = model.run(image)[0]
            index = logits.reshape(-1, logits.shape[-1]).mean(0).argmax().astype(jnp.int32)
        else:
            index = jnp.int32(self.target)
        descent = Descent.of(model, ClassScore(index), self.settings, (self.layer,))
        here = descent.leg(image, None, (self.layer,)).down()[1][self.layer].astype(jnp.float32)
        if self.is_normalised:
            here = here / (jnp.abs(_per_channel(here[None], self.by)).sum() + _TINY)
        return here, index


def _per_channel(values: Float[Array, "b ..."], by: str) -> Float[Array, "b c"]:
    x = by_position(values)
    return x.sum(1) if by == "sum" else x.max(1)


@dataclass(frozen=True, kw_only=True)
class MostRelevant(TopK):
    """The k images in which each channel had most relevance."""

    source: LayerRelevance

    @property
    def derived(self) -> tuple[Derived, ...]:
        """The layer's relevance."""
        return (self.source,)

    def read(self, batch: Batch) -> Any:
        """Return it."""
        return batch.values[self.source.name][0]


@dataclass(frozen=True, kw_only=True)
class ClassRelevance(LayerReducer):
    """Per class and channel, the mean relevance over the images explained for that class; sums are exact.

    Result of `finish`: `mean` (classes, c) float64, 0 where a class has no image; `fired` (c,), images in which the
    channel spoke for its class; `images` (1,).
    """

    exact = ("sum",)
    classes: int
    source: LayerRelevance

    @property
    def derived(self) -> tuple[Derived, ...]:
        """The layer's relevance."""
        return (self.source,)

    def init(self) -> Delta:
        """Return zero sums."""
        table = (self.classes, self.shape[-1])
        return {
            "sum": jnp.zeros((*table, LIMBS), jnp.int32),
            "count": jnp.zeros(table, jnp.int32),
            "fired": jnp.zeros(table[1:], jnp.int32),
            "images": jnp.zeros((1,), jnp.int32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the sums with the batch's added."""
        relevance, index = batch.values[self.source.name]
        each = _per_channel(relevance, self.source.by)
        usable = jnp.isfinite(each) & batch.valid[:, None]
        each = jnp.where(usable, each, jnp.zeros((), each.dtype))
        return {
            "sum": delta["sum"].at[index].add(exact_limbs(each)),
            "count": delta["count"].at[index].add(usable.astype(jnp.int32)),
            "fired": delta["fired"] + (each > 0).sum(0, dtype=jnp.int32),
            "images": delta["images"] + batch.valid.sum(dtype=jnp.int32)[None],
        }

    def finish(self, total: Total) -> Total:
        """Return the means, each rounded once."""
        return {"mean": exact_means(total["sum"], total["count"]), "fired": total["fired"], "images": total["images"]}


def build(config: RelevanceMaximizationConfig, model: Model) -> SurveyPlan:
    """Return what is gathered, and how the result is made of it.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: No such unit, or the layer is the image.
        TargetError: No such class, or the model has no class scores.
        RuleError: The rules do not fit the model.

    Cost: per image two forward passes and a backward pass down to the layer. The images of the units that are drawn are
    read a second time at the end.
    """
    layer = surveyed_layer(model, config.layer, config.units)
    checked_layer(model, layer.name, "the layer")
    classes = model.class_count
    targets.class_score(config.target or 0).check(model)
    settings = settings_of(config)
    plan = Descent.of(model, ClassScore(0), settings, (layer.name,)).plan
    source = LayerRelevance(
        name=f"relevance of {layer.name}",
        layer=layer.name,
        settings=settings,
        target=config.target,
        by=config.statistic,
        is_normalised=config.abs_norm,
    )
    where: Any = {"layer": layer.name, "shape": layer.shape, "source": source}

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Exemplars:
        top, means = found["top"], found["classes"]
        space = model.structure.one_space
        units = config.units or _shown(means)
        kept = kept_images(dataset, top["id"][list(units)], model.input_shape, space)
        names = tuple(model.class_name(index) for index in range(classes))
        if dataset.class_names and dataset.class_names != (model.labels or ()):
            kept["labels"] = np.full_like(kept["labels"], -1)  # of a data set that numbers other classes
        return Exemplars(
            **strongest(layer, model, top),
            threshold=0.0,
            fired=means["fired"],
            image_count=int(means["images"][0]),
            units=tuple(units),
            **kept,
            class_names=names,
            class_means=means["mean"],
            selectivity=None,
            quantity="relevance",
            provenance=provenance,
            warnings=(*model.warnings, *plan.warnings("relevance-maximization"), *_findings(top, provenance)),
        )

    return SurveyPlan(
        reducers={
            "top": MostRelevant(**where, k=config.k, by=config.statistic),
            "classes": ClassRelevance(**where, classes=classes),
        },
        finish=finish,
        axes=(1, 2, 3),
    )


def _shown(means: Total) -> tuple[int, ...]:
    """Return the channels with the largest relevance for any class, the first six."""
    order = np.argsort(-means["mean"].max(0), kind="stable")
    return tuple(int(unit) for unit in order[:_SHOWN])


def _findings(top: Total, provenance: Provenance) -> tuple[str, ...]:
    found = []
    if (top["nonfinite"] > 0).any():
        found.append(f"{int(top['nonfinite'].max())} images were left out: relevance that is not finite")
    return (*found, *unread_note(dict(provenance.notes)["unreadable"]))
