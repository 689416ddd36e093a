"""What is explained or maximised: a class, a unit, a channel, pixels, a similarity, any function of the outputs.

A target is a small pytree. Its numbers are leaves, so that one compiled program serves every class
and every channel; its words are structure. Whatever a target scores is a number per image.
"""

from cnnviz_jax.targets.classes import ClassScore, Unit, class_score
from cnnviz_jax.targets.custom import Custom, custom
from cnnviz_jax.targets.dense import Pixels, box, pixels
from cnnviz_jax.targets.resolving import as_target, resolve, resolve_layers
from cnnviz_jax.targets.similarity import Similarity, similarity
from cnnviz_jax.targets.target import Target
from cnnviz_jax.targets.units import Channel, Neuron, channel, neuron

__all__ = [
    "Channel",
    "ClassScore",
    "Custom",
    "Neuron",
    "Pixels",
    "Similarity",
    "Target",
    "Unit",
    "as_target",
    "box",
    "channel",
    "class_score",
    "custom",
    "neuron",
    "pixels",
    "resolve",
    "resolve_layers",
    "similarity",
]
