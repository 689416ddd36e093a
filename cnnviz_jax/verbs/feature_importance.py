"""`cv.feature_importance`: what each feature of a dictionary has to do with a score."""

import dataclasses
from typing import Any

import numpy as np

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.engine import Progress, as_callable
from cnnviz_jax.engine.dictionary import shares_of
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.codes import code_layer
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.results.dictionary import Dictionary, FeatureImportance
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.verbs.outermost import verb


@verb
def feature_importance(
    model: Model,
    dictionary: Dictionary,
    images: Images,
    target: Any = None,
    *,
    layer: str | None = None,
    designs: int = 0,
    features: int = 16,
    progress: Progress | bool | None = None,
) -> FeatureImportance:
    """Return how much each feature of each image has to do with its score.

    By its gradient (code times slope, which with the shares of the offset and of what the features leave adds up to the
    score of a linear head), by its removal, and, where `designs` is given, by total Sobol indices.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        dictionary: From `cv.learn_dictionary` or `cv.load`.
        images: Images (n, h, w, c) in [0, 1].
        target: As for `cv.explain`; each image's top class when not given.
        layer: Where the dictionary's values are, for one that was learned from rows.
        designs: Rows of the Sobol design, a power of two such as 32; 0 for no such indices.
        features: How many features of an image get one: those of the largest gradient shares.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A subclass says which of image, target, layer or number does not fit, and what would.

    Cost: for each image one forward and one backward pass, one forward pass from the layer on for each feature, and
        `designs` x (`features` + 2) more.
    """
    require_model(model)
    if designs < 0 or designs == 1 or designs & (designs - 1) or features < 1:
        raise UsageError(f"designs is 0 or a power of two, features 1 or more; got {designs} and {features}")
    place = code_layer(dataclasses.replace(model, codes=()).layers, model.name, dictionary, layer=layer)
    images = np.asarray(check_images(images, model.input_shape))
    resolved = targets.resolve(target, model, images)
    found = shares_of(
        place, model, images, resolved,
        designs=designs, features=features, progress=as_callable(progress),
    )  # fmt: skip
    config = {"designs": designs, "features": features}
    provenance = Provenance.of("feature_importance", model, config, resolved, layer=place.layer)
    return FeatureImportance(
        layer=place.layer,
        scores=found.score,
        gradient=found.gradient,
        offset=found.offset,
        error=found.error,
        removal=found.removal,
        sobol=found.sobol if designs else None,
        provenance=provenance,
        warnings=model.warnings,
    )
