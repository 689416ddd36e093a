"""Where a change acts: one network run on from another's value at each layer, and how many answers still differ."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.compiling import compiled
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.engine import Chunk, Progress
from cnnviz_jax.engine.chunk_planning import fitting
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model


def swap_churn(
    a: Model,
    b: Model,
    dataset: Dataset,
    layers: tuple[str, ...],
    *,
    batch: Chunk,
    memory_budget: int | None,
    progress: Progress,
) -> Float[np.ndarray, " layers"]:
    """Return the share of images whose best class differs between `a` and `b` with the value of `a` at each layer.

    Behind the last layer that changed it is 0: what follows is the same in both.

    Args:
        a: The network whose values are put in.
        b: The network that runs on.
        dataset: The images.
        layers: Layers of one name and shape in both.
        batch: Images at once.
        memory_budget: Bytes the compiled program may need.
        progress: Called as `progress(done, total, "swaps")`.

    Raises:
        UsageError: The networks have no layer in common, or do not score the same classes.

    Cost: per image one forward pass of `a`, and one of `b` from each layer on.
    """
    if not layers or a.class_count != b.class_count:
        raise UsageError(
            f"swap=True puts values of {a.name} into layers of {b.name} of the same name and shape and compares "
            f"answers; they share {len(layers)} layers and score {a.class_count} and {b.class_count} classes"
        )

    def step(models: tuple[Model, Model], images: Array) -> Any:
        one, other = models

        def answers(image: Array) -> Array:
            logits, values = one.run(image, read=layers)
            ends = [other.run(image, replace={name: values[name]})[0] for name in layers]
            return jnp.stack([each.argmax(-1) for each in (logits, *ends)])

        return jax.vmap(answers)(in_unit_range(images))

    def compile_for(size: int) -> Any:
        images = jax.ShapeDtypeStruct((size, *a.input_shape), dataset.image_dtype)
        return compiled(step, ("swap", layers), ((a, b), images))

    size, program = fitting(compile_for, batch, len(dataset), memory_budget)
    differs, count = np.zeros(len(layers)), 0
    for part in dataset.batches(size, a.input_shape, ("label",)):
        best = np.asarray(program((a, b), part.images))[part.valid]
        best = best.reshape(len(best), len(layers) + 1, -1)
        differs += (best[:, 1:] != best[:, :1]).mean(2).sum(0)
        count += len(best)
        progress(min(count, len(dataset)), len(dataset), "swaps")
    return differs / max(count, 1)
