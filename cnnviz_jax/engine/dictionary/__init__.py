"""Learning a dictionary: what a plugin's learner is handed and returns, and how good what it learned is."""

from cnnviz_jax.engine.dictionary.fitting import Fitted, Learner, LearnerCase
from cnnviz_jax.engine.dictionary.importance import shares_of
from cnnviz_jax.engine.dictionary.measures import coherence, explained, measured, stability
from cnnviz_jax.engine.dictionary.network import network_with

__all__ = [
    "Fitted",
    "Learner",
    "LearnerCase",
    "coherence",
    "explained",
    "measured",
    "network_with",
    "shares_of",
    "stability",
]
