"""Gradient ascent on an image: the iteration that all synthesis techniques of this family are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import (
    Case,
    Channel,
    Iteration,
    Model,
    Neuron,
    Provenance,
    Status,
    Synthesis,
    Target,
    TargetWithInputs,
    UsageError,
    group_scores,
    in_few,
    terms_of,
)
from cnnviz_plugins.synthesize.activations import tapped
from cnnviz_plugins.synthesize.maco import SPECTRUM, MacoPhase, mean_spectrum
from cnnviz_plugins.synthesize.other_axes import fitted
from cnnviz_plugins.synthesize.placement import (
    IMAGE,
    Placement,
    as_image,
    image_size,
    place,
    placement_of,
    with_own_axes,
)
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.transforms import viewed

_LEAK = 0.3


@dataclass(frozen=True, kw_only=True)
class Ascent(Iteration):
    """An image, or a group of them, stepped towards a higher score of random views, by a recipe.

    Status of each image: `diverged` if it or its score is not finite; `no_gradient` if the gradient was zero at
    every step; `ok` if it is the image of a unit or channel that is above 0 somewhere, or of any other target. A unit
    that is nowhere above 0 is `dead` if its ascent had come to rest there, and `not_reached` if it might have gone on.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    recipe: Recipe
    placement: Placement
    shape: tuple[int, ...]
    """Height, width and channels; a series' or a volume's own axes with channels."""
    mean: tuple[float, ...]
    """The colour that the model subtracts, in [0, 1]; mid-grey where it subtracts none."""
    copies: int = 1
    """Images made together for each target."""
    warmup: int = 0
    """First steps during which ReLUs leak, less with every step."""
    own: tuple[int, ...] | None = None
    """The user's axes of a series, volume or vector, whose channel is an axis of the work alone; `None` of an image."""
    starts_at_image: bool = False
    """Whether the target's own image is the start."""

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        model: Model,
        target: Target,
        *,
        size: tuple[int, int] | None = None,
        margin: int | None = None,
        warmup: int | None = None,
        copies: int = 1,
        notes: tuple[tuple[str, Any], ...] = (),
        **fields: Any,
    ) -> Self:
        """Return an ascent with tap, size and warm-up decided.

        Args:
            recipe: Everything about the ascent.
            model: At its own size.
            target: Batched.
            size: Height and width; `None` for a neuron's field, the image's size or the recipe's own.
            margin: Pixels around a neuron's field; `None` for as far as views wander.
            warmup: Steps with leaking ReLUs; `None` for an eighth where a ReLU cannot be gone round, else none.
            copies: Images made together for each target.
            notes: Further facts for the provenance.
            **fields: Further fields of the class.
        """
        read, layers, closed = tapped(model, target, recipe.tap, recipe.border)
        recipe, limited = fitted(recipe, model, target)
        margin = recipe.reach_px if margin is None else margin
        is_of_model = model.structure.one_space is not None and recipe.size is None
        usual = model.input_shape[:2] if is_of_model else recipe.size_for(model.input_shape)
        placement = placement_of(model, read, size=size, usual=usual, margin=margin)
        rectified = any(operation.kind == "relu" for operation in model.program.operations)
        if warmup and not rectified:
            raise UsageError(f"warmup makes ReLUs leak, and {model.name} has none")
        if warmup is None:
            warmup = max(1, recipe.steps // 8) if closed and rectified else 0
        facts: list[tuple[str, Any]] = [*notes, ("placement", placement.size), ("tap", layers)]
        facts += [("offsets", placement.offsets)] if placement.offsets is not None else []
        facts += [("warmup_steps", warmup)] if warmup else []
        return cls(
            recipe=recipe,
            placement=placement,
            shape=(*placement.size, model.input_shape[2]),
            own=None if model.structure.one_space is None else tuple(model.structure.one_space.shape),
            mean=mean_colour(model),
            steps=recipe.steps,
            copies=copies,
            warmup=warmup,
            layer=target.layers[0] if target.layers else None,
            notes=tuple(facts),
            warnings=(*placement.warnings, *limited),
            **{"starts_at_image": image_size(target) is not None, **fields},
        )

    def prepare(
        self, model: Model, target: Target, exemplars: Float[np.ndarray, "n h w c"] | None
    ) -> tuple[Model, Target]:
        """Return the model at the image's size and the target there, with the exemplars' spectrum where wanted."""
        sized, moved = place(model, self.compared(model, target), self.placement)
        if exemplars is not None and isinstance(self.recipe.parametrization, MacoPhase):
            spectrum = mean_spectrum(np.asarray(exemplars), *self.shape[:2])
            given = moved if isinstance(moved, TargetWithInputs) else TargetWithInputs(moved, {})
            count = len(jax.tree.leaves(moved)[0])
            each = jnp.broadcast_to(jnp.asarray(spectrum), (count, *spectrum.shape))
            moved = replace(given, arrays={**given.arrays, SPECTRUM: each})
        return sized, moved

    def compared(self, model: Model, target: Target) -> Target:
        """Return the target as it is read, so that a data set's maximum is that of the same values."""
        return tapped(model, target, self.recipe.tap, self.recipe.border)[0]

    def given(self, target: Target) -> dict[str, Array]:
        """Return the arrays that go with a target."""
        own = target.arrays if isinstance(target, TargetWithInputs) else {}
        if IMAGE in own and len(self.shape) != 3:
            own = {**own, IMAGE: own[IMAGE].reshape(self.shape)}
        return {"mean": jnp.asarray(self.mean, jnp.float32), **own}

    def context(self, case: Case, given: Mapping[str, Array]) -> Any:
        """Return what the objective needs of the target's own image; computed once, before the first step."""
        return ()

    def scores(self, case: Case, outputs: Any, activations: dict[str, Array]) -> Float[Array, " k"]:
        """Return what is maximised, for each image of a group, from the model's values for one view of each."""
        return group_scores(case.target, outputs, activations, self.copies)

    def taken(self, case: Case, images: Float[Array, "k *axes c"]) -> Float[Array, " k"]:
        """Return what is taken from the score of each image: the recipe's penalties."""
        each = (penalty.weight * jax.vmap(penalty.penalty)(images) for penalty in self.recipe.penalties)
        return sum(each, jnp.zeros(self.copies))

    def start(self, case: Case) -> dict[str, Any]:
        """Return the first parameters, the optimiser's state and an empty record."""
        given, form = self.given(case.target), self.recipe.parametrization

        def one(number: Int[Array, ""]) -> Any:
            if self.starts_at_image:
                return form.parameters(given[IMAGE])
            own = case.key if self.copies == 1 else jax.random.fold_in(case.key, number)
            return form.start(self.shape, own, given)

        parameters = jax.vmap(one)(jnp.arange(self.copies))
        state = {
            "parameters": parameters,
            "moments": jax.vmap(self.recipe.update.transformation().init)(parameters),
            "moved": jnp.zeros(self.copies, bool),
            "best": jnp.zeros((self.copies, *self.shape)),
            "best_score": jnp.full(self.copies, -jnp.inf),
            "context": self.context(case, given),
        }
        return state | ({"transparency": jnp.zeros((self.copies, *self.shape))} if self.recipe.transparency else {})

    def read(self, case: Case, image: Array, rules: Any = None) -> tuple[Any, dict[str, Array]]:
        """Return the model's outputs, if the target needs them, and the values of its layers."""
        target = case.target
        return case.model.run(
            as_image(image, case.model), read=target.layers, rules=rules, need_outputs=target.needs_outputs
        )

    def progress(self, case: Case) -> Float[Array, ""]:
        """Return how far the ascent is, from 0 at the first step to 1 at the last."""
        return case.index.astype(jnp.float32) / max(self.steps - 1, 1)

    def step(self, case: Case, state: dict[str, Any]) -> tuple[dict[str, Any], Float[Array, "..."]]:
        """Return the state one step on, and the objective of each image before it."""
        recipe, given = self.recipe, self.given(case.target)
        case = replace(case, context=state["context"])

        def total(parameters: Any, delta: Array) -> tuple[Array, tuple[Array, Array]]:
            images = jax.vmap(lambda p: recipe.parametrization.image(p, self.shape, given))(parameters) + delta
            scores = self._of_views(case, images)
            return (scores - self.taken(case, images)).sum(), (scores, images)

        zero = jnp.zeros((self.copies, *self.shape))
        if recipe.transparency:
            (gradient, seen), (scores, images) = jax.grad(total, (0, 1), has_aux=True)(state["parameters"], zero)
            state = state | {"transparency": state["transparency"] + jnp.abs(seen)}
        else:
            gradient, (scores, images) = jax.grad(total, has_aux=True)(state["parameters"], zero)
        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers and multiplies them
            climb = jax.vmap(recipe.update.transformation().update)
            update, moments = climb(gradient, state["moments"], state["parameters"])
        parameters = optax.apply_updates(state["parameters"], update)
        for each in recipe.constraints:
            parameters = jax.vmap(lambda p, g, each=each: each.constrained(p, g, case.index, given["mean"]))(
                parameters, gradient
            )
        better = (scores > state["best_score"]) & (case.index >= self.warmup)
        moved = jnp.stack([jnp.any(leaf != 0, axis=tuple(range(1, leaf.ndim))) for leaf in jax.tree.leaves(gradient)])
        new = state | {
            "parameters": parameters,
            "moments": moments,
            "moved": state["moved"] | moved.any(0),
            "best": jnp.where(along(better, images), images, state["best"]),
            "best_score": jnp.where(better, scores, state["best_score"]),
        }
        return new, scores if self.copies > 1 else scores[0]

    def _leaking(self, index: Int[Array, ""]) -> dict[str, Any] | None:
        """ReLUs that leak in the first steps, so that a closed one can be opened."""
        if not self.warmup:
            return None
        slope = _LEAK * jnp.maximum(0.0, 1 - index.astype(jnp.float32) / self.warmup)
        return {"relu": lambda x: jnp.where(x > 0, x, slope.astype(x.dtype) * x)}

    def _of_views(self, case: Case, images: Array) -> Float[Array, " k"]:
        views, alone = self.recipe.views, self.recipe.views * self.copies == 1
        rules, progress = self._leaking(case.index), self.progress(case)

        def of_view(number: Int[Array, ""]) -> Array:
            places = number * self.copies + jnp.arange(self.copies)
            keys = case.key[None] if alone else jax.vmap(lambda i: jax.random.fold_in(case.key, i))(places)
            seen = jax.vmap(lambda image, k: viewed(image, self.recipe.transforms, k, progress))(images, keys)
            return self.scores(case, *jax.vmap(lambda image: self.read(case, image, rules))(seen))

        return jax.vmap(of_view)(jnp.arange(views)).mean(0)

    def _plain(self, case: Case, images: Array) -> tuple[Array, Array]:
        """The scores of the images as they are, and how high the unit gets anywhere."""
        outputs, activations = jax.vmap(lambda image: self.read(case, image))(images)
        return self.scores(case, outputs, activations), _peak(case.target, activations, self.copies)

    def snapshot(self, case: Case, state: dict[str, Any]) -> Float[Array, "k *sides c"]:
        """Return the images as shown, in the middle of the ascent."""
        given, form = self.given(case.target), self.recipe.parametrization
        return jax.vmap(lambda p: self.recipe.display.shown(form.image(p, self.shape, given)))(state["parameters"])

    def finish(self, case: Case, state: dict[str, Any]) -> dict[str, Array]:
        """Return the images, as they are and as shown, with what they reach."""
        case = replace(case, context=state["context"])
        given, form = self.given(case.target), self.recipe.parametrization
        last = jax.vmap(lambda p: form.image(p, self.shape, given))(state["parameters"])
        # One traced pass for both: a second would be compiled again.
        both = jax.vmap(lambda images: self._plain(case, images))(jnp.stack([last, state["best"]]))
        (reached, best_reached), (peak, best_peak) = both
        is_best = (best_reached > reached) & jnp.isfinite(state["best_score"])
        best = jnp.where(along(is_best, last), state["best"], last)
        best_reached = jnp.where(is_best, best_reached, reached)
        best_peak = jnp.where(is_best, best_peak, peak)
        raw, value, top = (best, best_reached, best_peak) if self.recipe.keep == "best" else (last, reached, peak)
        found = {
            "raw": raw, "shown": jax.vmap(self.recipe.display.shown)(raw), "reached": value, "peak": top,
            "moved": state["moved"], "best": best, "best_reached": best_reached,
        }  # fmt: skip
        return found | ({"transparency": state["transparency"]} if self.recipe.transparency else {})

    def result(
        self,
        outcome: dict[str, Any],
        curves: Float[np.ndarray, "n steps ..."],
        frames: Float[np.ndarray, "n frames ..."] | None,
        provenance: Provenance,
        warnings: tuple[str, ...],
    ) -> Synthesis:
        """Return the images with a status each; the images of a group follow each other."""
        outcome = {name: array.reshape(-1, *array.shape[2:]) for name, array in outcome.items()}  # n*k ...
        outcome = {name: with_own_axes(array, 1, self.shape, self.own) for name, array in outcome.items()}
        if self.copies > 1:
            curves = np.moveaxis(curves, 2, 1).reshape(-1, self.steps)
            words = (f"{t} ({i + 1} of {self.copies})" for t in provenance.targets for i in range(self.copies))
            provenance = replace(provenance, targets=tuple(words))
        raw, reached = outcome["raw"], outcome["reached"]
        finite = np.isfinite(raw).reshape(len(raw), -1).all(1) & np.isfinite(reached) & np.isfinite(curves).all(1)
        fired = (outcome["peak"] > 0) | (np.isinf(outcome["peak"]))
        each = zip(outcome["moved"], finite, fired, _at_rest(curves), strict=True)
        status = tuple(_status(*map(bool, of_one)) for of_one in each)
        flat = finite & outcome["moved"] & (np.nanmax(curves, 1) <= curves[:, 0])
        silent = _some(provenance.targets, np.asarray([word != "ok" for word in status]))
        fell = _some(provenance.targets, flat)
        found = [f"no image to believe for {silent}"] if silent else []
        unreached = _some(provenance.targets, np.asarray([word == "not_reached" for word in status]))
        found += [f"not above 0 in {self.steps} steps: {unreached}; more steps may do"] if unreached else []
        found += [f"never above the start: {fell}; the rate of the steps does not suit this network"] if fell else []
        extras = {"best": outcome["best"], "best_activation": outcome["best_reached"]}
        extras |= {name: outcome[name] for name in ("transparency",) if name in outcome}
        extras |= {"peak": outcome["peak"]} if not np.isinf(outcome["peak"]).any() else {}
        if frames is not None:
            joined = np.moveaxis(frames, 2, 1).reshape(-1, frames.shape[1], *frames.shape[3:])
            extras["frames"] = with_own_axes(joined, 2, self.shape, self.own)
        return Synthesis(
            images=np.where(along(finite, outcome["shown"]), np.nan_to_num(outcome["shown"]), 0.5),
            raw=raw,
            curves=curves,
            activation=reached,
            extras=extras,
            status=status,
            provenance=provenance,
            warnings=(*warnings, *found),
        )


def along(marks: Any, values: Any) -> Any:
    """Return one number for each of several images with axes of length 1 behind, of NumPy or JAX."""
    return marks.reshape(len(marks), *(1,) * (values.ndim - 1))


def mean_colour(model: Model) -> tuple[float, ...]:
    """Return the colour that the model subtracts, in [0, 1]; mid-grey where it subtracts none.

    Of series and volumes the number that it subtracts from each channel, 0 where none.
    """
    grey = 0.5 if model.structure.one_space is None else 0.0
    mean = model.structure.mean if any(model.structure.mean) else (grey,) * model.input_shape[2]
    return tuple(float(m) for m in mean)


def _some(names: tuple[str, ...], marked: Bool[np.ndarray, " n"]) -> str:
    return in_few([name for name, mark in zip(names, marked, strict=True) if mark])


def _peak(target: Target, activations: dict[str, Array], count: int) -> Float[Array, " k"]:
    """How high the one unit or channel gets anywhere; infinite for any other target, which cannot be dead."""
    (plain, *others) = terms_of(target)
    if others or not isinstance(plain, Channel | Neuron):
        return jnp.full(count, jnp.inf)
    values = activations[plain.layer]
    if isinstance(plain, Neuron) or values.ndim < 4:
        return jax.vmap(lambda value: plain.score(None, {plain.layer: value}))(values)
    return values[..., plain.channel].max((1, 2))


def _at_rest(curves: Float[np.ndarray, "n steps"]) -> Bool[np.ndarray, " n"]:
    """Whether each ascent rose and then came to rest: its last quarter spans at most 5 % of what it gained.

    A quarter of fewer than 4 steps says nothing, and one that swings around as far as it rose is not at rest.
    """
    last = curves[:, -(curves.shape[1] // 4) :]
    gain = curves.max(1) - curves[:, 0]
    return (curves.shape[1] >= 16) & (gain > 0) & (np.ptp(last, axis=1) <= 0.05 * gain)


def _status(moved: bool, finite: bool, fired: bool, at_rest: bool) -> Status:
    if not finite:
        return "diverged"
    if not moved:
        return "no_gradient"
    if fired:
        return "ok"
    return "dead" if at_rest else "not_reached"
