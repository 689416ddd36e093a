"""The two ends of a path and their scores: what shares along it have to sum to."""

from typing import NamedTuple

from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, Target


class PathEndpoints(NamedTuple):
    """Where a path to the image starts, and the scores there and at the image."""

    start: Float[Array, "h w c"]
    start_score: Float[Array, ""]
    score: Float[Array, ""]

    @classmethod
    def of(
        cls, model: Model, image: Float[Array, "h w c"], start: Float[Array, "h w c"], target: Target
    ) -> "PathEndpoints":
        """Return the ends of the path from `start` to `image`.

        Cost: one forward pass, and one for the image's score where the program does not have it already.
        """
        return cls(start, model.score(start, target)[0], model.score(image, target)[0])

    def completeness(self, values: Float[Array, "h w c"]) -> dict[str, Float[Array, ""]]:
        """Return the start's score, and the sum of `values` less the difference of scores."""
        return {
            "baseline_score": self.start_score,
            "completeness_gap": values.sum() - (self.score - self.start_score),
        }
