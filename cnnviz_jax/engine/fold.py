"""Folds: one image explained by many independent evaluations, gathered in any order."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from cnnviz_jax.engine.case import Case
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.attribution import Heatmap, View
from cnnviz_jax.targets.target import Target


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One image explained by `evaluations` independent evaluations.

    A map-reduce over evaluations: `prepare` runs once per image, `evaluate` once per evaluation (the map), `gather`
    joins what they return (the reduce), `finish` makes the image's result of it. Subclass as a frozen dataclass: its
    fields are the compiled program's identity, so two equal folds share one program. All four are traced, and each
    sees one image, as a `Case`.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2)
    """How many spatial axes inputs may have; 0 for several inputs, whose numbers stand in one row. A vector is handed
    over as an image of one row and one channel, a series as one of one row, a volume as one whose slices stand one
    below the other, of which a fold that says 3 knows."""

    gather: Literal["sum", "stack"] = "stack"
    """`sum`: what `evaluate` returns is added up. `stack`: it is kept, with a leading axis of evaluations."""
    view: View = "heatmap"
    """How the result is meant to be looked at."""
    layer: str | None = None
    """The layer looked at, if there is one."""
    notes: tuple[tuple[str, Any], ...] = ()
    """Further facts for the result's provenance."""
    warnings: tuple[str, ...] = ()
    """What the user should know before believing the result."""

    distributions: ClassVar[tuple[str, ...]] = ()
    """Options that an array of several images may be, the same for all images that are explained: in `case.shared`."""
    scores_only: ClassVar[bool] = False
    """Whether an evaluation is a forward pass and no gradient, so that fewer at once may suit a CPU's caches."""
    mixes_images: ClassVar[bool] = False
    """Whether `companions` hands an image others, so that its result depends on which are explained together."""

    @property
    def evaluations(self) -> int:
        """How many evaluations explain one image."""
        return 1

    @property
    def rounds(self) -> tuple[int, ...]:
        """After how many evaluations `refine` looks at what is there; the last is `evaluations`."""
        return (self.evaluations,)

    def in_groups(self, model: Model, target: Target | None = None, images: int = 1) -> "Fold":
        """Return the fold as a loop on the host runs it best: itself, or one whose evaluations several programs serve.

        Asked once a run, with the number of its images. A sweep's step is one program, in which the groups stand one
        after another; noisy copies run the fold as it is.
        """
        return self

    @property
    def group_ends(self) -> tuple[int, ...]:
        """After how many evaluations another program serves; the last is `evaluations`."""
        return (self.evaluations,)

    def of_group(self, number: int) -> "Fold":
        """Return the fold whose `evaluate` serves the evaluations of one of the groups."""
        return self

    def group_costs(self, model: Model, target: Target | None = None) -> tuple[float, ...]:
        """Return how long one evaluation of each group takes, in any unit, for `cnnviz explain --plan`."""
        return (1.0,) * len(self.group_ends)

    def plan(self, model: Model, target: Target | None = None, images: int = 1) -> tuple[tuple[str, str], ...]:
        """Return what a run would compute, as names and texts, for `cnnviz explain --plan`."""
        return ()

    def refine(self, case: Case, gathered: Any) -> Any:
        """Return the context of the next round, from what the rounds before gathered; of the same shapes.

        Called once after every round but the last, in order, also where a run is resumed in a later round; then
        `gathered` may hold more than the round's.
        """
        return case.context

    def is_over(self, context: Any) -> bool:
        """Whether the evaluations that are left need not be done: asked on the host, of a batch's refined context."""
        return False

    def array_shape(self, option: str, model: Model) -> tuple[int, ...]:
        """Return the shape of an array that an option may be, for one image: the image's."""
        return model.input_shape

    def companions(
        self, images: Float[np.ndarray, "n h w c"], key: Key[Array, ""]
    ) -> Mapping[str, Shaped[np.ndarray, "n ..."]]:
        """Return arrays made of all images, a row of each for every image: in `case.given`. On the host.

        Args:
            images: All that are explained together.
            key: The call's own.

        Raises:
            UsageError: They cannot be explained together.
        """
        return {}

    def prepare(self, case: Case) -> Any:
        """Return what every evaluation of this image shares; any pytree."""
        return ()

    def evaluate(self, case: Case) -> Any:
        """Return evaluation number `case.index`; any pytree. `case.key` is `fold_in(image's key, index)`."""
        raise TypeError(f"{type(self).__name__} defines no evaluate")

    def finish(self, case: Case, gathered: Any) -> Any:
        """Return the image's result from what `gather` made of all evaluations.

        A technique's is a `Heatmap`, a measure's `cnnviz_jax.results.measurement.Measured`.
        """
        raise TypeError(f"{type(self).__name__} defines no finish")


@dataclass(frozen=True, kw_only=True)
class WholeImage(Fold):
    """A plain function `(model, image, target, key) -> heatmap` as a fold of one evaluation."""

    identity: Hashable
    """Equal for functions that compute the same thing, so that they share one compiled program."""
    # A plugin's `build` makes a new closure each time: compared, every call would compile again.
    function: Callable[..., Any] = field(compare=False)

    def evaluate(self, case: Case) -> Any:
        """Return what the function returns."""
        return self.function(case.model, case.image, case.target, case.key)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it as a `Heatmap`."""
        value = jax.tree.map(lambda leaf: leaf[0], gathered)
        return value if isinstance(value, Heatmap) else Heatmap(values=value)
