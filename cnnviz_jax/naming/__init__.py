"""Units named: plain functions on arrays, one number per image and unit, against labels, masks and embeddings.

`cv.name_units` computes the numbers, chooses names on one half of the images, verifies them on the other, and refuses
those that chance would give.
"""

from cnnviz_jax.naming.embeddings import Measure, cosines, text_scores
from cnnviz_jax.naming.formulas import Formula, best_formulas, mann_whitney_p
from cnnviz_jax.naming.scores import SOUND, Score, cut_of, score
from cnnviz_jax.naming.soundness import falls, with_as_many_more, without_half

__all__ = [
    "SOUND",
    "Formula",
    "Measure",
    "Score",
    "best_formulas",
    "cosines",
    "cut_of",
    "falls",
    "mann_whitney_p",
    "score",
    "text_scores",
    "with_as_many_more",
    "without_half",
]
