"""Kernels as they act, whatever layout the parameters have; see `Program.kernel`."""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.program.analysis.abstract_values import is_spatial
from cnnviz_jax.program.layers.operations import Operation, ProgramView
from cnnviz_jax.program.layers.parameter_modules import ParameterModules


@dataclass(frozen=True, slots=True)
class KernelRef:
    """Where the kernel of a layer stands, and how it is turned to HWIO or (in, out)."""

    paths: tuple[str, ...]
    """Paths of the parameters that make it."""
    value: int
    """Its value in the graph, in the layout of the program."""
    permutation: tuple[int, ...]
    shape: tuple[int, ...]
    """Shape as (h, w, in, out) or (in, out)."""
    groups: int = 1
    """Groups of channels that a convolution keeps apart."""

    def turned(self, native: Array) -> Float[Array, "..."]:
        """The kernel in our layout, from the program's."""
        return jnp.transpose(native, self.permutation).reshape(self.shape)


def kernel_of(view: ProgramView, operation: Operation, modules: ParameterModules) -> KernelRef | None:
    """Return where the kernel of an operation stands; `None` if it has none, or the image makes it."""
    number = operation.kernel
    if number is None or view.depends(number):
        return None
    shape, params = view.graph.values[number].shape, operation.node.params
    paths = modules.names(view.abstract(number).params)
    if operation.kind == "conv":
        order = _convolution_order(view, operation.node.inputs[0], params)
        return KernelRef(paths, number, order, tuple(shape[k] for k in order), int(params["feature_group_count"]))
    side = operation.node.inputs.index(number)
    contracted, batched = params["dimension_numbers"]
    if batched[side]:
        return None  # one matrix per group: there is no (in, out)
    inner = tuple(contracted[side])
    # A dense layer that contracts several axes at once, `einsum("bhwc,hwco->bo")`: rows of (in, out) must run like the
    # flattened input, whose axes h, w, c stand in the other operand's order, not in that of the kernel's.
    if len(inner) > 1:
        other = contracted[1 - side]
        inner = tuple(axis for _, axis in sorted(zip(other, inner, strict=True)))
    outer = tuple(k for k in range(len(shape)) if k not in inner)
    return KernelRef(paths, number, (*inner, *outer), (prod(shape[k] for k in inner), prod(shape[k] for k in outer)))


def _convolution_order(view: ProgramView, source: int, params: Any) -> tuple[int, ...]:
    """Kernel axes as rows, columns, in, out; rows are what the image's rows became."""
    # PyTorch's OIHW has rhs_spec (0, 1, 2, 3): out 0, in 1, rows 2, columns 3, so the order is (2, 3, 1, 0); HWIO has
    # (3, 2, 0, 1) and stays as it is. In a model that transposes its images, the kernel's first axis runs along
    # columns.
    spec = params["dimension_numbers"]
    out, into, *inside = spec.rhs_spec
    roles = view.abstract(source).roles
    seen = [roles[axis] for axis in spec.lhs_spec[2:]]
    ordered = sorted(range(len(inside)), key=lambda k: (role if is_spatial(role := seen[k]) else k, k))
    return (*(inside[k] for k in ordered), into, out)
