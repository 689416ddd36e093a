"""Networks compared: plain functions on arrays of activations, logits and weights.

Rows are images, in the same order on both sides. `cv.diff` computes all of it for two networks; what it needs of one
pass over many images stands in `streaming`.
"""

from cnnviz_jax.similarity.alignment import (
    Form,
    cka,
    cka_table,
    participation_ratio,
    without_outliers,
)
from cnnviz_jax.similarity.answers import Flips, churn, divergence, flips, most_changed, softmax
from cnnviz_jax.similarity.canonical import CanonicalCorrelations, svcca
from cnnviz_jax.similarity.changed import Change, change, pruned, quantised
from cnnviz_jax.similarity.dissimilarity import dissimilarities, rsa, rsa_interval
from cnnviz_jax.similarity.drifting import LayerDrift, drift
from cnnviz_jax.similarity.heat import map_distance
from cnnviz_jax.similarity.independence import hsic1
from cnnviz_jax.similarity.matching import UnitMatching, chance_correlation, match_units
from cnnviz_jax.similarity.minibatches import MinibatchSums
from cnnviz_jax.similarity.orthogonal import procrustes
from cnnviz_jax.similarity.paths import PathSimilarity, path_similarity
from cnnviz_jax.similarity.prediction import concept_correlations, lasso, predicted_concepts
from cnnviz_jax.similarity.reliability import Calibration, calibration
from cnnviz_jax.similarity.rows import as_rows
from cnnviz_jax.similarity.streaming import PairSums, merged

__all__ = [
    "Calibration",
    "CanonicalCorrelations",
    "Change",
    "Flips",
    "Form",
    "LayerDrift",
    "MinibatchSums",
    "PairSums",
    "PathSimilarity",
    "UnitMatching",
    "as_rows",
    "calibration",
    "chance_correlation",
    "change",
    "churn",
    "cka",
    "cka_table",
    "concept_correlations",
    "dissimilarities",
    "divergence",
    "drift",
    "flips",
    "hsic1",
    "lasso",
    "map_distance",
    "match_units",
    "merged",
    "most_changed",
    "participation_ratio",
    "path_similarity",
    "predicted_concepts",
    "procrustes",
    "pruned",
    "quantised",
    "rsa",
    "rsa_interval",
    "softmax",
    "svcca",
    "without_outliers",
]
