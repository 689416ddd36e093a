"""Any technique over noisy copies of the image: the mean of its maps, of their squares, or their variance."""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.data.noise import Noise, noisy_image
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.device_batch import explained, inner_chunk_for
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.engine.sampling import SampledMean
from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.attribution import Heatmap

NoiseKind = Literal["mean", "square", "variance"]

_COPIES_AT_ONCE = 8
"""How many copies an inner chunk is planned for; how many run at once, the compiled program's memory decides."""


@dataclass(frozen=True, kw_only=True)
class Smoothed(SampledMean):
    """A technique's maps over noisy copies of the image, gathered; of `saliency` it is SmoothGrad.

    What the technique compares with, a baseline or a fill, gets no noise. `variance` divides by the number of copies.
    Extras that are one number per image are averaged for `mean`, and left out otherwise.

    Randomness: copy i is image + sigma * normal(fold_in(image's key, i)), as SmoothGrad's; a technique that draws
    numbers itself draws others for each copy.
    Cost: that of the technique times the copies; for `variance` once more.
    Source: Smilkov et al. 2017; Hooker et al. 2019 (`square`); Adebayo et al. 2018 (`variance`); Captum's NoiseTunnel.
    """

    inner: Fold
    noise: Noise
    kind: NoiseKind

    @classmethod
    def of(cls, inner: Fold, noise: str, samples: int, kind: str, technique: str) -> "Smoothed":
        """Return a technique over noisy copies.

        Raises:
            UsageError: A word or number makes no sense, or the technique cannot run on copies one by one.
        """
        strength = Noise.of(noise)
        if kind not in get_args(NoiseKind):
            raise UsageError(f"noise_kind is one of {', '.join(get_args(NoiseKind))}, got {kind!r}")
        if samples < 1:
            raise UsageError(f"noise_samples is at least 1, got {samples}")
        if len(inner.rounds) > 1 or inner.mixes_images:
            why = "looks at several images together" if inner.mixes_images else "decides in rounds what to evaluate"
            raise UsageError(f"{technique} {why}, which cannot be done for noisy copies; leave noise out")
        told = (("noise", str(strength)), ("noise_samples", samples), ("noise_kind", kind))
        chosen: Any = kind
        return cls(
            inner=inner, noise=strength, count=samples, kind=chosen, view=inner.view, layer=inner.layer,
            notes=(*inner.notes, *told), warnings=inner.warnings,
        )  # fmt: skip

    @property
    def is_plain(self) -> bool:
        """Whether the result is the mean of its draws."""
        return self.kind != "variance"

    def shared(self, case: Case) -> Any:
        """Return the noise's standard deviation and, for a variance, the maps of the image itself."""
        # Differences to them lose fewer digits than the maps: a variance is the mean square less the squared mean.
        return self.noise.sigma(case.image), self._maps(case, case.image)[0] if self.kind == "variance" else ()

    def draw(self, case: Case) -> tuple[Float[Array, "..."], Any]:
        """Return what the technique makes of one noisy copy."""
        sigma, own = case.context
        maps, extras = self._maps(case, noisy_image(case.image, sigma, case.key))
        if self.kind == "square":
            maps = jax.tree.map(jnp.square, maps)
        elif self.kind == "variance":
            maps = jax.tree.map(jnp.subtract, maps, own)
            return maps[0], (maps[1], jax.tree.map(jnp.square, maps))
        return maps[0], (maps[1], extras if self.kind == "mean" else {})

    def of_mean(self, case: Case, values: Float[Array, "..."], more: Any) -> Heatmap:
        """Return the mean or the variance."""
        if self.kind == "variance":
            first, second = (values, more[0]), more[1]
            values, low_res = jax.tree.map(lambda once, twice: jnp.maximum(twice - once**2, 0.0), first, second)
            return Heatmap(values=values, low_res=low_res)
        return Heatmap(values=values, low_res=more[0], extras=more[1])

    def _maps(self, case: Case, image: Float[Array, "h w c"]) -> tuple[tuple[Array, Array | None], dict[str, Array]]:
        """Return the technique's values and raw map for one image, and what it says of the image in one number."""
        # The noise is drawn from the key itself: a technique that drew from it as well would repeat the noise.
        one = (case.target, jax.random.fold_in(case.key, 1), image, case.given)
        target, key, images, given = jax.tree.map(lambda leaf: leaf[None], one)
        batch = replace(case, target=target, key=key, image=images, given=given, context=(), index=0)
        chunk = inner_chunk_for(self.inner.evaluations, _COPIES_AT_ONCE)
        found = jax.tree.map(lambda leaf: leaf[0], explained(self.inner, batch, chunk)[0])
        low_res = None if found.low_res is None else found.low_res.astype(jnp.float32)
        extras = {name: jnp.asarray(each, jnp.float32) for name, each in found.extras.items() if jnp.ndim(each) == 0}
        return (found.values.astype(jnp.float32), low_res), extras
