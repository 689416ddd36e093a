"""Input invariance: a constant that the network takes off again should not change the map (Kindermans et al. 2019)."""

import numpy as np

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model, shifted_model
from cnnviz_plugins.measure.options.robustness import InputInvarianceConfig
from cnnviz_plugins.measure.robustness.copies import flat


def input_invariance(config: InputInvarianceConfig, model: Model) -> HostMetric:
    """Return the measure: 1 where the map of x + s by the network that takes off s is that of x, else 0.

    Both networks compute the same score of what they are given. A gradient stays; gradient x input does not, and paths
    from a black baseline do not, by design. `extras` has `change`, the largest difference over the map's largest
    |value|.

    Cost: one explanation per image, and a trace of the network.
    Source: Kindermans, Hooker, Adebayo, Alber, Schütt, Dähne, Erhan, Kim 2019, section 2.
    """

    def run(case: HostCase) -> Measured:
        moved = np.asarray(case.images + np.float32(config.shift), np.float32)
        _, maps = case.again(model=shifted_model(case.model, config.shift), images=moved)
        before, after = flat(case.target.raw), flat(maps)
        top = np.abs(before).max(1)
        change = np.abs(after - before).max(1) / np.where(top > 0, top, 1.0)
        return Measured(
            values=(change <= config.tolerance).astype(np.float32), extras={"change": change.astype(np.float32)}
        )

    return HostMetric(run=run, better="higher")
