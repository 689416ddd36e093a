"""A model that takes a constant off its images first."""

from cnnviz_jax.model.model import Model
from cnnviz_jax.model.structure import in_precision, structure_of


def shifted_model(model: Model, shift: float) -> Model:
    """Return the model that computes of image + `shift` what `model` computes of the image.

    `shift` joins the mean that the model subtracts, so that what the network is given is the same, padding included.

    Args:
        model: The model.
        shift: Added to every value of the images that the new model is to be given.

    Cost: one trace.
    """
    old = model.structure
    made = structure_of(old.given(mean=tuple(value + shift for value in old.mean)), model.params)
    return Model(model.params, in_precision(made, old.precision, model.params))
