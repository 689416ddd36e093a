"""Smooth MPRT: parameter randomisation of maps averaged over noise (Hedström et al. 2024)."""

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model
from cnnviz_plugins.measure.options.randomization import SmoothMprtConfig
from cnnviz_plugins.measure.randomization.parameters import cascade, correlation, groups_of, layer_by_layer, ranks
from cnnviz_plugins.measure.robustness.copies import drawn


def smooth_mprt(config: SmoothMprtConfig, model: Model) -> HostMetric:
    """Return the measure: rank correlation of |smoothed map| with that of networks randomised from the bottom up.

    A smoothed map is the mean over the image and `samples` - 1 noisy copies, the same for all networks. Layers stay
    randomised as the next ones are. `curve` is Spearman's correlation after each layer; the value is its mean. Scaling
    a map, which the source does by its root mean square, changes no rank.

    Randomness: copy i of an image uses fold_in(image's key, i), the numbers of an array the key and its path.
    Cost: `samples` explanations per layer and image, and as many.
    Source: Hedström, Weber, Lapuschkin, Höhne 2024, section 3.1.

    Raises:
        ModelError: No layer has a kernel.
    """
    groups = groups_of(model)[::-1]

    def run(case: HostCase) -> Measured:
        total, done = (len(groups) + 1) * config.samples, 0
        scale = config.noise * np.ptp(case.images, axis=(1, 2, 3), keepdims=True)
        copies = [case.images + scale * drawn(case, number, jax.random.normal) for number in range(config.samples - 1)]

        def smoothed(network: Model) -> Float[np.ndarray, "n h w"]:
            nonlocal done
            mean = np.zeros(case.images.shape[:3])
            for copy in (case.images, *copies):
                heat, _ = case.again(model=network, images=np.asarray(copy, np.float32))
                mean += heat / config.samples
                done += 1
                case.progress(done, total, "explanations")
            return mean

        before = ranks(smoothed(case.model), "drop")
        curve = [
            correlation(before, ranks(smoothed(randomised), "drop"))
            for randomised in cascade(case, groups, config.draw)
        ]
        points = np.stack(curve, 1).astype(np.float32)
        return Measured(values=points.mean(1), curve=points)

    return layer_by_layer(run, model, groups, "bottom")
