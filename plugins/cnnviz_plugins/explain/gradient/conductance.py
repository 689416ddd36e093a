"""Conductance and internal influence: a layer's part in a score while the image grows out of a baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, TargetError, UsageError
from cnnviz_plugins.explain.gradient.baseline_options import BaselineConfig
from cnnviz_plugins.explain.gradient.layer_options import ConductanceConfig, InternalInfluenceConfig
from cnnviz_plugins.explain.gradient.path import Nodes, PathEndpoints, rule_of
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class ImagePath(PixelSum):
    """A fold along the straight path from the baseline to the image, read at a layer."""

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: BaselineConfig
    site: Site = IMAGE

    def prepare(self, case: Case) -> PathEndpoints:
        """Return the baseline, the image and their scores.

        Raises:
            TargetError: No layer is named, and the target is none.
        """
        if self.site == IMAGE and not case.target.layers:
            raise TargetError(
                "this technique is of a layer: name one, such as at='conv2', or explain a unit inside the network, "
                "target=cv.targets.neuron('conv2', 4, 5, 17), whose map of the image it then gives"
            )
        return PathEndpoints.of(case, case.filled(self.config.baseline))


def point_of(ends: PathEndpoints, share: Float[Array, ""]) -> Float[Array, "h w c"]:
    """Return the image a share of the way along a path."""
    return ends.start + share * (ends.end - ends.start)


@dataclass(frozen=True, kw_only=True)
class Conductance(ImagePath):
    """The integral of d score / d h times dh along the path of images, with the axes of the layer's value h.

    The path is cut into `nodes` equal parts; in each, the change of h is multiplied by the mean of the gradients at
    both ends. `extras` has `baseline_score` and `completeness_gap`: what the values sum to, less the difference of
    scores; ways round the layer are not in the sum. With a target inside the network and no layer, the values are
    the unit's own integrated gradients at the image, by the same rule.

    Cost: `nodes` + 1 forward and backward passes per image, and twice as many forward ones up to the layer.
    Source: Dhamdhere, Sundararajan, Yan 2018, section 2, equation 2; the left gradient at Gauss-Legendre nodes is
    Captum's LayerConductance, which misses both ends of the path.
    """

    config: ConductanceConfig

    @classmethod
    def build(cls, config: ConductanceConfig, model: Model) -> "ImagePath":
        """Return the fold for `model`; of one unit, `UnitConductance`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
            UsageError: A unit is named without a layer, or the layer has no such unit.
        """
        site = Site.of(config.at, model)
        notes = (("baseline", str(config.baseline)), ("quadrature", config.quadrature), ("nodes", config.nodes))
        count = config.nodes + (config.quadrature == "mean")
        if config.unit is not None:
            if site == IMAGE:
                raise UsageError(f"unit={config.unit} needs the layer it is in, such as at='conv2'")
            site.units(config.unit, model)
            summed = (("sum", f"the conductance of {site.layer}{list(config.unit)}"), ("unit", "score"))
            return UnitConductance(config=config, count=count, notes=(*notes, *summed), site=site, layer=site.layer)
        notes += (*site.sum_note(model, "score - baseline_score"), ("unit", "score"))
        return cls(config=config, count=count, notes=notes, **site.fields())

    @property
    def shares(self) -> Nodes:
        """Where the parts of the path end, `nodes` + 1 of them."""
        if self.config.quadrature == "captum":
            return rule_of("gausslegendre", self.config.nodes + 1)[0]
        return np.linspace(0, 1, self.config.nodes + 1, dtype=np.float32)

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the gradient at one end of a part times what h changes beside it."""
        # The sum over parts of (h_k+1 - h_k) (g_k + g_k+1) / 2, ordered by gradients: g_k is multiplied by half of
        # h_k+1 - h_k-1, at the first and the last end by half of the one change there is. So each evaluation stands
        # alone, and nothing of the size of a path of layer values is kept.
        at, last, site = jnp.asarray(self.shares), self.config.nodes, self.site

        def value(k: Array) -> Array:
            return site.value(case.model, point_of(case.context, at[jnp.clip(k, 0, last)]))

        here, gradient = site.read(case.model, point_of(case.context, at[case.index]), case.target)
        if self.config.quadrature == "mean":
            return gradient * (value(case.index + 1) - value(case.index - 1)) / 2
        return gradient * (value(case.index + 1) - here)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the conductances, and by how much their sum misses the difference of scores."""
        return case.context.shared(gathered, self.site)


@dataclass(frozen=True, kw_only=True)
class UnitConductance(ImagePath):
    """What of one unit's conductance each pixel brings about, (h, w, c): d score / d u times d u / d x, integrated.

    Cost: `nodes` (+ 1) times two forward and two backward passes per image.
    Source: Dhamdhere, Sundararajan, Yan 2018, section 2, equation 2, before the sum over pixels.
    """

    config: ConductanceConfig

    @property
    def rule(self) -> tuple[Nodes, Nodes]:
        """Where the integrand is taken, and its weights; a mean over parts of both ends is a trapezoid."""
        if self.config.quadrature == "mean":
            return rule_of("trapezoid", self.config.nodes + 1)
        # NeuronConductance takes another rule than LayerConductance: a trapezoid of weights that sum to 1 - 1/n.
        captum = self.config.quadrature == "captum"
        return rule_of("trapezoid" if captum else "riemann_left", self.config.nodes, "captum" if captum else "paper")

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return the weighted integrand at one node."""
        at, weights = map(jnp.asarray, self.rule)
        point = point_of(case.context, at[case.index])
        chosen = self.site.units(self.config.unit or (), case.model)
        _, gradient = self.site.read(case.model, point, case.target)
        _, back = jax.vjp(lambda image: self.site.value(case.model, image), point)
        return weights[case.index] * back(gradient * jnp.asarray(chosen))[0]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it times the change of the pixels."""
        return Heatmap(values=(case.context.end - case.context.start) * gathered)


@dataclass(frozen=True, kw_only=True)
class InternalInfluence(ImagePath):
    """The mean of d score / d h over the path of images, with the axes of the layer's value h.

    It is a gradient, not a share: multiplied by nothing, it sums to nothing. With a target inside the network and no
    layer it is the mean gradient of the unit at the image.

    Cost: `nodes` forward and backward passes per image.
    Source: Leino, Sen, Datta, Fredrikson, Li 2018, section 2, with the straight path as the distribution of interest.
    """

    config: InternalInfluenceConfig

    @classmethod
    def build(cls, config: InternalInfluenceConfig, model: Model) -> "InternalInfluence":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        used = zip(("quadrature", "nodes"), (config.quadrature, config.nodes), strict=True)
        notes = (("baseline", str(config.baseline)), *used, *site.gradient_notes())
        return cls(config=config, count=config.nodes, notes=notes, **site.fields())

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the weighted gradient at one node."""
        at, weights = map(jnp.asarray, rule_of(self.config.quadrature, self.config.nodes))
        point = point_of(case.context, at[case.index])
        return weights[case.index] * self.site.read(case.model, point, case.target)[1]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the mean."""
        return self.site.heatmap(gathered)
