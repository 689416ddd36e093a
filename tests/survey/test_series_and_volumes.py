"""Surveys of series and volumes: places and boxes along their own axes, equal to loops over plain arrays."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerKindError, UsageError
from cnnviz_jax.plugin import Example
from tests.explain.test_other_inputs import MODELS, conv, parameters, upper

COUNT, K = 11, 4
RANDOM = np.random.default_rng(3)
INPUTS = {kind: RANDOM.random((COUNT, *model.shape), np.float32) for kind, model in MODELS.items()}
LABELS = np.arange(COUNT) % 3
each_kind = pytest.mark.parametrize("kind", list(MODELS))
LAYER = "conv#1"


def maps(kind, layer=LAYER):
    """The layer's values with its own axes, (n, t, c) or (n, d, h, w, c)."""
    return cv.capture(MODELS[kind], INPUTS[kind], [layer])[layer]


def summed(params, x):
    """One unit that sees three places along each axis, and adds them up."""
    return upper(params, conv(x, params["kernel"]))


def bump(shape, at):
    """A model of one unit, and zeros but for a 1 at one place."""
    rank = len(shape) - 1
    params = {"kernel": jnp.ones((*(3,) * rank, 1, 1)), "head": jnp.ones((1, 2))}
    image = np.zeros(shape, np.float32)
    image[at] = 1
    return cv.adapt(summed, params, input_shape=shape), np.stack([image, 0 * image])


def test_the_interval_of_a_series_is_what_the_unit_sees():
    model, series = bump((9, 1), 6)
    found = cv.survey("exemplars", model, series, layer="conv", k=2)
    # Three steps see the 1; the first of them, step 5, sees steps 4 to 6.
    assert (found.value[0].tolist(), found.id[0].tolist()) == ([1, 0], [0, 1])
    assert (found.place[0, 0].tolist(), found.box[0, 0].tolist()) == ([5], [4, 6])
    assert found.crop(0, 0).tolist() == [[0], [0], [1]]
    assert found.table()[0] == {
        "unit": 0, "rank": 0, "image": 0, "value": 1.0, "step": 5, "first": 4, "last": 6,
    }  # fmt: skip


def test_the_box_of_a_volume_has_three_axes():
    model, volumes = bump((4, 5, 6, 1), (3, 2, 5))
    found = cv.survey("exemplars", model, volumes, layer="conv", k=1)
    assert found.place[0, 0].tolist() == [2, 1, 4]
    assert found.box[0, 0].tolist() == [1, 0, 3, 3, 2, 5]
    assert found.crop(0, 0).shape == (3, 3, 3, 1)
    assert found.crop(0, 0)[2, 2, 2] == found.crop(0, 0).sum() == 1
    row = found.table()[0]
    assert [row[name] for name in ("slice", "row", "column")] == [2, 1, 4]
    assert [row[name] for name in ("front", "top", "left", "back", "bottom", "right")] == found.box[0, 0].tolist()


@each_kind
@pytest.mark.parametrize("batch", [1, 4, "auto"])
def test_entries_equal_a_sort_of_the_whole_table(kind, batch):
    found = cv.survey("exemplars", MODELS[kind], INPUTS[kind], layer=LAYER, k=K, batch=batch)
    values, field = maps(kind), MODELS[kind].layers[LAYER].receptive_field
    axes = len(MODELS[kind].shape) - 1
    for unit in range(values.shape[-1]):
        entries = []
        for number, one in enumerate(values[..., unit]):
            place = np.unravel_index(one.argmax(), one.shape)
            ends = np.reshape(field.box(*(0,) * (len(field.shape) - axes), *map(int, place)), (2, -1))[:, -axes:]
            entries.append((-one.max(), number, [int(at) for at in place], ends.ravel().tolist()))
        best = sorted(entries, key=lambda entry: entry[:2])[:K]
        np.testing.assert_allclose(found.value[unit], [-entry[0] for entry in best], rtol=1e-5)
        assert found.id[unit].tolist() == [entry[1] for entry in best]
        assert found.place[unit].tolist() == [entry[2] for entry in best]
        assert found.box[unit].tolist() == [entry[3] for entry in best]


@each_kind
def test_the_images_that_are_kept_have_their_own_axes_and_are_read_back(kind, tmp_path):
    found = cv.survey("exemplars", MODELS[kind], INPUTS[kind], LABELS, k=3, levels=(0.5,), layer=LAYER)
    np.testing.assert_array_equal(found.images, INPUTS[kind][found.image_ids])
    np.testing.assert_array_equal(found.image(0, 1), INPUTS[kind][found.id[0, 1]])
    assert found.level_box.shape == (5, 1, 2, 2 * (len(MODELS[kind].shape) - 1))
    cv.save(found, tmp_path / "found.npz")
    assert cv.load(tmp_path / "found.npz") == found


@each_kind
def test_a_layer_without_a_map_sees_the_whole_input(kind):
    found = cv.survey("exemplars", MODELS[kind], INPUTS[kind], layer="dense", k=1)
    spatial = MODELS[kind].shape[:-1]
    assert found.place[0, 0].tolist() == [0] * len(spatial)
    assert found.box[0, 0].tolist() == [0] * len(spatial) + [length - 1 for length in spatial]


@each_kind
def test_the_input_itself_is_a_layer(kind):
    found = cv.survey("exemplars", MODELS[kind], INPUTS[kind], layer="input", k=1)
    channel = INPUTS[kind][..., 1]
    assert (found.id[1, 0], *found.place[1, 0]) == np.unravel_index(channel.argmax(), channel.shape)


def test_a_vector_has_one_axis():
    params = jnp.asarray(RANDOM.normal(size=(7, 3)), jnp.float32)
    model = cv.adapt(lambda params, x: x @ params, params, input_shape=(7,))
    found = cv.survey("exemplars", model, RANDOM.random((5, 7), np.float32), layer="dense", k=2)
    assert (found.box[0, 0].tolist(), found.images.shape[1:]) == ([0, 6], (7,))


@each_kind
def test_distributions_count_every_position(kind):
    found = cv.survey("distributions", MODELS[kind], INPUTS[kind], LABELS, layer=LAYER)
    values = maps(kind).reshape(COUNT, -1, 5)
    assert found.positions == values.shape[1]
    assert (found.count.sum(1) == values.shape[0] * values.shape[1]).all()
    np.testing.assert_allclose(found.mean, values.mean((0, 1)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.fire_rate, (values > 0).mean((0, 1)), rtol=1e-6)
    np.testing.assert_allclose(
        found.class_means, [np.maximum(values[k == LABELS], 0).max(1).mean(0) for k in range(3)], rtol=1e-5
    )


def interpolated(values, centres, sizes):
    """A map brought to a size one axis after the other, by `np.interp` along every line."""
    for axis, (at, size) in enumerate(zip(centres, sizes, strict=True)):
        values = np.apply_along_axis(lambda line, at=at, size=size: np.interp(np.arange(size), at, line), axis, values)
    return values


@each_kind
def test_overlap_is_that_of_a_slow_loop(kind):
    model = MODELS[kind]
    masks = RANDOM.random((COUNT, 2, *model.shape[:-1])) > 0.6
    found = cv.survey("dissection", model, INPUTS[kind], layer=LAYER, share=0.2, fields={"concepts": masks})
    values, field = maps(kind), model.layers[LAYER].receptive_field
    sizes = model.shape[:-1]
    rows = (0,) * (len(field.shape) - len(sizes))
    centres = [
        [field.centre(*rows, *(0,) * axis, at)[len(rows) + axis] for at in range(length)]
        for axis, length in enumerate(values.shape[1:-1])
    ]
    for unit in range(values.shape[-1]):
        at = np.sort(values[..., unit].ravel())[::-1][int(0.2 * values[..., unit].size)]
        assert found.threshold[unit] == pytest.approx(at, rel=1e-5)
        active = np.stack([interpolated(one[..., unit], centres, sizes) > at for one in values])
        for concept in range(2):
            both, either = active & masks[:, concept], active | masks[:, concept]
            assert found.iou[unit, concept] == pytest.approx(both.sum() / either.sum(), abs=0.002)
    assert found.images.shape[2:] == model.shape
    assert found.masks.shape[2:] == sizes


@each_kind
def test_masks_of_other_axes_are_refused(kind):
    axes = {"series": "steps", "volume": "depth, height, width"}[kind]
    with pytest.raises(UsageError, match=rf"masks are \(concepts, {axes}\) for each image, got \(2, 3, 4, 5, 6\)"):
        cv.survey("dissection", MODELS[kind], INPUTS[kind], fields={"concepts": np.ones((COUNT, 2, 3, 4, 5, 6))})


@each_kind
def test_relevance_has_the_same_axes(kind):
    found = cv.survey("relevance-maximization", MODELS[kind], INPUTS[kind], layer="relu#1", k=2)
    assert found.place.shape[-1] == len(MODELS[kind].shape) - 1
    assert (found.box[..., 0] <= found.box[..., len(MODELS[kind].shape) - 1]).all()


@each_kind
def test_files_and_factories_hold_their_own_axes(kind, tmp_path):
    model, inputs = MODELS[kind], INPUTS[kind]
    given = cv.survey("exemplars", model, inputs, LABELS, k=2)
    np.savez(tmp_path / "inputs.npz", images=inputs, labels=LABELS)
    zarr = pytest.importorskip("zarr")
    zarr.save_array(str(tmp_path / "inputs.zarr"), inputs)
    for source in (tmp_path / "inputs.npz", tmp_path / "inputs.zarr", f"{__name__}:{kind}"):
        found = cv.survey("exemplars", model, source, k=2)
        np.testing.assert_array_equal(found.id, given.id)
        np.testing.assert_array_equal(found.images, given.images)
    assert (cv.survey("exemplars", model, tmp_path / "inputs.npz", k=2).labels >= 0).all()


def series():
    return list(INPUTS["series"])


def volume():
    return list(INPUTS["volume"])


class OfOwnAxes:
    """A source that gives series with their own axes."""

    fields = {}  # noqa: RUF012 - no source changes it

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return Example(image=INPUTS["volume"][index])

    def digest(self):
        return "volumes"

    def name(self, index):
        return f"scan {index}"


def test_a_source_of_ones_own_may_give_either():
    found = cv.survey("exemplars", MODELS["volume"], OfOwnAxes(), k=2)
    np.testing.assert_array_equal(found.id, cv.survey("exemplars", MODELS["volume"], INPUTS["volume"], k=2).id)
    assert found.names[0] == f"scan {found.image_ids[0]}"


def test_what_does_not_fit_is_said_in_a_sentence(tmp_path):
    model = MODELS["series"]
    with pytest.raises(ImageError, match=r"takes a series of shape \(20, 2\); a survey takes several.* \(3, 2, 20\)"):
        cv.survey("exemplars", model, np.zeros((3, 2, 20), np.float32))
    np.savez(tmp_path / "other.npz", images=np.zeros((3, 8, 2), np.float32))
    with pytest.raises(UsageError, match=r"have shape \(3, 8, 2\); the model takes a series \(n, \*\(20, 2\)\)"):
        cv.survey("exemplars", model, tmp_path / "other.npz")
    with pytest.raises(UsageError, match=r"is a source of images, and the model takes a series of shape \(20, 2\)"):
        cv.survey("exemplars", model, tmp_path)
    with pytest.raises(LayerKindError, match="craft works on inputs of 2 spatial axes; volume takes a volume of 3"):
        cv.survey("craft", MODELS["volume"], INPUTS["volume"], target=1)
    both = cv.adapt(lambda params, x: x["a"] @ params + x["b"], jnp.ones((4, 2)), input_shape={"a": (4,), "b": (2,)})
    with pytest.raises(LayerKindError, match="exemplars works on one input"):
        cv.survey("exemplars", both, np.ones((2, 4), np.float32), layer=next(iter(both.layers)))


@each_kind
def test_figures_draw_curves_and_slices(kind, tmp_path):
    model = MODELS[kind]
    masks = RANDOM.random((COUNT, 2, *model.shape[:-1])) > 0.6
    found = cv.survey("exemplars", model, INPUTS[kind], LABELS, k=3, units=(0, 1), layer=LAYER)
    drawn = cv.figure(found).axes
    assert len(drawn) == 12  # two units, three entries, above and below
    if kind == "series":
        assert all(len(axes.lines) == 2 for axes in drawn)
        shaded = drawn[0].patches[0].get_extents().transformed(drawn[0].transData.inverted())
        first, last = found.box[0, 0]
        assert (shaded.x0, shaded.x1) == pytest.approx((first - 0.5, last + 0.5))
    else:
        assert all(len(axes.images) == 1 for axes in drawn)
        _, top, left, _, bottom, right = found.box[0, 0]
        assert drawn[1].images[0].get_array().shape == (bottom - top + 1, right - left + 1)
    cv.render(found, tmp_path / "found.svg")
    assert {"series": "11 series", "volume": "11 volumes"}[kind] in (cv.figure(found).texts[0].get_text())
    cv.render(cv.survey("dissection", model, INPUTS[kind], fields={"concepts": masks}), tmp_path / "units.png")
    cv.render(cv.survey("distributions", model, INPUTS[kind]), tmp_path / "spread.png")


def test_units_that_see_only_padding_and_lines_too_many_are_drawn():
    model = cv.adapt(padded, parameters(1), input_shape=(20, 2))
    found = cv.survey("exemplars", model, INPUTS["series"], layer="conv#1", k=2, entries="position")
    only = dataclasses.replace(found, box=np.broadcast_to(np.array([3, 2]), found.box.shape))
    assert only.crop(0, 0).size == 0
    assert any("sees only" in text.get_text() for axes in cv.figure(only).axes for text in axes.texts)
    many = dataclasses.replace(found, images=np.repeat(found.images, 7, -1))
    assert "the first 12 of 14 channels" in " ".join(text.get_text() for text in cv.figure(many).texts)


def padded(params, x):
    return upper(params, conv(conv(x, params["conv1"]), params["conv2"]))
