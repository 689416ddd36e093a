"""The score of a class: its logit, probability, log-probability or margin."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import TargetError, in_few
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import Target, check_numbers

Unit = Literal["logit", "probability", "log_probability", "margin"]

# Beyond this, p (1 - p), the softmax's own derivative, is below a thousandth.
_SATURATED = 0.999


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ClassScore(Target):
    """The score of one class.

    `logit` is the score itself; `probability` and `log_probability` go through a softmax over classes;
    `margin` is the logit less the best other logit.
    """

    index: Int[Array, "*n"] | int
    of: Unit = static(default="logit")

    def of_one_class(self) -> tuple[Any, Target] | None:
        """Return the class, where its logit is asked for: all else compares it with other classes."""
        return (self.index, dataclasses.replace(self, index=0)) if self.of == "logit" else None

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the class's score; `outputs` are the logits, classes last, averaged over any map axes."""
        logits = jnp.asarray(outputs, jnp.float32)
        logits = logits.reshape(-1, logits.shape[-1]).mean(0)
        if self.of == "probability":
            logits = jax.nn.softmax(logits)
        elif self.of == "log_probability":
            logits = jax.nn.log_softmax(logits)
        chosen = logits[self.index]
        if self.of == "margin":
            chosen = chosen - jnp.where(jnp.arange(logits.shape[-1]) == self.index, -jnp.inf, logits).max()
        return chosen

    def scored_as(self, unit: str) -> Target:
        """Return the same classes, scored as their probability if that is asked."""
        return self if unit == "target" else dataclasses.replace(self, of="probability")

    def findings(self, scores: Float[np.ndarray, " n"]) -> tuple[str, ...]:
        """Return a warning where a softmax is so sure that its gradient is all but gone."""
        probability = np.exp(scores) if self.of == "log_probability" else np.asarray(scores)
        if self.of not in ("probability", "log_probability"):
            return ()
        is_flat = (probability > _SATURATED) | ((self.of == "probability") & (probability < 1 - _SATURATED))
        sure = np.flatnonzero(is_flat)
        if not sure.size:
            return ()
        warning = (
            f"the softmax is saturated for image {in_few(sure)} (probability {float(probability[sure[0]]):.4g}): "
            f"what is left of its gradient says little; explain the logit or the margin"
        )
        return (warning,)

    def check(self, model: Model) -> None:
        """Raise `TargetError` if an index is not a class of the model, or the outputs are no class scores."""
        if self.of not in ("logit", "probability", "log_probability", "margin"):
            raise TargetError(f"no class score called {self.of!r}; logit, probability, log_probability, margin exist")
        classes = model.class_count
        if not np.issubdtype(np.asarray(self.index).dtype, np.integer):
            raise TargetError(f"a class index is a whole number, got {self.index!r}")
        check_numbers("class", self.index, classes, model.name)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `243 bull mastiff` or `probability of 3 star`."""
        before = "" if self.of == "logit" else self.of.replace("_", " ") + " of "
        return tuple(before + model.class_name(int(i)) for i in np.atleast_1d(np.asarray(self.index)))


def class_score(index: Any, of: str = "logit") -> ClassScore:
    """Return the target "score of class `index`", one index or one per image."""
    return ClassScore(jnp.asarray(index), of)  # type: ignore[arg-type]  # checked against the model
