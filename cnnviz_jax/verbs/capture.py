"""`cv.capture`: the values of layers for images."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.compiling import in_batches
from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.model.spaces import own_axes


def capture(model: Model, images: Images, layers: Sequence[str]) -> dict[str, Float[np.ndarray, "n ..."]]:
    """Return the values of `layers` for every image, by the names asked for.

    Values are (n, h, w, c) or (n, c) whatever the model's own layout. What lies above the deepest
    layer is not run.

    Raises:
        LayerNotFoundError: A layer is not in the model; near matches are offered.
        ImageError: The images do not fit the model.

    Cost: one forward pass per image, up to the deepest layer.
    """
    require_model(model)
    if isinstance(layers, str):
        raise UsageError(f"layers is a list of names, got the string {layers!r}; write [{layers!r}]")
    images = check_images(images, model.input_shape, on_device=True, space=model.structure.space)
    names = {asked: model.layers.resolve(asked) for asked in layers}
    read = tuple(dict.fromkeys(names.values()))
    values = in_batches(partial(_read, read), (_read, read), (model,), images)
    space, nodes = model.structure.space, model.program.layers
    volumes = {name: nodes[name].volume if name in nodes else None for name in read}
    own = {name: own_axes(value, space, volumes[name]) for name, value in values.items()}
    return {asked: np.array(own[name]) for asked, name in names.items()}  # copies, which the caller may change


def _read(read: tuple[str, ...], model: Model, images: Float[Array, "n h w c"]) -> dict[str, Any]:
    return jax.vmap(lambda image: model.run(image, read=read, need_outputs=False)[1])(images)
