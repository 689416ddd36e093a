"""A model and a target, where one class is all that is asked for."""

from typing import Any

from cnnviz_jax.model.model import Model


def of_one_class(model: Model, target: Any) -> tuple[Model, Any]:
    """Return the model that computes a target's one class alone, and what scores it; see `Structure.of_target`.

    Both are as they were where nothing is gained. Layers keep the names that modules give them.

    Args:
        model: The model.
        target: A target; `None` for the outputs.

    Cost: the first time a trace, where something is gained.
    """
    found = None if target is None else model.structure.of_target(model.params, target)
    return (model, target) if found is None else (Model(found[0], found[1]), found[2])
