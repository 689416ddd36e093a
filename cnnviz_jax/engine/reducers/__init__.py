"""Reducers: facts about a data set of images, gathered in one pass and merged exactly in any order.

Batch size, order, number of devices, checkpoints and shards cannot change a bit of the result, so the same reducer runs
on one device (`survey`) and on many (`sweep`). README.md in this folder lists its moves and says how to write one.
"""

from cnnviz_jax.engine.reducers.counts import Confusion, FireCounts
from cnnviz_jax.engine.reducers.exact_sum import exact_limbs, exact_means, exact_totals, normalised
from cnnviz_jax.engine.reducers.histogram import LogHistogram, quantiles
from cnnviz_jax.engine.reducers.moments import Moments
from cnnviz_jax.engine.reducers.reducer import Batch, Reducer, Total
from cnnviz_jax.engine.reducers.together import derived_values, fields_of, layers_of, read_batch, update_all
from cnnviz_jax.engine.reducers.top_k import TopK

__all__ = [
    "Batch",
    "Confusion",
    "FireCounts",
    "LogHistogram",
    "Moments",
    "Reducer",
    "TopK",
    "Total",
    "derived_values",
    "exact_limbs",
    "exact_means",
    "exact_totals",
    "fields_of",
    "layers_of",
    "normalised",
    "quantiles",
    "read_batch",
    "update_all",
]
