"""What a fold finds out about images of a data set and one class: how concepts are put to the test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz_jax.plugin import Dataset, Fold, Model, keys_for, root_key, run_fold, targets


def examined(
    fold: Fold, model: Model, dataset: Dataset, ids: Sequence[int], target: int | str, *, seed: int = 0
) -> Any:
    """Return the fold's results for the images with these numbers.

    Args:
        fold: What one evaluation of one image is.
        model: The model.
        dataset: The images.
        ids: Their numbers.
        target: The class.
        seed: Of what is random; each image has a key of its own by its number.
    """
    images = np.stack([dataset.image(number) for number in ids])
    keys = keys_for(root_key(seed), ids)
    return run_fold(fold, model, images, targets.resolve(target, model, images), keys)[0]
