"""A layer's values at sampled positions of a data set: the rows that dictionaries are learned from."""

from cnnviz_jax.engine.activations.sampling import Sampling, sampled
from cnnviz_jax.engine.activations.store import (
    ActivationPlan,
    ActivationStore,
    StoredAs,
    open_store,
    planned,
    write_store,
)

__all__ = [
    "ActivationPlan",
    "ActivationStore",
    "Sampling",
    "StoredAs",
    "open_store",
    "planned",
    "sampled",
    "write_store",
]
