"""How alike an image's embedding is to a given one."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import Target, one_each


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Similarity(Target):
    """The cosine, or the dot product, of an embedding with a given one.

    The embedding is the outputs or, with `layer`, that layer's value; a map is averaged over its positions.
    """

    embedding: Float[Array, "n d"]
    layer: str | None = static(default=None)
    of: Literal["cosine", "dot"] = static(default="cosine")

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer it reads, if it names one."""
        return () if self.layer is None else (self.layer,)

    @property
    def needs_outputs(self) -> bool:
        """Only where it names no layer."""
        return self.layer is None

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the similarity; 0 for an embedding of zeros."""
        value = jnp.asarray(outputs if self.layer is None else activations[self.layer], jnp.float32)
        value = value.reshape(-1, value.shape[-1]).mean(0)
        dot = (value * self.embedding).sum()
        if self.of == "dot":
            return dot
        squares = (value**2).sum() * (self.embedding**2).sum()
        # The inner `where` keeps the gradient at zero finite.
        return jnp.where(squares > 0, dot / jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)

    def batched(self, count: int) -> Self:
        """Return this target with one embedding per image."""
        embedding = self.embedding[0] if len(self.embedding) == 1 else self.embedding
        return dataclasses.replace(self, embedding=one_each(embedding, count, "embeddings", rank=1))

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the embedding has another length than what it is compared with."""
        if self.of not in ("cosine", "dot"):
            raise TargetError(f"no similarity called {self.of!r}; cosine and dot exist")
        length = model.class_count if self.layer is None else model.layers[self.layer].channels
        if self.embedding.shape[-1] != length:
            what = f"the outputs of {model.name}" if self.layer is None else f"layer {self.layer!r}"
            raise TargetError(f"the embedding has {self.embedding.shape[-1]} numbers, {what} have {length}")

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `cosine with an embedding at conv3`."""
        return (f"{self.of} with an embedding at {self.layer or 'the outputs'}",) * len(self.embedding)


def similarity(embedding: Any, layer: str | None = None, of: Literal["cosine", "dot"] = "cosine") -> Similarity:
    """Return the target "how alike the outputs, or a layer's value, are to `embedding`", (d,) or one per image."""
    array = np.asarray(embedding, np.float32)
    if array.ndim not in (1, 2) or not np.isfinite(array).all():
        raise TargetError(f"an embedding is one row of finite numbers, or one per image; got shape {array.shape}")
    if not np.atleast_2d(array).any(-1).all():
        raise TargetError("an embedding of zeros has no direction, and no cosine with any other")
    return Similarity(jnp.asarray(np.atleast_2d(array)), layer, of)
