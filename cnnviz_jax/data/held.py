"""How inputs that are no images (vectors, series, volumes, several inputs) are held as images; light."""

from __future__ import annotations

from typing import Any, Protocol


class Held(Protocol):
    """How inputs that are no images are held as such: a `cnnviz_jax.model.spaces.Space`."""

    @property
    def shape(self) -> Any:
        """Of one input, or of each of several."""
        ...

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels as it is held."""
        ...

    @property
    def words(self) -> str:
        """What it is called."""
        ...

    def packed(self, inputs: Any) -> Any:
        """Return several inputs put together; others as they are."""
        ...

    def held(self, inputs: Any) -> Any:
        """Return inputs as images."""
        ...


def own_shape(input_shape: tuple[int, int, int], space: Held | None) -> tuple[int, ...]:
    """Return the axes of one input as the user has them: those of an image, or the space's."""
    return tuple(input_shape) if space is None else tuple(space.shape)
