"""The least change of an image that makes it another class: an attack on the network, not an explanation of it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import (
    Case,
    ClassScore,
    Iteration,
    Model,
    Provenance,
    Status,
    Synthesis,
    Target,
    TargetError,
    TargetWithInputs,
)
from cnnviz_plugins.synthesize.placement import IMAGE, need_image, with_own_axes
from cnnviz_plugins.synthesize.plugin import AdversarialConfig

_HALVINGS = 12


@dataclass(frozen=True, kw_only=True)
class Adversarial(Iteration):
    """Steps to where a linear model of the margin would reach zero, then the way back is halved until it is least.

    The margin is the target class's logit less the best other. Pixels of images stay in [0, 1]. Status `dead`
    means that the class was not reached in the steps allowed.

    Raises (when built):
        ImageError: There is no image.
        TargetError: The target is no class.

    Cost: steps forward and backward passes per image, and 13 forward passes.
    Source: Moosavi-Dezfooli, Fawzi, Frossard 2016, "DeepFool", section 3, towards one class only.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    overshoot: float
    shape: tuple[int, int, int]
    own: tuple[int, ...] | None = None
    """The axes of a series or volume; `None` of an image."""

    @classmethod
    def build(cls, config: AdversarialConfig, model: Model, target: Target) -> "Adversarial":
        """Return the iteration for `model`."""
        size = need_image(target, "adversarial")
        if not (isinstance(target, TargetWithInputs) and isinstance(target.inner, ClassScore)):
            raise TargetError("adversarial moves an image towards a class; say target= with a class index")
        said = "an adversarial change attacks the network; it does not show what the network looks for"
        shape = (*size, model.input_shape[2])
        space = model.structure.one_space
        own = None if space is None else tuple(space.shape)
        return cls(steps=config.steps, overshoot=config.overshoot, shape=shape, own=own, warnings=(said,))

    def prepare(self, model: Model, target: Target, exemplars: Any) -> tuple[Model, Target]:
        """Return the model at the images' size, and the target as a margin."""
        assert isinstance(target, TargetWithInputs)  # by `build`
        assert isinstance(target.inner, ClassScore)
        return model.at_size(*self.shape[:2]), replace(target, inner=replace(target.inner, of="margin"))

    def start(self, case: Case) -> dict[str, Any]:
        """Return the image."""
        return {"image": self._image(case.target), "moved": jnp.bool_(False)}

    def _image(self, target: Target) -> Float[Array, "h w c"]:
        return target.arrays[IMAGE]  # type: ignore[attr-defined]  # an Imaged

    def step(self, case: Case, state: dict[str, Any]) -> tuple[dict[str, Any], Float[Array, ""]]:
        """Return the image one step nearer to the class, or as it is once there, and the margin before."""
        margin, gradient = jax.value_and_grad(lambda image: case.model.score(image, case.target)[0])(state["image"])
        squares = jnp.square(gradient).sum()
        length = (1 + self.overshoot) * (jnp.abs(margin) + 1e-4) / jnp.maximum(squares, 1e-20)
        new = state["image"] + length * gradient
        new = jnp.clip(new, 0, 1) if self.own is None else new
        image = jnp.where((margin > 0) | (squares == 0), state["image"], new)
        return {"image": image, "moved": state["moved"] | (squares > 0)}, margin

    def snapshot(self, case: Case, state: dict[str, Any]) -> Float[Array, "1 h w c"]:
        """Return the image."""
        return state["image"][None]

    def finish(self, case: Case, state: dict[str, Any]) -> dict[str, Array]:
        """Return the nearest image of the class on the straight way to the one found."""
        image, found = self._image(case.target), state["image"]

        def margin(share: Array) -> Array:
            return case.model.score(image + share * (found - image), case.target)[0]

        low, high = jnp.float32(0), jnp.float32(1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = margin(middle) > 0
            low, high = jnp.where(inside, low, middle), jnp.where(inside, middle, high)
        share = jnp.where(margin(jnp.float32(0)) > 0, 0.0, high)
        raw = image + share * (found - image)
        return {"raw": raw, "reached": case.model.score(raw, case.target)[0], "moved": state["moved"], "image": image}

    def result(
        self,
        outcome: dict[str, Any],
        curves: Float[np.ndarray, "n steps ..."],
        frames: Float[np.ndarray, "n frames ..."] | None,
        provenance: Provenance,
        warnings: tuple[str, ...],
    ) -> Synthesis:
        """Return the changed images, with how much they were changed."""
        outcome = {name: with_own_axes(array, 1, self.shape, self.own) for name, array in outcome.items()}
        change = (outcome["raw"] - outcome["image"]).reshape(len(curves), -1)
        extras = {
            "image": outcome["image"],
            "change_l2": np.sqrt(np.square(change).sum(1)),
            "change_linf": np.abs(change).max(1),
        }
        extras |= {} if frames is None else {"frames": with_own_axes(frames[:, :, 0], 2, self.shape, self.own)}
        pairs = zip(outcome["moved"], outcome["reached"], strict=True)
        status = tuple(_status(bool(moved), float(margin)) for moved, margin in pairs)
        shown = np.nan_to_num(outcome["raw"])
        missed = [name for name, word in zip(provenance.targets, status, strict=True) if word != "ok"]
        said = (f"the class was not reached for {', '.join(missed[:5])}",) if missed else ()
        return Synthesis(
            images=np.clip(shown, 0, 1) if self.own is None else shown,
            raw=outcome["raw"],
            curves=curves,
            activation=outcome["reached"],
            extras=extras,
            status=status,
            provenance=provenance,
            warnings=(*warnings, *said),
        )


def _status(moved: bool, margin: float) -> Status:
    if not np.isfinite(margin):
        return "diverged"
    if margin > 0:
        return "ok"
    return "dead" if moved else "no_gradient"
