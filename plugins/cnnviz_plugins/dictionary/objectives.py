"""What a training of each kind computes for a batch: its loss, the codes, and what counts as fired."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_plugins.dictionary.activations import active, batch_topk_codes, jump_relu, topk_codes
from cnnviz_plugins.dictionary.archetypes import archetypes, mixtures, shortened
from cnnviz_plugins.dictionary.losses import auxiliary, squared_error
from cnnviz_plugins.dictionary.plugin import (
    ArchetypalConfig,
    BatchTopkConfig,
    CountedConfig,
    JumpReluConfig,
    MatchingPursuitConfig,
    TrainedConfig,
    count_of,
)
from cnnviz_plugins.dictionary.pursuit import pursued, refitted

Parameters = dict[str, Array]
_AUXILIARY_SHARE = 1 / 32


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One kind of training; hashable, and so the identity of its compiled program."""

    config: TrainedConfig
    channels: int

    @property
    def k(self) -> int:
        """Features of a row; of a kind without such a number, all."""
        return count_of(self.config, self.channels) if isinstance(self.config, CountedConfig) else self.channels

    def directions(self, parameters: Parameters, fixed: Parameters) -> Float[Array, "codes c"]:
        """Return the directions that the parameters stand for."""
        if isinstance(self.config, ArchetypalConfig):
            return archetypes(parameters["mixing"], parameters["moves"], parameters["log_size"], fixed["centres"])
        return parameters["directions"]

    def loss(
        self, parameters: Parameters, fixed: Parameters, rows: Float[Array, "n c"], dead: Bool[Array, " codes"],
        sparsity: Float[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Any]]:  # fmt: skip
        """Return the loss of a batch, and what is noted of it: codes, share of variance left, border of the codes.

        Args:
            parameters: What is learned.
            fixed: `spread`, the rows' squared error around their mean; `centres` for archetypes.
            rows: The batch, scaled.
            dead: Features that are dead.
            sparsity: What a feature of a row costs now.
        """
        directions = self.directions(parameters, fixed)
        offset = parameters.get("offset", jnp.zeros(rows.shape[1]))
        near = rows - offset
        border = jnp.zeros(())
        cost: Any = 0.0
        if isinstance(self.config, MatchingPursuitConfig):
            pre = near @ directions.T
            if self.config.refit:
                # Fitted amounts are where the error is least, so its slope by them is 0 and they are taken as given.
                codes = jax.lax.stop_gradient(refitted(near, directions, self.k)[0])
                left = near - codes @ directions
            else:
                codes, left, _ = pursued(near, directions, self.k)
            error = jnp.square(left).sum(-1).mean()
        else:
            pre = near @ parameters["encoder"].T + parameters["bias"]
            if isinstance(self.config, JumpReluConfig):
                threshold = jnp.exp(parameters["log_threshold"])
                codes = jump_relu(pre, threshold, self.config.bandwidth)
                cost = sparsity * active(pre, threshold, self.config.bandwidth).sum(-1).mean()
            elif isinstance(self.config, BatchTopkConfig):
                codes, border = batch_topk_codes(pre, self.k)
            else:
                codes = topk_codes(pre, self.k)
            left = near - codes @ directions
            error = squared_error(near, codes @ directions)
        share = error / fixed["spread"]
        # Of jump-relu the sparsity is said in units of the squared error; the others' loss is a share of the spread.
        total = error + cost if isinstance(self.config, JumpReluConfig) else share
        if self.config.dead == "auxk":
            most = max(1, min(self.channels // 2, len(directions)))
            extra = auxiliary(left, pre, directions, dead, most)[1]
            total = total + _AUXILIARY_SHARE * extra
        return total, {"codes": jax.lax.stop_gradient(codes), "fvu": share, "border": border}

    def without_length(self, gradients: Parameters, parameters: Parameters) -> Parameters:
        """Return the gradients without what would only change the length of directions, which is held at 1."""
        if "directions" not in parameters:
            return gradients
        own, by = parameters["directions"], gradients["directions"]
        along = (own * by).sum(1, keepdims=True)
        return {**gradients, "directions": by - along * own}

    def projected(self, parameters: Parameters) -> Parameters:
        """Return the parameters brought back to what is allowed, after a step."""
        if isinstance(self.config, ArchetypalConfig):
            return {
                **parameters,
                "mixing": mixtures(parameters["mixing"]),
                "moves": shortened(parameters["moves"], self.config.delta),
            }
        length = jnp.sqrt(jnp.square(parameters["directions"]).sum(1, keepdims=True))
        return {**parameters, "directions": parameters["directions"] / jnp.maximum(length, 1e-12)}
