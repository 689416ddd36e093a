"""Exact receptive fields against the positive-mask oracle on random graphs.

The oracle (METHODS.md): weights positive, maxima turned to sums, one pixel bumped at a time. A unit depends on the
pixel if and only if it changes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jax import lax, named_scope

from tests.program.plain import conv, ones, traced

SIZES = st.integers(5, 11)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("conv"), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.booleans()),
        st.tuples(st.just("pool"), st.integers(1, 3), st.integers(1, 2), st.just(1), st.booleans()),
        st.tuples(st.just("average"), st.integers(1, 3), st.integers(1, 2), st.just(1), st.booleans()),
        st.tuples(st.just("transposed"), st.integers(1, 3), st.just(2), st.just(1), st.booleans()),
        st.tuples(
            st.sampled_from(
                ["residual", "concat", "crop", "stride", "repeat", "nearest", "linear", "flip", "depth", "reflect",
                 "gate", "blocks", "join", "shift"]
            ),
            st.just(1), st.just(1), st.just(1), st.booleans(),
        ),
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


def pooled(x: Any, size: int, stride: int, same: bool, layout: str, *, average: bool, linear: bool) -> Any:
    window = [size if axis in "HW" else 1 for axis in layout]
    steps = [stride if axis in "HW" else 1 for axis in layout]
    padding = "SAME" if same else "VALID"
    if average or linear:
        return lax.reduce_window(x, 0.0, lax.add, window, steps, padding) / float(size * size)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, steps, padding)


def step(x: Any, what: tuple[str, int, int, int, bool], layout: str, *, linear: bool) -> Any:
    kind, size, stride, dilation, same = what
    rows, columns, channels = layout.index("H"), layout.index("W"), layout.index("C")
    height, width, count = x.shape[rows], x.shape[columns], x.shape[channels]
    padding = "SAME" if same else "VALID"
    if not same and kind in ("conv", "pool", "average") and dilation * (size - 1) + 1 > min(height, width):
        return x
    if kind == "conv":
        return conv(x, ones(size, size, count, 2, dtype=x.dtype), stride, padding, layout=layout, dilation=dilation)
    if kind in ("pool", "average"):
        return pooled(x, size, stride, same, layout, average=kind == "average", linear=linear)
    if kind == "transposed":
        return conv(
            x, ones(size, size, count, 2, dtype=x.dtype), 1, [(size - 1, size - 1)] * 2, layout=layout, base=stride
        )
    if kind == "residual":
        return x + conv(x, ones(3, 3, count, count, dtype=x.dtype), 1, "SAME", layout=layout)
    if kind == "concat":
        return jnp.concatenate([x, conv(x, ones(3, 3, count, 1, dtype=x.dtype), 1, "SAME", layout=layout)], channels)
    if kind == "crop":
        axis = rows if same else columns
        return lax.slice_in_dim(x, 1, None, axis=axis) if x.shape[axis] > 2 else x
    if kind == "stride":
        return lax.slice_in_dim(x, 0, None, 2, rows if same else columns)
    if kind == "repeat":
        return jnp.repeat(x, 2, axis=rows if same else columns)
    if kind in ("nearest", "linear"):
        shape = list(x.shape)
        shape[rows], shape[columns] = height + 2 + same, width * 2
        return jax.image.resize(x, shape, kind)
    if kind == "flip":
        return jnp.flip(x, rows if same else columns) + x
    if kind == "depth":
        if height % 2 or width % 2 or min(height, width) < 4 or layout != "NHWC":
            return x
        x = x.reshape(1, height // 2, 2, width // 2, 2, count).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(1, height // 2, width // 2, 4 * count)
    if kind == "reflect":
        pads = [(1, 1) if k in (rows, columns) else (0, 0) for k in range(4)]
        return jnp.pad(x, pads, mode="reflect") if min(height, width) > 1 else x
    if kind == "gate":
        if not same:
            return x * 2.0
        mean = x.mean((rows, columns), keepdims=True)
        return x + mean if linear else x * (1 + mean)  # a sum, as zeros between units hide what a product sees
    if kind == "blocks":
        axis = rows if same else columns
        if x.shape[axis] % 2 or x.shape[axis] < 4:  # one block is a mean over the axis, which then is none
            return x
        shape = (*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
        return x.reshape(shape).mean(axis + 1)
    if kind == "join":
        return jnp.concatenate([x, x], rows if same else columns)
    pads = [(1, -1, 0) if k == (rows if same else columns) else (0, 0, 0) for k in range(4)]
    return lax.pad(x, jnp.zeros((), x.dtype), pads)


def network(steps: Any, layout: str, *, linear: bool) -> Any:
    def apply(_: Any, x: Any) -> Any:
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        for place, what in enumerate(steps):
            with named_scope(f"s{place}"):
                x = step(x, what, layout, linear=linear)
        with named_scope("last"):
            return x * 1.5

    return apply


def bumped(steps: Any, layout: str, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Which image rows each row of the last map depends on, and which image columns each of its columns."""
    apply = network(steps, layout, linear=True)
    images = np.ones((1 + height + width, 1, height, width, 1))
    for k in range(height):
        images[1 + k, :, k] += 1
    for k in range(width):
        images[1 + height + k, :, :, k] += 1
    with jax.enable_x64(True):
        lowered = jax.jit(jax.vmap(lambda x: apply((), x))).lower(images)
        # Run once on a few pixels: compiling is what costs, and half of that is optimising.
        values = np.asarray(lowered.compile(compiler_options={"xla_backend_optimization_level": 0})(images))
    changed = np.abs(values[1:] - values[0]) > 1e-9
    tables = []
    for axis, lines in (("H", changed[:height]), ("W", changed[height:])):
        keep = 1 + layout.index(axis)
        tables.append(lines.any(tuple(k for k in range(1, 5) if k != keep)).T)  # unit, line of the image
    return tables[0], tables[1]


@settings(max_examples=80, deadline=None)
@given(steps=STEPS, height=SIZES, width=SIZES, layout=st.sampled_from(["NHWC", "NCHW"]))
@example(steps=[("transposed", 1, 2, 1, False), ("gate", 1, 1, 1, True)], height=5, width=5, layout="NHWC")
@example(steps=[("depth", 1, 1, 1, False)], height=6, width=6, layout="NHWC")
@example(
    steps=[("conv", 1, 3, 1, False), ("pool", 1, 2, 1, False), ("repeat", 1, 1, 1, False)],
    height=5, width=5, layout="NHWC",
)  # fmt: skip
def test_boxes_are_exact_for_every_unit_of_a_random_graph(steps: Any, height: int, width: int, layout: str) -> None:
    layer_node = traced(network(steps, layout, linear=False), (), (height, width, 1)).layers["last"]
    assert layer_node.axes == layout
    fields = (layer_node.receptive_field.rows, layer_node.receptive_field.columns)
    tables = bumped(steps, layout, height, width)
    for axis, (reach, sees) in enumerate(zip(fields, tables, strict=True)):
        assert len(sees) == len(reach.first) == layer_node.canonical_shape[axis]
        for unit, pixels in enumerate(sees):
            if not pixels.any():
                # A box is empty if it is along either axis: all columns may lie in padding whatever the row.
                other = fields[1 - axis]
                assert reach.first[unit] > reach.last[unit] or (other.first > other.last).all()
                continue
            ends = np.flatnonzero(pixels)[[0, -1]]
            assert (reach.first[unit], reach.last[unit]) == tuple(ends), (unit, axis)
            if reach.index_map is not None:
                jump, low, high = reach.index_map
                assert jump * unit + low <= ends[0]
                assert ends[1] <= jump * unit + high


@pytest.mark.parametrize("same", [True, False])
def test_the_oracle_can_tell_a_wrong_box(same: bool) -> None:
    steps = [("conv", 3, 1, 1, same)]
    sees = bumped(steps, "NHWC", 6, 6)[0]
    expected = [[0, 1], [0, 2]] if same else [[0, 2], [1, 3]]
    assert [list(np.flatnonzero(row)[[0, -1]]) for row in sees[:2]] == expected
