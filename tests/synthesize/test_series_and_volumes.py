"""Synthesis of series and volumes: every part works along all axes, and what comes back has their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerKindError, ModelError, RenderError, UsageError
from cnnviz_jax.plugin import Iteration
from cnnviz_plugins.renderers.figures.cells import montage
from cnnviz_plugins.synthesize.inversion import AlphaNorm, Smoothness
from cnnviz_plugins.synthesize.parametrizations import Fourier, LaplacianPyramid, correlated, frequencies
from cnnviz_plugins.synthesize.recipes import AsIs, Standardized, Stretched
from cnnviz_plugins.synthesize.regularizers import Border, Clip, TotalVariation
from cnnviz_plugins.synthesize.transforms import Blur, Jitter, Noise, Pad, blurred, shifted, viewed
from tests.explain.test_other_inputs import INPUTS, MODELS, conv, upper

RANDOM = np.random.default_rng(5)
SHAPES = {"series": (11, 3), "volume": (4, 6, 5, 3)}
each_kind = pytest.mark.parametrize("kind", list(SHAPES))
KEY, HALF = jax.random.key(0), jnp.float32(0.5)
QUICK = "activation-maximization"


def values(kind):
    return jnp.asarray(RANDOM.normal(size=SHAPES[kind]), jnp.float32)


@each_kind
def test_a_spectrum_is_that_along_every_axis(kind):
    shape = SHAPES[kind]
    sides = shape[:-1]
    found = frequencies(*sides)
    for at in np.ndindex(*found.shape):
        cycles = [min(k, side - k) / side for k, side in zip(at, sides, strict=True)]
        assert found[at] == pytest.approx(np.sqrt(np.square(cycles).sum()), abs=1e-6)
    form = Fourier(limits=(-3, 5))
    image = jnp.asarray(RANDOM.uniform(-2, 4, shape), jnp.float32)
    np.testing.assert_allclose(form.image(form.parameters(image), shape, {}), image, atol=1e-4)
    start = form.start(shape, KEY, {})
    assert start.shape == (2, *sides[:-1], sides[-1] // 2 + 1, 3)
    real, imaginary = np.asarray(start) * form.scale(shape)[..., None]
    plain = np.fft.irfftn(real + 1j * imaginary, sides, axes=tuple(range(len(sides))))
    np.testing.assert_allclose(form.image(start, shape, {}), -3 + 8 / (1 + np.exp(-plain)), atol=1e-5)


@each_kind
def test_a_pyramid_halves_every_axis(kind):
    form = LaplacianPyramid(3, limits=(-1, 1))
    start = form.start(SHAPES[kind], KEY, {})
    assert [level.shape for level in start] == {
        "series": [(11, 3), (5, 3), (2, 3)], "volume": [(4, 6, 5, 3), (2, 3, 2, 3), (1, 1, 1, 3)],
    }[kind]  # fmt: skip
    image = jnp.asarray(RANDOM.uniform(-0.9, 0.9, SHAPES[kind]), jnp.float32)
    np.testing.assert_allclose(form.image(form.parameters(image), SHAPES[kind], {}), image, atol=1e-5)


@each_kind
def test_three_channels_are_no_colours(kind):
    found = values(kind)
    assert correlated(found) is found


@each_kind
def test_a_blur_is_scipys_along_every_axis(kind):
    found = values(kind)
    expected = ndimage.gaussian_filter(np.asarray(found), [0.8] * (found.ndim - 1) + [0])
    np.testing.assert_allclose(blurred(found, 0.8), expected, atol=1e-5)


@each_kind
@pytest.mark.parametrize("fill", [None, 0.25])
def test_a_shift_looks_past_the_edge_along_every_axis(kind, fill):
    found = np.asarray(values(kind))
    shift = np.asarray([2, -1, 1][: found.ndim - 1])
    moved = np.asarray(shifted(jnp.asarray(found), jnp.asarray(shift), 2, fill))
    sides = np.asarray(found.shape[:-1])
    for at in np.ndindex(*sides):
        there = np.asarray(at) + shift
        inside = ((there >= 0) & (there < sides)).all()
        own = found[tuple(np.clip(there, 0, sides - 1))]
        np.testing.assert_array_equal(moved[at], own if inside or fill is None else np.full(3, fill))


@each_kind
def test_jitters_shift_along_every_axis_one_after_the_other(kind):
    found = values(kind)
    axes = found.ndim - 1
    transforms = (Pad(3, 0.0), Jitter(4), Jitter(2))
    chances = jax.random.uniform(KEY, (2, 4))
    shift = sum(
        np.minimum(np.floor(np.asarray(chance[:axes]) * (px + 1)), px) - px // 2
        for chance, px in zip(chances, (4, 2), strict=True)
    )
    expected = shifted(found, jnp.asarray(shift.astype(int)), 3, 0.0)
    np.testing.assert_array_equal(viewed(found, transforms, KEY, HALF), expected)
    assert viewed(found, (Noise(0.1), Blur(1.0)), KEY, HALF).shape == found.shape


@each_kind
def test_penalties_are_those_of_a_loop(kind):
    found = np.asarray(values(kind), np.float64)
    spatial = found.shape[:-1]
    variation, smooth = 0.0, 0.0
    for at in np.ndindex(*spatial):
        ahead = [tuple(np.asarray(at) + np.eye(len(spatial), dtype=int)[axis]) for axis in range(len(spatial))]
        inside = [each for axis, each in enumerate(ahead) if each[axis] < spatial[axis]]
        variation += sum(np.abs(found[each] - found[at]).sum() for each in inside)
        if len(inside) == len(spatial):
            smooth += sum(np.square(found[each] - found[at]).sum() for each in inside)
    image = jnp.asarray(found, jnp.float32)
    assert TotalVariation().penalty(image) == pytest.approx(variation, rel=1e-5)
    assert Smoothness(1.0).penalty(image) == pytest.approx(smooth / found.size, rel=1e-5)
    assert AlphaNorm(1.0, 2.0).penalty(image) == pytest.approx(np.mean((2 * found - 1) ** 2), rel=1e-4)
    np.testing.assert_array_equal(
        Clip(-0.5, 0.5).constrained(image, image, jnp.int32(0), jnp.zeros(3)), np.clip(image, -0.5, 0.5)
    )
    inner = np.zeros(spatial, bool)
    inner[tuple(slice(side // 4, side - side // 4) for side in spatial)] = True
    detail = np.square(np.asarray(blurred(image, 1.0)) - found) + 0.8 * np.square(found - 0.5)
    assert Border(1.0, 20).penalty(image) == pytest.approx(detail[~inner].sum(), rel=1e-4)


@each_kind
def test_displays_leave_units_or_bring_them_to_the_unit_range(kind):
    found = values(kind)
    np.testing.assert_array_equal(AsIs().shown(found), found)
    assert Standardized(0.1, 2).shown(found).shape == {"series": (7, 3), "volume": (2, 4, 3, 3)}[kind]
    stretched = np.asarray(Stretched().shown(found))
    assert stretched.min() >= 0
    assert stretched.max() <= 1
    np.testing.assert_allclose(stretched.reshape(-1, 3).mean(0), 0.5, atol=1e-5)


def one_unit(params, x):
    return upper(params, conv(x, params["kernel"]))


@each_kind
def test_steps_along_the_gradient_are_exact_for_a_linear_unit(kind):
    spatial = SHAPES[kind][:-1]
    rank, count = len(spatial), int(np.prod(spatial))
    weights = np.asarray([1.0, -2.0], np.float32)
    params = {"kernel": jnp.asarray(weights.reshape(*(1,) * rank, 2, 1)), "head": jnp.ones((1, 2))}
    model = cv.adapt(one_unit, params, input_shape=(*spatial, 2))
    found = cv.synthesize(
        QUICK, model, layer="conv", steps=3, parametrization="pixel('zero')", optimizer="gradient(6.0)",
        transforms="none",
    )  # fmt: skip
    # The mean over the map of w . x has the gradient w / count at every place: three steps of 6 make 18 w / count.
    np.testing.assert_allclose(found.raw[0], np.broadcast_to(18 * weights / count, (*spatial, 2)), rtol=1e-5)
    assert found.activation[0] == pytest.approx(18 * 5 / count, rel=1e-5)
    np.testing.assert_array_equal(found.images, found.raw)


@each_kind
def test_channels_are_raised_and_results_have_their_own_axes(kind, tmp_path):
    model = MODELS[kind]
    found = cv.synthesize(
        QUICK, model, layer="relu#1", channels=[0, 3], steps=12, exemplars=INPUTS[kind], snapshots=3, copies=2,
        parametrization="fourier(0.01, 1, (-1, 2))",
    )  # fmt: skip
    assert found.images.shape == found.raw.shape == (4, *model.shape)
    assert found.extras["frames"].shape == (4, 3, *model.shape)
    assert found.raw.min() >= -1
    assert found.raw.max() <= 2
    assert (found.curves[:, -1] > found.curves[:, 0]).all()
    reached = cv.capture(model, found.raw, ["relu#1"])["relu#1"].reshape(4, -1, 5).max(1)
    np.testing.assert_allclose(found.extras["peak"][found.extras["peak"] > 0], np.maximum(
        reached[[0, 1, 2, 3], [0, 0, 3, 3]], 0)[found.extras["peak"] > 0], rtol=1e-4)  # fmt: skip
    field = model.layers["conv#1"].receptive_field
    sides = [min(size, side) for size, side in zip(field.size[-len(model.shape) + 1 :], model.shape, strict=False)]
    assert found.extras["exemplar_crops"].shape == (4, 2, *sides, 2)
    cv.save(found, tmp_path / "found.npz")
    assert cv.load(tmp_path / "found.npz") == found


@each_kind
def test_the_parts_of_exemplars_hold_what_excites_the_unit_most(kind):
    model = MODELS[kind]
    found = cv.synthesize(QUICK, model, layer="conv", channels=[1], steps=2, tap="layer", exemplars=INPUTS[kind])
    most = cv.survey("exemplars", model, INPUTS[kind], layer="conv", k=2)
    best = int(found.extras["exemplar_index"][0])
    rank = most.id[1].tolist().index(best)
    assert most.value[1, rank] <= most.value[1].max()
    crop, own = found.extras["exemplar_crops"][0, 0], INPUTS[kind][best]
    places = np.lib.stride_tricks.sliding_window_view(own, crop.shape)
    assert any(np.array_equal(each, crop) for each in places.reshape(-1, *crop.shape))


@each_kind
@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("caricature", {"layer": "relu", "transforms": "jitter(2)", "steps": 4}),
        ("deepdream", {"layer": "relu", "octaves": 1, "steps": 4}),
        ("inversion", {"layer": "relu", "steps": 60, "rate": 0.05}),
        ("accentuation", {"target": 1, "transforms": "jitter(2)", "steps": 4}),
        ("adversarial", {"target": 1, "steps": 4}),
    ],
)
def test_techniques_that_start_at_an_image_take_series_and_volumes(kind, technique, options):
    images = 4 * INPUTS[kind] - 2
    found = cv.synthesize(technique, MODELS[kind], images=images, **options)
    assert found.images.shape == images.shape
    assert np.isfinite(found.raw).all()
    if technique == "inversion":
        assert np.corrcoef(found.raw.ravel(), images.ravel())[0, 1] > 0.5
        assert found.raw.min() < -1  # not between 0 and 1
    if technique in ("caricature", "accentuation"):  # in the range of each one's own
        ends = [each.reshape(2, -1) for each in (found.raw, images)]
        assert (ends[0].min(1) >= ends[1].min(1) - 1e-5).all()
        assert (ends[0].max(1) <= ends[1].max(1) + 1e-5).all()
    one = cv.synthesize(technique, MODELS[kind], images=images[0], **options)
    np.testing.assert_allclose(one.raw[0], found.raw[0], atol=1e-4)


def test_a_vector_is_made_too():
    params = jnp.asarray(RANDOM.normal(size=(7, 3)), jnp.float32)
    model = cv.adapt(lambda params, x: x @ params, params, input_shape=(7,))
    found = cv.synthesize(QUICK, model, target=[0, 2], steps=8, snapshots=2)
    assert (found.raw.shape, found.extras["frames"].shape) == ((2, 7), (2, 2, 7))
    assert found.status == ("ok", "ok")
    assert cv.figure(found).axes[0].lines


def test_class_models_start_at_the_mean_that_is_subtracted():
    model = MODELS["series"]
    shifted_model = cv.adapt(model.structure.pure.fn, model.params, input_shape=(20, 2), mean=(3.0, -1.0))
    found = cv.synthesize("class-model", shifted_model, target=[1], steps=1, snapshots=2)
    np.testing.assert_allclose(found.extras["frames"][0, 0], np.broadcast_to([3.0, -1.0], (20, 2)))


def test_limits_that_nobody_named_are_said():
    found = cv.synthesize(QUICK, MODELS["series"], layer="relu", channels=[0], steps=2)
    assert "values lie between 0 and 1; where those of series lie elsewhere say" in found.warnings[0]
    assert not cv.synthesize(
        QUICK, MODELS["series"], layer="conv", channels=[0], steps=2, parametrization="pixel()"
    ).warnings


@each_kind
def test_what_is_of_images_alone_says_so(kind):
    model, what = MODELS[kind], {"series": "a series", "volume": "a volume"}[kind]
    words = {"series": "series", "volume": "volumes"}[kind]

    def make(technique=QUICK, **options):
        return lambda: cv.synthesize(technique, model, **{"layer": "relu", **options})

    for call, kinds, told in (
        (make(recipe="lucid"), UsageError, f"scale, rotate: of rows and columns alone; views of {words} are made by"),
        (make(transforms="flip"), UsageError, "flip: of rows and columns alone"),
        (make(recipe="keras2020"), UsageError, f"leaves out 2 positions .* takes {what}; recipe='quick' makes it"),
        (make(parametrization="maco()"), UsageError, f"spectrum of natural images, and {kind} takes {what}"),
        (make(size=64), ModelError, f"size is of images; {kind} takes {what}, which is made as large as it is"),
        (make("deepdream", images=INPUTS[kind]), UsageError, f"octaves shrink images, and {kind} takes {what}; say"),
        (make("inversion", images=INPUTS[kind][:, :3]), ImageError, f"takes {what} of shape"),
        (make(parametrization="fourier(0.01, 1, (2, 1))"), UsageError, r"limits are two rising numbers.* \(2, 1\)"),
    ):
        with pytest.raises(kinds, match=told):
            call()


def test_an_iteration_that_knows_images_alone_is_refused(monkeypatch):
    from cnnviz_plugins.synthesize.ascent import Ascent

    monkeypatch.setattr(Ascent, "axes", Iteration.axes)
    with pytest.raises(LayerKindError, match="maximization works on inputs of 2 spatial axes; series takes a series"):
        cv.synthesize(QUICK, MODELS["series"], layer="relu", channels=[0])


@each_kind
def test_figures_draw_curves_and_slices(kind, tmp_path):
    found = cv.synthesize(QUICK, MODELS[kind], layer="conv", steps=3, snapshots=2)
    drawn = [axes for axes, status in zip(cv.figure(found).axes, found.status, strict=True) if status == "ok"]
    assert drawn
    assert all((len(axes.lines), len(axes.images)) == {"series": (2, 0), "volume": (0, 1)}[kind] for axes in drawn)
    for name in ("found.png", "found.svg", "found.json"):
        cv.render(found, tmp_path / name)
    for name in ("found.webp", "found.gif"):
        with pytest.raises(RenderError, match=r"a grid is of images; of series and volumes cv\.figure"):
            cv.render(found, tmp_path / name)


def test_a_montage_has_nine_slices_from_front_to_back():
    volume = RANDOM.random((20, 3, 4, 2))
    sheet, shown = montage(volume)
    assert shown[0] == 0
    assert shown[-1] == 19
    assert (len(shown), sheet.shape) == (9, (11, 14))
    grey = volume.mean(-1)
    grey = (grey - grey.min()) / np.ptp(grey)
    np.testing.assert_allclose(sheet[4:7, 5:9], grey[shown[4]])
    assert (sheet[3] == 1).all()
    assert montage(volume[:2])[1] == (0, 1)


def test_several_inputs_are_refused():
    both = cv.adapt(lambda params, x: x["a"] @ params + x["b"], jnp.ones((4, 2)), input_shape={"a": (4,), "b": (2,)})
    with pytest.raises(LayerKindError, match="maximization works on one input"):
        cv.synthesize(QUICK, both, target=[0], steps=2)
