"""The layers of a model: one row each, found by the name the framework gives it."""

import fnmatch
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from jaxtyping import Array, Float

from cnnviz_jax.errors import LayerNotFoundError, did_you_mean
from cnnviz_jax.program import Field

INPUT = "input"
"""The image itself, wherever a layer can be named; a layer of the model with that name goes first."""


@dataclass(frozen=True)
class Layer:
    """One row of the layer table."""

    name: str
    """The framework's own path, joined by dots."""
    kind: str
    """What it computes: conv, dense, norm, relu, max_pool, add, module, ..."""
    shape: tuple[int, ...]
    """Shape of its value for one image: (h, w, c) or (c,), whatever the model's own layout."""
    channels: int
    """Length of the channel axis."""
    receptive_field: Field | None
    """What each unit sees of the input."""
    axes: str
    """The layout inside the model, such as NHWC or NCHW."""
    params: tuple[str, ...] = ()
    """Paths of its kernel parameters."""
    kernel_shape: tuple[int, ...] | None = None
    """Shape of `kernel`, known without evaluating it."""
    _kernel: Callable[[], Array] | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def kernel(self) -> Float[Array, "..."] | None:
        """The kernel as (h, w, in, out), or (in, out) for a dense layer; `None` if the layer has none."""
        return None if self._kernel is None else self._kernel()

    @property
    def is_map(self) -> bool:
        """Whether the value has two spatial axes."""
        return len(self.shape) == 3


class LayerTable(Mapping[str, Layer]):
    """The layers of a model by name, in execution order; slashes are accepted for dots."""

    def __init__(
        self, layers: Mapping[str, Layer], aliases: Mapping[str, str], model: str, input_shape: tuple[int, int, int]
    ) -> None:
        self._layers, self._aliases, self._model = dict(layers), dict(aliases), model
        self._input = Layer(INPUT, "input", input_shape, input_shape[-1], None, "NHWC")

    def resolve(self, name: str) -> str:
        """Return the name as listed.

        Raises:
            LayerNotFoundError: No layer is called so; near matches are offered.
        """
        dotted = str(name).replace("/", ".")
        dotted = self._aliases.get(name, self._aliases.get(dotted, dotted))
        if dotted not in self._layers and dotted != INPUT:
            raise LayerNotFoundError(
                f"no layer {name!r} in {self._model}.{did_you_mean(dotted, self._layers)} "
                f"`model.layers` or `cnnviz layers` lists all {len(self._layers)}"
            )
        return dotted

    def matching(self, pattern: str) -> tuple[str, ...] | None:
        """Return the layers that `all`, or a pattern such as `relu*` or `conv1,block?.add`, names, in execution order.

        A word is a pattern where it has `*`, `?`, `[` or a comma and is no layer's name. `None` where it is one name.

        Raises:
            LayerNotFoundError: No layer fits.
        """
        if pattern in self:
            return None
        if pattern == "all":
            return tuple(self)
        parts = [part.strip() for part in pattern.split(",") if part.strip()]
        if len(parts) < 2 and not set("*?[") & set(pattern):
            return None
        found: set[str] = set()
        for part in parts:
            is_name = part in self or not set("*?[") & set(part)
            fit = [self.resolve(part)] if is_name else fnmatch.filter(self, part.replace("/", "."))
            if not fit:
                raise LayerNotFoundError(
                    f"no layer of {self._model} is called like {part!r}; `model.layers` or `cnnviz layers` lists all "
                    f"{len(self._layers)}"
                )
            found |= set(fit)
        return tuple(name for name in (*self, INPUT) if name in found)

    def __getitem__(self, name: str) -> Layer:
        resolved = self.resolve(name)
        return self._layers.get(resolved, self._input)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __contains__(self, name: object) -> bool:
        dotted = str(name).replace("/", ".")
        return dotted in self._layers or dotted in self._aliases

    def __repr__(self) -> str:
        return f"LayerTable({len(self)} layers of {self._model}: {', '.join(list(self)[:4])}, ...)"
