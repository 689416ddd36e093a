"""FullGrad: gradient times input plus gradient times bias, over all layers (Srinivas, Fleuret 2019)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model
from cnnviz_plugins.explain.cam.biases import Bias, bias_values, biases
from cnnviz_plugins.explain.cam.plugin import FullgradConfig
from cnnviz_plugins.explain.cam.postprocess import resized, scaled


@dataclass(frozen=True, kw_only=True)
class Fullgrad(Fold):
    """The sum over the input's term and every layer's bias term of its enlarged, rescaled absolute values.

    The input's term is input * d score / d input, the input as the network gets it, after mean and std. A layer's is
    bias * d score / d layer. All terms together are the score: `extras["completeness_gap"]` is what is missing, and
    `extras["input_sum"]` and `extras["bias_sums"]` (in the order of the note `bias_layers`) are their sums. Biases of
    BatchNorm are read off the program; smooth activations have the implicit bias of the paper, y - y' x. Layers
    without a map count in the sums only.

    Cost: two forward passes and one backward pass per image.
    Source: Srinivas, Fleuret 2019, propositions 1 and 2, section 4 for the map; idiap/fullgrad-saliency.
    """

    config: FullgradConfig
    biases: tuple[Bias, ...]

    @classmethod
    def build(cls, config: FullgradConfig, model: Model) -> "Fullgrad":
        """Return the fold for `model`, with the biases that its program tells."""
        found = biases(model)
        return cls(config=config, biases=found, notes=(("bias_layers", tuple(bias.layer for bias in found)),))

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, "h w c"], tuple[Float[Array, "..."], ...]]:
        """Return the score, the input's term and every bias term."""
        names = tuple(bias.layer for bias in self.biases)
        shapes = jax.eval_shape(lambda: case.model.run(case.image, read=names, need_outputs=False)[1]) if names else {}
        deltas = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}

        def score(pixels: Any, deltas: Any) -> Float[Array, ""]:
            return case.model.score(pixels, case.target, add=deltas)[0]

        value, (slope, slopes) = jax.value_and_grad(score, argnums=(0, 1))(case.image, deltas)
        mean = jnp.asarray(case.model.structure.mean, case.image.dtype)
        shifts = bias_values(case.model, case.image, self.biases)
        terms = tuple((shift * slopes[name]).astype(jnp.float32) for name, shift in zip(names, shifts, strict=True))
        return value, (case.image - mean) * slope, terms

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the map and the sums."""
        score, at_input, terms = jax.tree.map(lambda leaf: leaf[0], gathered)
        size = (case.image.shape[0], case.image.shape[1])
        total = self._shown(at_input, size)
        for term in terms:
            if term.ndim == 3:
                total = total + self._shown(term, size)
        sums = jnp.stack([at_input.sum(), *(term.sum() for term in terms)])
        extras = {"input_sum": sums[0], "bias_sums": sums[1:], "completeness_gap": sums.sum() - score}
        return Heatmap(values=total, extras=extras)

    def _shown(self, term: Float[Array, "rows cols channels"], size: tuple[int, int]) -> Float[Array, "h w"]:
        values = term if self.config.signed else jnp.abs(term)
        if self.config.rescale == "term":
            values = scaled(values, "min-max")
        elif self.config.rescale == "channel":
            values = jax.vmap(lambda each: scaled(each, "min-max"), in_axes=2, out_axes=2)(values)
        return resized(values, size, "linear").sum(-1)
