"""How evaluations are run: many at once, in chunks that fit memory, one compiled shape, with progress.

A technique is a `Fold` (independent evaluations of one image, gathered) or an `Iteration` (a state
stepped for one target). It is written for one image or one target; batches, chunks, keys, progress
and memory are the engine's.
"""

from cnnviz_jax.compiling import compilations, compiled
from cnnviz_jax.engine.chunk_planning import Chunk
from cnnviz_jax.engine.fold import Fold, WholeImage
from cnnviz_jax.engine.fold_run import run_fold
from cnnviz_jax.engine.iteration import Iteration, run_iteration
from cnnviz_jax.engine.keys import image_ids, key_of, key_text, keys_for, root_key, word_id
from cnnviz_jax.engine.preview import preview
from cnnviz_jax.engine.progress import stage
from cnnviz_jax.engine.sampling import SampledMean
from cnnviz_jax.progress.bars import Progress, as_callable, silent

__all__ = [
    "Chunk",
    "Fold",
    "Iteration",
    "Progress",
    "SampledMean",
    "WholeImage",
    "as_callable",
    "compilations",
    "compiled",
    "image_ids",
    "key_of",
    "key_text",
    "keys_for",
    "preview",
    "root_key",
    "run_fold",
    "run_iteration",
    "silent",
    "stage",
    "word_id",
]
