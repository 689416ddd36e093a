"""The activation family: feature maps."""

from typing import Literal

from cnnviz_jax.plugin import check_at_least, techniques_hook
from cnnviz_plugins.explain.declaring import explains


@explains(
    "feature-maps",
    ".feature_maps:FeatureMaps.build",
    "Yosinski et al. 2015, arXiv:1506.06579, section 2",
    in_report=True,
)
class FeatureMapsConfig:
    """What each channel of a layer answers to the image, and where."""

    layer: str | None = None
    """Layer whose maps are shown; the last one with more than one position when not given."""
    channels: tuple[int, ...] | None = None
    """Which channels, in this order; all when not given."""
    select: Literal["given", "strongest", "most_variable"] = "given"
    """`strongest`: by largest value, `most_variable`: by standard deviation over positions, per image, best first."""
    count: int | None = None
    """Only the first so many of them; all when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, count=self.count)


cnnviz_techniques = techniques_hook(__name__)
