"""Non-sensitivity: units that the map calls negligible though the score needs them, or the other way round."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, Case, Measured, Model
from cnnviz_plugins.measure.faithfulness.units import InGroups
from cnnviz_plugins.measure.options.faithfulness import NonSensitivityConfig


@dataclass(frozen=True, kw_only=True)
class NonSensitivity(InGroups):
    """The number of units for which exactly one holds: |map| is negligible, the score does not change without it.

    `extras` has `share`, that number over the units'.

    Cost: one forward pass per unit, 50,000 for a pixel-wise map of 224 x 224, and one.
    Source: Nguyen, Martínez 2020, section 3; `eps` is Quantus', of the map over its largest |value|.
    """

    config: NonSensitivityConfig
    better: Better = "lower"

    @classmethod
    def build(cls, config: NonSensitivityConfig, model: Model) -> "NonSensitivity":
        """Return the fold for images of `model`: groups of one."""
        height, width, channels = model.input_shape
        units = height * width * (channels if config.unit == "element" else 1)
        return cls(config=config, groups=units)

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is the one that is removed; in reading order, since order does not matter."""
        values = case.context.values
        return jnp.arange(values.size, dtype=jnp.int32).reshape(values.shape) == case.index - 1

    def finish(self, case: Case, gathered: Float[Array, " g"]) -> Measured:
        """Return the count."""
        sizes = jnp.abs(case.context.values).reshape(-1)
        top = sizes.max()
        is_small = sizes / jnp.where(top > 0, top, 1.0) < self.config.eps
        is_needless = jnp.abs(gathered[1:] - gathered[0]) < self.config.eps
        wrong = (is_small ^ is_needless).sum(dtype=jnp.int32).astype(jnp.float32)
        return Measured(values=wrong, extras={"share": wrong / sizes.size})
