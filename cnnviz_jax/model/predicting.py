"""What a classifier says of images, in words: its best classes with their scores."""

import numpy as np

from cnnviz_jax.data.given import Images
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.attribution import Prediction


def predictions(model: Model, images: Images, k: int = 5) -> tuple[Prediction, ...]:
    """Return one `Prediction` per image: its `k` best classes, best first.

    Args:
        model: A classifier.
        images: Images in [0, 1].
        k: How many classes; at most all.
    """
    logits = np.asarray(model(images), np.float64)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    probability = shifted / shifted.sum(-1, keepdims=True)
    order = np.argsort(-logits, axis=-1, kind="stable")[:, :k]
    return tuple(
        Prediction(
            classes=best.astype(np.int32),
            scores=row[best].astype(np.float32),
            probabilities=share[best].astype(np.float32),
            labels=tuple(model.class_name(int(i)) for i in best),
        )
        for best, row, share in zip(order, logits, probability, strict=True)
    )
