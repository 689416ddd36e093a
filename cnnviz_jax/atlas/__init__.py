"""Activation atlases: whitened directions, layouts in the plane and cells of it; plain functions on arrays."""

from cnnviz_jax.atlas.accentuating import accentuated, balance, relative_distance
from cnnviz_jax.atlas.cells import Cells, assigned, cell_means, cells_of
from cnnviz_jax.atlas.layout import Margins, normalised, principal_axes
from cnnviz_jax.atlas.whitening import Objective, alignment, whitening

__all__ = [
    "Cells",
    "Margins",
    "Objective",
    "accentuated",
    "alignment",
    "assigned",
    "balance",
    "cell_means",
    "cells_of",
    "normalised",
    "principal_axes",
    "relative_distance",
    "whitening",
]
