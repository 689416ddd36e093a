"""Occlusion: how much the score falls when each window of the image is occluded (Zeiler, Fergus 2013)."""

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import accumulate, product
from math import prod
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import (
    Case,
    Fold,
    Heatmap,
    Model,
    Target,
    UsageError,
    WindowError,
    WindowPlan,
    WindowSweep,
    of_one_class,
)
from cnnviz_plugins.explain.perturbation.adaptive import CoarseFirst
from cnnviz_plugins.explain.perturbation.fills import occluding_fill, resolved_fill
from cnnviz_plugins.explain.perturbation.plugin import OcclusionConfig
from cnnviz_plugins.explain.perturbation.windows import Windows
from cnnviz_plugins.explain.site import SHARES


@dataclass(frozen=True, kw_only=True)
class Occlusion(Fold):
    """One number per window of a regular grid; with `score="drop"`, positive means the occluded pixels helped.

    `low_res` is the grid, (rows, cols), of a volume (slices, rows, cols): row r, column c belongs to the window whose
    top-left pixel is (r * stride, c * stride). `values` is that grid read between the windows' centres, or, with
    `gather`, the sum or average over the windows that occlude each pixel.

    Raises (when built):
        WindowError: The window is larger than the image, or the stride than the window where Captum's convention, which
            refuses that, is asked for.
        UsageError: The fill has another number of channels, or a channel does not exist.

    With the engine `incremental` only what a window reaches is recomputed, with the same result. With `adaptive` a
    share of the windows is computed and the others are interpolated; `extras["computed"]` says which.

    Cost: rows * cols + 1 forward passes per image, or their incremental share; memory for one chunk of occluded
    images, and for the activations of the untouched one where the engine is incremental.
    Randomness: only `fill="noise"`, one field of noise per image.
    Source: Zeiler, Fergus 2013, section 4.2.
    """

    scores_only: ClassVar[bool] = True
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: OcclusionConfig
    windows: Windows
    sweep: WindowSweep | None
    """Where only windows are recomputed: the windows."""
    adaptive: CoarseFirst | None
    channels: tuple[tuple[int, int], ...] = ()
    """Where windows go over channels: the first channel of each and one past its last."""
    groups: tuple[WindowSweep, ...] = ()
    """Where a long sweep is parted: windows that need about equally much, computed group by group."""
    group: int | None = None
    """Which group `evaluate` serves."""

    @classmethod
    def build(cls, config: OcclusionConfig, model: Model) -> "Occlusion":
        """Return the fold for `model`, its grid of windows laid out."""
        depth = model.input_shape[2]
        config = replace(config.resolved(), fill=resolved_fill(config.fill, model))
        config, channels = _channels_apart(config, model)
        windows = _laid_out(config, model)
        has_gaps = any(step > side for step, side in zip(windows.step, windows.size, strict=True))
        if config.convention == "captum" and has_gaps:
            raise WindowError(
                f"convention='captum' refuses a stride of {_times(windows.step)} pixels, larger than "
                f"the window of {_times(windows.size)}: pixels between windows would have no number; "
                "the other conventions take it"
            )
        for channel in config.channels or ():
            if not 0 <= channel < depth:
                raise UsageError(f"images have channels 0 to {depth - 1}, got channel {channel}")
        sweep = windows.sweep
        is_incremental = config.engine == "incremental" or (config.engine == "auto" and sweep.is_faster(model))
        adaptive = None if config.adaptive is None else CoarseFirst.of(windows.counts, config.adaptive)
        notes = (
            ("window", _own(windows.size, model)),
            ("stride", _own(windows.step, model)),
            ("positions", _own(windows.counts, model)),
            ("edge", config.edge),
            ("score", config.score),
            ("gather", config.gather),
            ("engine", "incremental" if is_incremental else "dense"),
            *((("computed", adaptive.count),) if adaptive is not None else ()),
            *((("channels", channels), *SHARES) if channels else ()),
        )
        return cls(
            config=config, windows=windows, sweep=sweep if is_incremental else None, adaptive=adaptive,
            channels=channels, view="pixels" if channels else "heatmap", notes=notes,
        )  # fmt: skip

    @property
    def evaluations(self) -> int:
        """One per window that is computed."""
        return self.windows.count * max(1, len(self.channels)) if self.adaptive is None else self.adaptive.count

    @property
    def rounds(self) -> tuple[int, ...]:
        """The coarse grid, then the rest."""
        if self.adaptive is None or not self.adaptive.more:
            return (self.evaluations,)
        return (len(self.adaptive.coarse), self.evaluations)

    def in_groups(self, model: Model, target: Target | None = None, images: int = 1) -> "Occlusion":
        """Return the fold with its windows in groups, where that is predicted to be faster."""
        if self.groups or self.sweep is None or self.channels or self.adaptive is not None:
            return self
        groups = self.sweep.groups(model, self._read_from(target), images)
        return replace(self, groups=groups) if len(groups) > 1 else self

    @property
    def group_ends(self) -> tuple[int, ...]:
        """The groups, one after another."""
        if not self.groups:
            return (self.evaluations,)
        return tuple(accumulate(group.count for group in self.groups))

    def of_group(self, number: int) -> "Occlusion":
        """Return the fold that computes the windows of one group."""
        return replace(self, group=number, sweep=self.groups[number]) if self.groups else self

    def group_costs(self, model: Model, target: Target | None = None) -> tuple[float, ...]:
        """Return the predicted work of one window of each group."""
        return tuple(group.work(model, self._read_from(target)) for group in self.groups) or (1.0,)

    def plan(self, model: Model, target: Target | None = None, images: int = 1) -> tuple[tuple[str, str], ...]:
        """Return positions, operations of both engines and the share of each layer."""
        windows, count, scored = self.windows, self.evaluations, self._read_from(target)
        more = f", {windows.count - count:,} of them interpolated" if count < windows.count else ""
        more += f", over {len(self.channels)} windows of channels" if self.channels else ""
        plan = windows.sweep.plan(model, scored)
        rows = (
            ("window", f"{_times(windows.size)} px, stride {_times(windows.step)}"),
            ("positions", f"{_times(windows.counts)}{more}"),
            ("FLOPs dense", f"{_billions(plan.dense_flops)} per window, {_billions(count * plan.dense_flops)} in all"),
            ("FLOPs incremental", f"{_billions(plan.flops)} per window, {_billions(count * plan.flops)} in all"),
            ("dense / incremental", f"{plan.dense_flops / max(plan.flops, 1.0):.2f}"),
            ("engine", "dense" if self.sweep is None else "incremental"),
            *_parted([group.plan(model, scored) for group in self.in_groups(model, target, images).groups], plan),
        )
        return (*rows, *_layers(plan, of_one_class(model, scored)[0]))

    def prepare(self, case: Case) -> "_Context":
        """Return the image as it looks where occluded, and what is read off the untouched one."""
        occluded = occluding_fill(self.config.fill, case)
        if self.config.channels is not None:
            chosen = jnp.isin(jnp.arange(case.image.shape[-1]), jnp.asarray(self.config.channels))
            occluded = jnp.where(chosen, occluded, case.image)
        sweep = self.groups[0] if self.groups else self.sweep
        unchanged = () if sweep is None else sweep.prepare(case.model, case.image, self._read_from(case.target))
        order = None if self.adaptive is None else self.adaptive.start()
        return _Context(occluded, self._reading(case, case.image), unchanged, order)

    def refine(self, case: Case, gathered: Float[Array, " p"]) -> "_Context":
        """Return the same with the windows of the second round chosen."""
        return case.context if self.adaptive is None else case.context._replace(order=self.adaptive.chosen(gathered))

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the number of window `index`, in order of computation."""
        index = case.index if case.context.order is None else case.context.order[case.index]
        reading = self._occluded_reading(case, index)
        if self.config.score == "distribution":
            return 0.5 * jnp.abs(reading - case.context.untouched).sum()
        if self.config.score == "drop":
            return (case.context.untouched - reading)[0]
        return reading[0] if self.config.score == "raw" else 1 - reading[0]

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Heatmap:
        """Return the grid and its map of the image."""
        extras: dict[str, Array] = {}
        if self.adaptive is not None and case.context.order is not None:
            grid, extras["computed"] = self.adaptive.filled(gathered, case.context.order)
        else:
            gathered = gathered[self._places] if self.groups else gathered
            grid = gathered.reshape(*self.channels and (-1,), *self.windows.counts)
        gather = {"grid": self.windows.enlarged, "average": self.windows.averaged, "sum": self.windows.summed}
        spread = gather[self.config.gather or "grid"]
        if not self.channels:
            return Heatmap(values=spread(grid), low_res=grid, extras=extras)
        # As over pixels: a channel has the sum, or else the mean, over the windows that occlude it.
        maps = jnp.stack([spread(each) for each in grid], -1)
        covering = jnp.asarray(self._covering(case.image.shape[-1]))
        if self.config.gather != "sum":
            covering = covering / jnp.maximum(covering.sum(0), 1)
        values = jnp.einsum("hwp,pc->hwc", maps, covering, precision="highest")
        return Heatmap(values=values, extras={"grid": jnp.moveaxis(grid, 0, -1)})

    def _read_from(self, target: Target | None) -> Target | None:
        """What windows are scored by; nothing where all outputs are compared."""
        return None if self.config.score == "distribution" else target

    def _reading(self, case: Case, image: Float[Array, "h w c"]) -> Float[Array, " k"]:
        """Return what is compared: the score, or the predicted distribution."""
        if self.config.score == "distribution":
            return jax.nn.softmax(case.model.run(image)[0])
        return case.model.score(image, case.target)[0][None]

    def _occluded_reading(self, case: Case, index: Int[Array, ""]) -> Float[Array, " k"]:
        """Return the same with window `index` occluded."""
        occluded = case.context.occluded
        if self.channels:
            number, index = index // self.windows.count, index % self.windows.count
            own = jnp.asarray(self._covering(case.image.shape[-1]), bool)[number]
            occluded = jnp.where(own, occluded, case.image)
        if self.sweep is None:
            return self._reading(case, jnp.where(self.windows.mask(index), occluded, case.image))
        if self.group is not None:
            index = index - (0, *self.group_ends)[self.group]
        place = self.sweep.place(index)
        if self.config.score == "distribution":
            logits, _ = self.sweep.run(case.model, case.image, occluded, case.context.unchanged, place)
            return jax.nn.softmax(logits)
        return self.sweep.score(case.model, case.image, occluded, case.context.unchanged, place, case.target)[None]

    @property
    def _places(self) -> Int[np.ndarray, " p"]:
        """When each window is computed, where that is group by group."""
        numbers = [{interval: i for i, interval in enumerate(each)} for each in self.windows.sweep.places]
        order = [
            np.ravel_multi_index([known[each] for known, each in zip(numbers, place, strict=True)], self.windows.counts)
            for group in self.groups
            for place in product(*group.places)
        ]
        return np.argsort(order)

    def _covering(self, depth: int) -> Float[np.ndarray, "windows channels"]:
        """1 where a window occludes a channel."""
        channel = np.arange(depth)
        return np.stack([(channel >= first) & (channel < end) for first, end in self.channels]).astype(np.float32)


def _channels_apart(config: OcclusionConfig, model: Model) -> tuple[OcclusionConfig, tuple[tuple[int, int], ...]]:
    """The config with windows over places alone, and the windows over channels: their first and one past their last."""
    space, depth = model.structure.space, model.input_shape[2]
    axes = 2 if space is None else len(space.spatial)
    places, size = _split(config.window, axes)
    steps, step = _split(config.stride, axes)
    if size is None and step is not None:
        raise WindowError(f"a stride over channels needs a window over channels; got window={config.window!r}")
    config = replace(config, window=places, stride=steps)
    if size is None:
        return config, ()
    if config.channels is not None or config.adaptive is not None:
        raise UsageError("a window over channels takes neither channels nor adaptive")
    step = size if step is None else step
    if size > depth:
        raise WindowError(f"a window of {size} channels does not fit inputs of {depth}")
    if config.convention == "captum" and step > size:
        raise WindowError(
            f"convention='captum' refuses a stride of {step} channels, larger than the window of {size}: channels "
            "between windows would have no number; the other conventions take it"
        )
    rest = step - 1 if config.edge == "truncate" else 0
    firsts = range(0, step * ((depth - size + rest) // step + 1), step)
    return config, tuple((first, min(first + size, depth)) for first in firsts)


def _split(sides: int | tuple[int, ...] | None, axes: int) -> tuple[int | tuple[int, ...] | None, int | None]:
    """Sides along the axes of places, and one over channels where there is one number more."""
    if isinstance(sides, tuple) and len(sides) == axes + 1 and axes > 0:
        return sides[:-1], sides[-1]
    return sides, None


def _laid_out(config: OcclusionConfig, model: Model) -> Windows:
    """Where windows stand in the model's inputs."""
    space, edge = model.structure.space, config.edge or "full"
    if space is None:
        return Windows.over(model.input_shape[:2], config.window, config.stride, edge)
    if not space.spatial:
        raise WindowError(f"occlusion moves a window over one input; {model.name} takes {space.words}")
    if len(space.spatial) == 1:
        return Windows.over_series(space.spatial[0], config.window, config.stride, edge)
    return Windows.over(space.spatial, config.window, config.stride, edge)


def _own(sides: tuple[int, ...], model: Model) -> tuple[int, ...]:
    """Sides along the input's own axes: a series, held as an image of one row, has one."""
    space = model.structure.space
    return sides[1:] if space is not None and len(space.spatial) == 1 else sides


def _times(sides: tuple[int, ...]) -> str:
    return " x ".join(map(str, sides))


class _Context(NamedTuple):
    """What all windows of one image share."""

    occluded: Float[Array, "h w c"]
    untouched: Float[Array, " k"]
    unchanged: tuple[Array, ...]
    """Activations of the untouched image, where windows are computed from them."""
    order: Int[Array, " computed"] | None
    """Which window each evaluation computes, where not all are."""


def _parted(groups: list[WindowPlan], plan: WindowPlan) -> list[tuple[str, str]]:
    """What a sweep in groups computes."""
    if not groups:
        return []
    counts = [prod(map(len, group.places)) for group in groups]
    total = sum(count * group.flops for count, group in zip(counts, groups, strict=True))
    gain = plan.flops * sum(counts) / max(total, 1.0)
    return [
        ("programs", f"{len(groups)}, for windows that need equally much: {_billions(total)} in all, {gain:.2f} less")
    ]


def _layers(plan: WindowPlan, model: Model) -> list[tuple[str, str]]:
    """How much of each layer is recomputed; layers of less than a thousandth of all operations are summed up."""
    named: dict[int, str] = {}
    for name, layer in model.program.layers.items():
        for node in layer.operation.nodes if layer.operation is not None else ():
            named.setdefault(node.order, name)
    dense: dict[str, float] = defaultdict(float)
    done: dict[str, float] = defaultdict(float)
    reasons: dict[str, str] = {}
    for step in plan.steps:
        name = named.get(step.node.order, "other")
        dense[name] += step.dense_flops
        done[name] += step.flops
        if step.recipe is None and step.flops:
            reasons.setdefault(name, step.reason)
    rest = [name for name in dense if name == "other" or dense[name] < 1e-3 * plan.dense_flops]
    rows = []
    for name in dense:
        if name not in rest:
            why = f": {reasons[name]}" if name in reasons else ""
            rows.append((f"  {name}", f"{_share(done[name], dense[name])} of {_billions(dense[name])}{why}"))
    if rest:
        total = sum(dense[name] for name in rest)
        rows.append(("  the rest", f"{_share(sum(done[name] for name in rest), total)} of {_billions(total)}"))
    unknown = sorted({step.reason for step in plan.steps if step.has_no_rule})
    return [*rows, *(("  falls back", f"{reason}: all of its value is recomputed") for reason in unknown)]


def _share(part: float, whole: float) -> str:
    return f"{part / whole if whole else 1:6.1%}"


def _billions(flops: float) -> str:
    return f"{flops / 1e9:,.3g} GFLOP" if flops < 1e12 else f"{flops / 1e12:,.3g} TFLOP"
