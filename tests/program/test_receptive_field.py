"""Nominal receptive fields against published tables, from really traced networks at 224 px.

Tables: google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md and its tests (Apache-2); Araujo, Norris, Sim,
Distill 2019.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, named_scope

from cnnviz_jax.errors import LayerKindError
from tests.program.plain import SYMMETRIC, conv, ones, pool, traced

Step = tuple[str, str, int, int, str]


def chain(steps: list[Step], layout: str = "NHWC") -> Callable[[Any, Any], Any]:
    """A network of named convolutions (`conv`), depthwise ones (`deep`) and pools, two channels wide."""

    def apply(params: Any, x: Any) -> Any:
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        for name, kind, size, stride, padding in steps:
            with named_scope(name):
                if kind == "pool":
                    x = pool(x, size, stride, padding, layout=layout)
                elif kind == "deep":
                    x = conv(x, ones(size, size, 1, 2) * params, stride, padding, layout=layout, groups=2)
                else:
                    x = conv(x, ones(size, size, 2, 2) * params, stride, padding, layout=layout)
        return x

    return apply


ALEXNET = [
    ("conv1", "conv", 11, 4, "VALID"),
    ("pool1", "pool", 3, 2, "VALID"),
    ("conv2", "conv", 5, 1, "SAME"),
    ("pool2", "pool", 3, 2, "VALID"),
    ("conv3", "conv", 3, 1, "SAME"),
    ("conv4", "conv", 3, 1, "SAME"),
    ("conv5", "conv", 3, 1, "SAME"),
    ("pool5", "pool", 3, 2, "VALID"),
]
VGG: list[Step] = []
for block, count in enumerate((2, 2, 3, 3, 3), 1):
    VGG += [(f"conv{block}_{k}", "conv", 3, 1, "SAME") for k in range(1, count + 1)]
    VGG += [(f"pool{block}", "pool", 2, 2, "VALID")]
MOBILENET = [("0", "conv", 3, 2, "SAME")]
for place, step in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), 1):
    MOBILENET += [(f"{place}", "deep", 3, step, "SAME")]
RESNET = [("stem", "conv", 7, 2, SYMMETRIC), ("pool", "pool", 3, 2, "SAME")]
for block, count in enumerate((3, 4, 6, 3), 1):
    last = 2 if block < 4 else 1
    RESNET += [
        (f"block{block}.{k}" if k < count - 1 else f"block{block}", "conv", 3, last if k == count - 1 else 1, SYMMETRIC)
        for k in range(count)
    ]

PUBLISHED = {
    "alexnet_v2": (ALEXNET, {
        "conv1": (11, 4, 0), "pool1": (19, 8, 0), "conv2": (51, 8, 16), "conv5": (163, 16, 64), "pool5": (195, 32, 64),
    }),
    "vgg_16": (VGG, {
        "conv1_1": (3, 1, 1), "pool1": (6, 2, 2), "pool2": (16, 4, 6), "conv3_1": (24, 4, 10), "pool3": (44, 8, 18),
        "pool4": (100, 16, 42), "conv5_2": (164, 16, 74), "pool5": (212, 32, 90),
    }),
    "mobilenet_v1": (MOBILENET, {
        "0": (3, 2, 0), "5": (43, 8, 14), "11": (219, 16, 94), "13": (315, 32, 126),
    }),
    "resnet_v1_50": (RESNET, {
        "block1": (35, 8, 15), "block2": (99, 16, 47), "block3": (291, 32, 143), "block4": (483, 32, 239),
    }),
}  # fmt: skip


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("network", PUBLISHED)
def test_size_stride_and_padding_equal_the_published_table(network: str, layout: str) -> None:
    steps, rows = PUBLISHED[network]
    layers = traced(chain(steps, layout), jnp.ones(()), (224, 224, 2)).layers
    for name, (size, stride, padding) in rows.items():
        field = layers[name].receptive_field
        assert (field.size, field.stride, field.padding) == ((size, size), (stride, stride), (padding, padding)), name
        assert field.aligned


def joined(left: Callable[[Any], Any], right: Callable[[Any], Any], size: int) -> Any:
    def apply(_: Any, x: Any) -> Any:
        with named_scope("sum"):
            return left(x) + right(x)

    return traced(apply, (), (size, size, 1)).layers["sum"].receptive_field


def cut(x: Any, like: Any) -> Any:
    return x[:, : like.shape[1], : like.shape[2]]


def test_branches_that_agree_in_stride_and_centre_are_aligned() -> None:
    def right(x: Any) -> Any:
        padded = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
        return conv(conv(padded, ones(3, 3, 1, 1), 2), ones(1, 1, 1, 1), 2)

    field = joined(lambda x: cut(conv(x, ones(1, 1, 1, 1), 4), right(x)), right, 32)
    assert (field.size, field.stride, field.padding, field.aligned) == ((3, 3), (4, 4), (1, 1), True)


def test_branches_of_different_stride_are_misaligned_but_have_exact_boxes() -> None:
    def left(x: Any) -> Any:
        return conv(jnp.pad(x, ((0, 0), (2, 1), (2, 1), (0, 0))), ones(5, 5, 1, 1), 2)

    def right(x: Any) -> Any:
        return cut(conv(conv(x, ones(3, 3, 1, 1)), ones(3, 3, 1, 1)), left(x))

    field = joined(left, right, 32)
    assert not field.aligned
    assert field.stride is None
    assert field.box(0, 3) == (0, 3, 4, 8)  # columns 4..8 on the left, 3..7 on the right
    with pytest.raises(LayerKindError, match="follows no one affine index map"):
        field.box(0, 3, clip=False)


@pytest.mark.parametrize(("size", "aligned"), [(9, True), (8, False)])
def test_same_padding_makes_alignment_depend_on_the_image_size(size: int, aligned: bool) -> None:
    field = joined(
        lambda x: conv(x, ones(1, 1, 1, 1), 4),
        lambda x: conv(conv(x, ones(3, 3, 1, 1), 2, "SAME"), ones(1, 1, 1, 1), 2),
        size,
    )
    assert field.aligned is aligned
    if aligned:
        assert (field.size, field.stride, field.padding) == ((3, 3), (4, 4), (1, 1))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_rows_and_columns_of_an_oblong_kernel_are_kept_apart(layout: str) -> None:
    def apply(_: Any, x: Any) -> Any:
        if layout == "NCHW":
            x = jnp.transpose(x, (0, 3, 1, 2))
        x = conv(x, ones(3, 5, 1, 1), 2, layout=layout)
        return conv(x, ones(3, 1, 1, 1), 2, layout=layout)

    field = traced(apply, (), (32, 32, 1)).layers["conv#1"].receptive_field
    assert (field.size, field.stride) == ((7, 5), (4, 4))


def test_a_stack_of_forty_small_kernels_sees_eighty_one_pixels() -> None:
    steps: list[Step] = [(f"c{k}", "conv", 3, 1, "SAME") for k in range(40)]
    layers = traced(chain(steps), jnp.ones(()), (96, 96, 2)).layers
    assert layers["c9"].receptive_field.size == (21, 21)
    assert layers["c39"].receptive_field.size == (81, 81)
    assert layers["c39"].receptive_field.centre(5, 7) == (5, 7)


def test_a_dilated_kernel_spans_its_gaps() -> None:
    field = traced(lambda _, x: conv(x, ones(3, 3, 1, 1), dilation=4), (), (16, 16, 1)).layers["conv"].receptive_field
    assert field.size == (9, 9)
    assert field.box(2, 3) == (2, 3, 10, 11)


def test_upsampling_makes_the_stride_a_fraction() -> None:
    def apply(_: Any, x: Any) -> Any:
        x = jnp.repeat(jnp.repeat(conv(x, ones(3, 3, 1, 1), 2), 2, axis=1), 2, axis=2)
        return conv(x, ones(1, 1, 1, 1))

    field = traced(apply, (), (17, 17, 1)).layers["conv#1"].receptive_field
    assert field.stride == (1, 1)
    assert field.box(2, 3) == (2, 2, 4, 4)
    assert field.box(3, 3) == field.box(2, 2)

    half = (
        traced(lambda _, x: conv(x, ones(2, 2, 1, 1), 1, [(1, 1), (1, 1)], base=2), (), (9, 9, 1))
        .layers["conv"]
        .receptive_field
    )
    assert half.stride == (Fraction(1, 2), Fraction(1, 2))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_maps_stacked_along_an_axis_of_their_own_keep_theirs_when_it_is_summed_or_taken_apart(axis: int) -> None:
    def apply(_: Any, x: Any) -> Any:
        x = conv(x, ones(3, 3, 1, 4), 2)
        stacked = jnp.stack([x, 2 * x], axis)
        with named_scope("summed"):
            summed = stacked.sum(axis) * 1.5
        with named_scope("apart"):
            return summed, jnp.unstack(stacked, axis=axis)[1] * 1.5

    layers = traced(apply, (), (9, 7, 1)).layers
    for name in ("summed", "apart"):
        assert layers[name].axes == "NHWC"
        assert layers[name].receptive_field.box(1, 2) == layers["conv"].receptive_field.box(1, 2) == (2, 4, 4, 6)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("along", ["H", "W"])
@pytest.mark.parametrize("size", [(2, 6), (6, 2)])
def test_an_axis_of_length_one_keeps_its_role_when_it_is_repeated_or_tiled(
    layout: str, along: str, size: tuple[int, int]
) -> None:
    axis = layout.index(along)

    def tiled(x: Any) -> Any:  # as `jnp.tile` was written before it became an operation
        before, (units, *after) = x.shape[:axis], x.shape[axis:]
        twice = jnp.broadcast_to(jnp.expand_dims(x, axis), (*before, 2, units, *after))
        return twice.reshape(*before, 2 * units, *after)

    def apply(_: Any, x: Any) -> Any:
        x = x if layout == "NHWC" else jnp.transpose(x, (0, 3, 1, 2))
        x = conv(x, ones(2, 2, 1, 2), 2, layout=layout)
        with named_scope("repeated"):
            repeated = jnp.repeat(x, 2, axis) * 1.5
        with named_scope("tiled"):
            return repeated, tiled(x) * 1.5

    layers = traced(apply, (), (*size, 1)).layers
    before, *after = (
        (field.rows, field.columns)["HW".index(along)]
        for field in (layers[name].receptive_field for name in ("conv", "repeated", "tiled"))
    )
    for reach, picked in zip(after, (lambda ends: np.repeat(ends, 2), lambda ends: np.tile(ends, 2)), strict=True):
        np.testing.assert_array_equal(reach.first, picked(before.first))
        np.testing.assert_array_equal(reach.last, picked(before.last))
    assert layers["repeated"].axes == layers["tiled"].axes == layout


def test_channels_that_become_pixels_of_a_map_one_pixel_wide_take_its_roles() -> None:
    def apply(_: Any, x: Any) -> Any:
        x = conv(x, ones(2, 2, 1, 8), 2).reshape(1, 2, 1, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5)
        with named_scope("last"):
            return x.reshape(1, 4, 2, 2) * 1.5

    last = traced(apply, (), (4, 2, 1)).layers["last"]
    assert last.axes == "NHWC"
    assert [last.receptive_field.box(row, 1) for row in range(4)] == [(0, 0, 1, 1)] * 2 + [(2, 0, 3, 1)] * 2


def test_a_dropped_axis_of_length_one_leaves_its_role_to_nobody_where_two_could_have_it() -> None:
    def apply(_: Any, x: Any) -> Any:
        x = conv(x, ones(2, 2, 1, 2), 2)  # 1 1 1 2
        with named_scope("last"):
            return jnp.broadcast_to(x[:, :, :, None], (1, 1, 1, 3, 2)).reshape(1, 3, 2) * 1.5

    last = traced(apply, (), (2, 2, 1)).layers["last"]
    assert last.axes == "N?C"
    assert last.receptive_field.box() == (0, 0, 1, 1)


def test_whatever_lies_behind_a_global_operation_sees_the_whole_image() -> None:
    def apply(params: Any, x: Any) -> Any:
        x = conv(x, ones(3, 3, 1, 2), 1, "SAME")
        with named_scope("pooled"):
            pooled = x.mean((1, 2))
        with named_scope("gated"):
            gated = x * jnp.tanh(pooled @ params)[:, None, None, :]
        with named_scope("flat"):
            flat = x.reshape(1, -1)
        with named_scope("attended"):
            tokens = x.reshape(1, -1, 2)
            attended = lax.dot_general(tokens, tokens, (((2,), (2,)), ((0,), (0,)))) @ tokens
        return pooled, gated, flat, attended

    layers = traced(apply, ones(2, 2), (8, 8, 1)).layers
    for name in ("pooled", "gated", "flat", "attended"):
        field = layers[name].receptive_field
        assert field.is_global, name
        assert str(field).startswith("whole image")
        assert field.is_widened == (name == "gated")  # by a map of its own beside the gate
        assert field.box(0, 0) == (0, 0, 7, 7), name
        assert field.stride is None
    assert layers["gated"].is_map


def test_hits_is_the_inverse_of_box() -> None:
    field = traced(chain(VGG[:6]), jnp.ones(()), (20, 12, 2)).layers["pool2"].receptive_field
    rows, columns = field.shape
    for y, x in ((0, 0), (7, 5), (19, 11)):
        hit_rows, hit_columns = field.hits(y, x)
        seen = {
            (r, c)
            for r in range(rows)
            for c in range(columns)
            if field.box(r, c)[0] <= y <= field.box(r, c)[2] and field.box(r, c)[1] <= x <= field.box(r, c)[3]
        }
        assert seen == {(r, c) for r in hit_rows for c in hit_columns}


def test_a_box_may_be_asked_for_beyond_the_image_and_a_unit_must_exist() -> None:
    field = traced(chain(VGG[:3]), jnp.ones(()), (20, 12, 2)).layers["pool1"].receptive_field
    assert field.box(0, 0) == (0, 0, 3, 3)
    assert field.box(0, 0, clip=False) == (-2, -2, 3, 3)
    with pytest.raises(LayerKindError, match="unit 10 of 10 does not exist"):
        field.box(10, 0)
    assert str(field) == "6 px, stride 2"
