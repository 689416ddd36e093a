"""What is explained or maximised: a class, a unit, a channel, pixels, a similarity, a direction, a whole layer, sums.

A target is a small pytree. Its numbers are leaves, so that one compiled program serves every class
and every channel; its words are structure. Whatever a target scores is a number per image. Targets can be added,
subtracted and multiplied by numbers: `a + 3 * b - 5 * c` scores exactly that.
"""

from cnnviz_jax.targets.classes import ClassScore, Unit, class_score
from cnnviz_jax.targets.combining import TargetWithInputs, count_of, group_scores, mapped, resolved_layers, terms_of
from cnnviz_jax.targets.custom import Custom, custom
from cnnviz_jax.targets.dense import Pixels, Segment, box, pixels, segment
from cnnviz_jax.targets.detection import Detection, Proposals, detection
from cnnviz_jax.targets.features import Feature, feature
from cnnviz_jax.targets.layers import Direction, Diversity, InnerChannel, WholeLayer, direction, diversity, whole_layer
from cnnviz_jax.targets.resolving import as_target, resolve, resolve_layers, top_classes
from cnnviz_jax.targets.similarity import Similarity, similarity
from cnnviz_jax.targets.target import LayerTarget, Target, WeightedSum, weighted
from cnnviz_jax.targets.units import Channel, Neuron, channel, neuron

__all__ = [
    "Channel",
    "ClassScore",
    "Custom",
    "Detection",
    "Direction",
    "Diversity",
    "Feature",
    "InnerChannel",
    "LayerTarget",
    "Neuron",
    "Pixels",
    "Proposals",
    "Segment",
    "Similarity",
    "Target",
    "TargetWithInputs",
    "Unit",
    "WeightedSum",
    "WholeLayer",
    "as_target",
    "box",
    "channel",
    "class_score",
    "count_of",
    "custom",
    "detection",
    "direction",
    "diversity",
    "feature",
    "group_scores",
    "mapped",
    "neuron",
    "pixels",
    "resolve",
    "resolve_layers",
    "resolved_layers",
    "segment",
    "similarity",
    "terms_of",
    "top_classes",
    "weighted",
    "whole_layer",
]
