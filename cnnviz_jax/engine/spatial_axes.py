"""Whether a technique works on inputs of a model's kind: images, series, volumes, vectors, several inputs."""

from collections.abc import Sequence

from cnnviz_jax.errors import LayerKindError
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.several_inputs import SeveralInputs


def check_axes(name: str, axes: Sequence[int], model: Model, others: str) -> None:
    """Raise an error unless a technique takes what the model takes; images it always takes.

    Args:
        name: Of the technique.
        axes: How many spatial axes its inputs may have; 0 for several inputs.
        model: The model.
        others: What works on such inputs, for the message, such as `which exemplars takes`.

    Raises:
        LayerKindError: It does not.
    """
    space = model.structure.space
    if isinstance(space, SeveralInputs):
        if 0 not in axes:
            raise LayerKindError(
                f"{name} works on one input; {model.name} takes {space.words}. cv.explain explains each "
                "alone, and model.of_input(name, others) is a model of one"
            )
        return
    if space is not None and len(space.spatial) not in axes:
        takes = " or ".join(str(number) for number in axes if number)
        raise LayerKindError(
            f"{name} works on inputs of {takes} spatial axes; {model.name} takes {space.words} of "
            f"{len(space.spatial)}, {others}"
        )
