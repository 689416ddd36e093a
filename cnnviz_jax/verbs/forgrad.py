"""`cv.forgrad`: maps without their high frequencies, which gradients of networks with strides and pools are full of."""

import dataclasses
from typing import overload

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.pytrees import Numbers


@overload
def forgrad(maps: Attribution, sigma: float = ...) -> Attribution: ...
@overload
def forgrad(maps: Numbers, sigma: float = ...) -> Float[np.ndarray, "*n h w"]: ...
def forgrad(maps: Attribution | Numbers, sigma: float = 15.0) -> Attribution | Float[np.ndarray, "*n h w"]:
    """Return maps with frequencies above `sigma` taken out, never negative.

    A map's channels are averaged and the absolute value is taken; of its Fourier transform what lies at most `sigma`
    cycles per image from the constant is kept, y and x counted together; the absolute value of the way back is the map.
    For any height and width, odd ones too.

    Args:
        maps: What `explain` returned, (n, h, w) or (n, h, w, c); or an array of that shape, or of one map (h, w). The
            result's own maps are replaced, and its notes say so.
        sigma: Cycles along the image's height or width; 0 leaves the mean.

    Raises:
        UsageError: The maps have another shape, or sigma is negative.

    Cost: two Fourier transforms of each map.
    Source: Muzellec et al. 2023, arXiv:2307.09591, section 4; xplique's `forgrad`, the same for square maps of even
    size.
    """
    if not sigma >= 0:
        raise UsageError(f"sigma is a number of cycles from 0 on, got {sigma}")
    if not isinstance(maps, Attribution):
        return _low(np.asarray(maps), sigma)
    provenance = dataclasses.replace(
        maps.provenance, notes=(*maps.provenance.notes, ("forgrad", float(sigma))), call=None
    )
    values = _low(np.asarray(maps.values), sigma).astype(np.float32)
    return dataclasses.replace(maps, values=values, low_res=None, view="heatmap", provenance=provenance)


def _low(values: Numbers, sigma: float) -> Float[np.ndarray, "*n h w"]:
    if values.ndim not in (2, 3, 4):
        raise UsageError(f"maps are (h, w), (n, h, w) or (n, h, w, c), got an array of shape {values.shape}")
    flat = np.abs(values.mean(-1) if values.ndim == 4 else values).astype(np.float64)
    rows, cols = (np.fft.fftfreq(size, 1 / size) for size in flat.shape[-2:])
    # The transform is never shifted: where frequency 0 stands is then no question, as it is for odd sizes.
    kept = np.hypot(rows[:, None], cols[None, :]) <= sigma
    low: np.ndarray = np.abs(np.fft.ifft2(np.fft.fft2(flat) * kept).real)
    return low
