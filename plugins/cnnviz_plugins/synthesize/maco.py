"""MACO: the magnitude of the spectrum is fixed, only its phase is free (Fel et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import normal_noise
from cnnviz_plugins.synthesize.parametrizations import Shape, correlated, decorrelated, frequencies, logit

SPECTRUM = "spectrum"
"""Under which name a target's own magnitudes are given."""


@dataclass(frozen=True)
class MacoPhase:
    """The phase of a spectrum whose magnitude is that of natural images.

    The magnitude is f^-power, or that of the user's own images where they are given. The image is standardised
    over all its pixels, its colours correlated, and put through a sigmoid.
    Source: Fel et al. 2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
    Optimization", arXiv 2306.06805, section 3; Xplique, `maco_image_parametrization`.
    """

    power: float = 1.2
    """How fast magnitudes fall with frequency, where no images are given."""

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Float[Array, "h half c"]:
        """Return normal phases."""
        return normal_noise(key, (shape[0], shape[1] // 2 + 1, shape[2]))

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the image."""
        phase = _standard(parameters)
        magnitude = self.magnitude(shape, given)
        spectrum = jax.lax.complex(magnitude * jnp.cos(phase), magnitude * jnp.sin(phase))
        values = _standard(jnp.fft.irfft2(spectrum, shape[:2], axes=(0, 1)))
        return jax.nn.sigmoid(correlated(values))

    def magnitude(self, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h half c"]:
        """Return the fixed magnitudes."""
        if SPECTRUM in given:
            return given[SPECTRUM]
        least = 1 / max(shape[:2])
        fall = np.maximum(frequencies(shape[0], shape[1]), least) ** -self.power
        return jnp.broadcast_to(jnp.asarray(fall)[..., None], (*fall.shape, shape[2]))

    def parameters(self, image: Float[Array, "h w c"]) -> Float[Array, "h half c"]:
        """Return the image's phases; its magnitudes are not kept."""
        return jnp.angle(jnp.fft.rfft2(decorrelated(logit(image)), axes=(0, 1)))


def mean_spectrum(images: Float[np.ndarray, "n h w c"], height: int, width: int) -> Float[np.ndarray, "rows half c"]:
    """Return the mean magnitude of images in decorrelated colours, resampled for images of `height` x `width`."""
    own = np.zeros((images.shape[1], images.shape[2] // 2 + 1, images.shape[3]))
    for image in images:
        own += np.abs(np.fft.rfft2(np.asarray(decorrelated(jnp.asarray(image))), axes=(0, 1))) / len(images)
    # Rows in the order of frequency, so that neighbours are neighbours when resampled.
    centred = jnp.fft.fftshift(jnp.asarray(own, jnp.float32), axes=0)
    sized = jax.image.resize(centred, (height, width // 2 + 1, images.shape[3]), "linear")
    return np.asarray(jnp.fft.ifftshift(sized, axes=0))


def _standard(values: Float[Array, "..."]) -> Float[Array, "..."]:
    centred = values - values.mean()
    # The root is of a number above zero, so that the gradient of an even field is zero and not NaN.
    return centred / (jnp.sqrt(jnp.square(centred).mean() + 1e-12) + 1e-5)
