"""What is explained or maximised: a class score, a neuron, a channel, any function of the outputs.

A target is a small pytree. Its numbers are leaves, so that one compiled program serves every class
and every channel; its words are structure. Whatever a target scores is a number per image.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import TargetError
from cnnviz_jax.results import static

if TYPE_CHECKING:
    from cnnviz_jax.model import Model

Unit = Literal["logit", "probability", "log_probability", "margin"]


class Target:
    """Scores one image from the model's outputs and from the layers it asks for.

    Subclass as a frozen dataclass registered with `jax.tree_util.register_dataclass`.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that `score` reads."""
        return ()

    @property
    def needs_outputs(self) -> bool:
        """Whether `score` reads the model's outputs; if not, only the program below `layers` runs."""
        return True

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the score of one image from its outputs and its layer values (canonical axes: h w c)."""
        raise TypeError(f"{type(self).__name__} defines no score")

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if `model` cannot be scored so."""

    def batched(self, count: int) -> Self:
        """Return this target with one value per image in every leaf."""

        def spread(leaf: Any) -> Array:
            leaf = jnp.asarray(leaf)
            if leaf.ndim == 0:
                return jnp.broadcast_to(leaf, (count,))
            if leaf.shape[0] != count:
                raise TargetError(f"the target names {leaf.shape[0]} values for {count} pictures; give one for each")
            return leaf

        return jax.tree.map(spread, self)

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return one text per image (call on a batched target)."""
        leaves = jax.tree.leaves(self)
        count = len(leaves[0]) if leaves else 1
        return (type(self).__name__,) * count


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ClassScore(Target):
    """The score of one class.

    `logit` is the score itself; `probability` and `log_probability` go through a softmax over classes;
    `margin` is the logit less the best other logit.
    """

    index: Int[Array, "*n"] | int
    of: Unit = static(default="logit")

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the class's score; `outputs` are the logits, classes last, averaged over any map axes."""
        logits = jnp.asarray(outputs, jnp.float32)
        logits = logits.reshape(-1, logits.shape[-1]).mean(0)
        if self.of == "probability":
            logits = jax.nn.softmax(logits)
        elif self.of == "log_probability":
            logits = jax.nn.log_softmax(logits)
        chosen = logits[self.index]
        if self.of == "margin":
            chosen = chosen - jnp.where(jnp.arange(logits.shape[-1]) == self.index, -jnp.inf, logits).max()
        return chosen

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if an index is not a class of the model, or the outputs are no class scores."""
        if self.of not in ("logit", "probability", "log_probability", "margin"):
            raise TargetError(f"no class score called {self.of!r}; logit, probability, log_probability, margin exist")
        classes = model.class_count
        index = np.atleast_1d(np.asarray(self.index))
        if not np.issubdtype(index.dtype, np.integer):
            raise TargetError(f"a class index is a whole number, got {self.index!r}")
        bad = index[(index < 0) | (index >= classes)]
        if bad.size:
            raise TargetError(f"class {int(bad[0])} is out of range: {model.name} has classes 0 to {classes - 1}")

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return texts such as `243 bull mastiff` or `probability of 3 star`."""
        before = "" if self.of == "logit" else self.of.replace("_", " ") + " of "
        return tuple(before + model.class_name(int(i)) for i in np.atleast_1d(np.asarray(self.index)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Neuron(Target):
    """The activation of one unit: layer, position, channel; for layers without a map, `row` and `col` are 0."""

    layer: str = static()
    channel: Int[Array, "*n"] | int
    row: Int[Array, "*n"] | int = 0
    col: Int[Array, "*n"] | int = 0

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer it reads."""
        return (self.layer,)

    @property
    def needs_outputs(self) -> bool:
        """Never: only the program below the layer runs."""
        return False

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the unit's value."""
        value = taps[self.layer]
        return value[self.row, self.col, self.channel] if value.ndim == 3 else value.reshape(-1)[self.channel]

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if the position or channel is outside the layer."""
        shape = model.layers[self.layer].shape
        parts = [("channel", self.channel, shape[-1])]
        if len(shape) == 3:
            parts += [("row", self.row, shape[0]), ("col", self.col, shape[1])]
        for word, value, size in parts:
            if np.any(np.asarray(value) < 0) or np.any(np.asarray(value) >= size):
                raise TargetError(f"{word} {value} is out of range: layer {self.layer!r} has {word}s 0 to {size - 1}")

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return texts such as `conv3[4, 5, 17]`."""
        channel, row, col = np.broadcast_arrays(*map(np.atleast_1d, map(np.asarray, (self.channel, self.row, self.col))))
        return tuple(f"{self.layer}[{r}, {c}, {k}]" for k, r, c in zip(channel, row, col, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Channel(Target):
    """The mean activation of one channel over all positions of a layer."""

    layer: str = static()
    channel: Int[Array, "*n"] | int

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer it reads."""
        return (self.layer,)

    @property
    def needs_outputs(self) -> bool:
        """Never: only the program below the layer runs."""
        return False

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of the channel's map."""
        value = taps[self.layer]
        return value.reshape(-1, value.shape[-1]).mean(0)[self.channel]

    def check(self, model: "Model") -> None:
        """Raise `TargetError` if the layer has no such channel."""
        size = model.layers[self.layer].channels
        index = np.atleast_1d(np.asarray(self.channel))
        if bad := [int(i) for i in index if not 0 <= i < size]:
            raise TargetError(f"channel {bad[0]} is out of range: layer {self.layer!r} has channels 0 to {size - 1}")

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return texts such as `conv3 channel 17`."""
        return tuple(f"{self.layer} channel {int(i)}" for i in np.atleast_1d(np.asarray(self.channel)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Custom(Target):
    """Any traceable function of one image's outputs to a number."""

    function: Callable[[Any], Float[Array, ""]] = static()
    name: str = static(default="custom score")
    _count: Int[Array, "*n"] | int = 0

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return `function(outputs)`."""
        return jnp.asarray(self.function(outputs), jnp.float32).reshape(())

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return the function's name for every image."""
        return (self.name,) * np.atleast_1d(np.asarray(self._count)).size


def class_score(index: int | Sequence[int], of: Unit = "logit") -> ClassScore:
    """Return the target "score of class `index`", one index or one per image."""
    return ClassScore(jnp.asarray(index), of)


def neuron(layer: str, row: int, col: int, channel: int) -> Neuron:
    """Return the target "activation of the unit at (row, col) of one channel"."""
    return Neuron(layer=layer, channel=channel, row=row, col=col)


def channel(layer: str, channel: int | Sequence[int]) -> Channel:
    """Return the target "mean activation of a channel", one index or one per image."""
    return Channel(layer=layer, channel=jnp.asarray(channel))


def custom(function: Callable[[Any], Float[Array, ""]], name: str | None = None) -> Custom:
    """Return the target "whatever `function` makes of one image's outputs"."""
    return Custom(function=function, name=name or getattr(function, "__name__", "custom score"))


def resolve(target: Any, model: "Model", images: Float[Array | np.ndarray, "n h w c"]) -> Target:
    """Return `target` as a batched `Target`: `None` is each picture's top class, numbers are class indices.

    Raises:
        TargetError: The target does not fit the model or the number of pictures.
    """
    if target is None:
        logits = np.asarray(model(images))
        resolved: Target = ClassScore(jnp.asarray(logits.reshape(len(logits), -1, logits.shape[-1]).mean(1).argmax(-1)))
    elif isinstance(target, Target):
        resolved = target
    elif callable(target):
        resolved = custom(target)
    else:
        try:
            resolved = ClassScore(np.asarray(target))
        except (TypeError, ValueError) as error:
            raise TargetError(f"a target is a class index, one per picture, or one of cv.targets; got {target!r}") from error
    return settle(resolved, model).batched(len(images))


def settle(target: Target, model: "Model") -> Target:
    """Return `target` with its layer's name as listed, after checking that it fits `model`."""
    layer = getattr(target, "layer", None)
    if layer is not None:
        target = dataclasses.replace(target, layer=model.layers.resolve(layer))  # type: ignore[type-var]
    target.check(model)
    return target
