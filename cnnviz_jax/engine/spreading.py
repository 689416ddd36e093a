"""Images, and the evaluations of each, spread over the devices of this process."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from cnnviz_jax.engine.case import Case
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model

IMAGES, EVALUATIONS = "images", "evaluations"
"""Axes of the mesh."""
BY_IMAGE, ALIKE = PartitionSpec(IMAGES), PartitionSpec()
"""What has a row for each image, and what all devices have alike."""


def devices_to_use(count: int | None) -> tuple[Any, ...]:
    """Return so many devices of this process; where it is left open, all of an accelerator and one of a CPU.

    Devices of a CPU are slices of the same cores: to spread over them gains nothing.

    Raises:
        UsageError: There are not so many.
    """
    found = tuple(jax.local_devices())
    if count is None:
        return found[:1] if jax.default_backend() == "cpu" else found
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= len(found):
        raise UsageError(f"devices is a whole number from 1 to {len(found)}, all that this process has; got {count!r}")
    return found[:count]


@dataclass(frozen=True)
class Spread:
    """A mesh of devices: rows share out the images, the devices of a row the evaluations of each image.

    Every device runs the program of its own images, as one device would run it alone. So where images alone are spread
    nothing is ever sent between devices, and the numbers are those of one device to the last bit; where evaluations
    are, what they add up to is summed in another order.
    """

    mesh: Mesh

    @classmethod
    def over(cls, devices: Sequence[Any], cases: Case, images: int, evaluations: int) -> "Spread | None":
        """Return how so many images of so many evaluations are spread; `None` where one device is all that serves.

        Images first: 8 devices serve 5 images on 5 of them, and 3 images on 6, two for the evaluations of each.

        Args:
            devices: Those that may be used.
            cases: What is explained. Parameters that lie on several devices stay there, and nothing is spread.
            images: How many images are computed together.
            evaluations: Of each image.
        """
        rows = min(images, len(devices))
        columns = min(len(devices) // max(rows, 1), evaluations)
        lies_spread = any(isinstance(leaf, jax.Array) and len(leaf.devices()) > 1 for leaf in jax.tree.leaves(cases))
        # A process of several would have to place arrays that the others hold parts of; its sweeps do.
        if rows * columns < 2 or lies_spread or jax.process_count() > 1:
            return None
        grid = np.asarray(devices[: rows * columns], dtype=object).reshape(rows, columns)
        return cls(Mesh(grid, (IMAGES, EVALUATIONS)))

    @property
    def rows(self) -> int:
        """Over how many devices images are spread."""
        return int(self.mesh.shape[IMAGES])

    @property
    def columns(self) -> int:
        """Over how many devices the evaluations of an image are spread."""
        return int(self.mesh.shape[EVALUATIONS])

    def placed(self, cases: Case) -> Case:
        """Return the cases with what all devices need on each of them."""
        shared = jax.device_put(cases.shared, NamedSharding(self.mesh, ALIKE))
        return replace(cases, model=_replicated(cases.model, self.mesh), shared=shared)

    def shapes(self, cases: Case) -> Case:
        """Return shapes of cases with where they lie."""

        def lying(leaf: Any, spec: PartitionSpec) -> Any:
            sharding = NamedSharding(self.mesh, spec)
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding, weak_type=leaf.weak_type)

        own = replace(cases, index=())
        return replace(jax.tree.map(lying, own, _specs(own)), index=cases.index)

    def mapped(self, function: Callable[..., Any], *more: PartitionSpec, out: Any = BY_IMAGE) -> Callable[..., Any]:
        """Return `function(cases, ...)`, run by every device on its own images.

        Args:
            function: Traceable.
            *more: How its further arguments lie.
            out: How what it returns lies.
        """

        def run(cases: Case, *rest: Any) -> Any:
            # Without the check of what varies by device, a gradient with respect to replicated values would lack its
            # sum over devices. Gradients in here are with respect to images and layers, never to the parameters.
            each = jax.shard_map(
                function, mesh=self.mesh, in_specs=(_specs(cases), *more), out_specs=out, check_vma=False
            )
            return each(cases, *rest)

        return run


def first_of(spread: Spread | None, start: Array, chunk: int) -> Array:
    """Return the first evaluation of this device's share of a chunk; within `mapped`."""
    if spread is None or spread.columns == 1:
        return start
    return start + chunk * jax.lax.axis_index(EVALUATIONS)


def joined(spread: Spread | None, own: Array, how: str) -> Array:
    """Return what all devices made of an image's evaluations: the sum, or with `stack` all; within `mapped`."""
    if spread is None or spread.columns == 1:
        return own
    if how == "sum":
        found: Array = jax.lax.psum(own, EVALUATIONS)
        return found
    return jax.lax.all_gather(own, EVALUATIONS, axis=1, tiled=True)


def _specs(cases: Case) -> Case:
    """How every leaf of cases lies: rows of images on their devices, the rest alike on all."""

    def lying(spec: PartitionSpec, tree: Any) -> Any:
        return jax.tree.map(lambda _: spec, tree)

    own = {name: lying(BY_IMAGE, getattr(cases, name)) for name in ("target", "key", "image", "context", "given")}
    alike = {name: lying(ALIKE, getattr(cases, name)) for name in ("model", "shared", "index")}
    return Case(**own, **alike)


# By the model's identity: its copies on other devices, made once and not in every call.
_replicas: dict[int, tuple[Mesh, Model]] = {}


def _replicated(model: Model, mesh: Mesh) -> Model:
    found = _replicas.get(id(model))
    if found is None:
        # A new model may get the id of one that is gone: the entry goes with the old one, or its weights would serve.
        weakref.finalize(model, _replicas.pop, id(model), None)
    if found is None or found[0] != mesh:
        found = mesh, jax.device_put(model, NamedSharding(mesh, ALIKE))
        _replicas[id(model)] = found
    return found[1]
