"""Efficient MPRT: how much more complex the map of a random network is (Hedström et al. 2024)."""

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model
from cnnviz_plugins.measure.options.randomization import EfficientMprtConfig
from cnnviz_plugins.measure.randomization.parameters import arrays_kept, cascade, groups_of


def efficient_mprt(config: EfficientMprtConfig, model: Model) -> HostMetric:
    """Return the measure: (H(A of the network with all layers randomised) - H(A)) / H(A).

    H is the entropy, in nats, of the histogram of |map| between its least and largest value. A map that depends on
    the weights becomes more complex: higher is better. `extras` has both entropies.

    Randomness: the numbers of an array depend on the key and on its path, not on the images.
    Cost: one explanation per image.
    Source: Hedström, Weber, Lapuschkin, Höhne 2024, section 3.2.

    Raises:
        ModelError: No layer has a kernel.
    """
    groups = groups_of(model)

    def run(case: HostCase) -> Measured:
        *_, randomised = cascade(case, groups, config.draw)
        heat, _ = case.again(model=randomised)
        before, after = (np.asarray([entropy(one, config.bins) for one in np.abs(each)], np.float32)
                         for each in (np.asarray(case.target.heat), heat))  # fmt: skip
        rise = np.where(before > 0, (after - before) / np.where(before > 0, before, 1), np.nan)
        return Measured(values=rise.astype(np.float32), extras={"entropy": before, "randomised_entropy": after})

    return HostMetric(
        run=run,
        better="higher",
        undefined="all its pixels are in one bin",
        notes=(("arrays kept", arrays_kept(model, groups)),),
    )


def entropy(values: Float[np.ndarray, "h w"], bins: int) -> float:
    """Return the entropy, in nats, of the histogram of a map between its least and largest value."""
    counts, _ = np.histogram(values, bins=bins)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
