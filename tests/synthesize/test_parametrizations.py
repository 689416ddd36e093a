"""Parametrisations: sizes, colours, spectra, and that a photograph can be fitted by each."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from cnnviz_plugins.synthesize.maco import SPECTRUM, MacoPhase, mean_spectrum
from cnnviz_plugins.synthesize.parametrizations import (
    CORRELATION,
    Fourier,
    LaplacianPyramid,
    Pixel,
    correlated,
    decorrelated,
)

KEY = jax.random.key(0, impl="threefry2x32")
GIVEN = {"mean": jnp.float32(0.5)}
FORMS = [Pixel(), Fourier(), LaplacianPyramid(3), MacoPhase()]


def test_the_colour_matrix_is_that_of_lucid():
    # Lucid, optvis/param/color.py: the matrix over its largest column norm, 0.461952.
    expected = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]]) / 0.461952
    np.testing.assert_allclose(CORRELATION, expected, atol=1e-5)
    values = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(correlated(jnp.asarray(values))[1, 2], CORRELATION @ values[1, 2], rtol=1e-5)
    np.testing.assert_allclose(decorrelated(correlated(jnp.asarray(values))), values, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channel_counts_have_no_colour_matrix(channels):
    values = jnp.ones((2, 2, channels))
    assert correlated(values) is values


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 14, 3), (14, 9, 5), (7, 7, 3)])
def test_images_of_any_size_and_channel_count_start_finite(form, shape):
    image = form.image(form.start(shape, KEY, GIVEN), shape, GIVEN)
    assert image.shape == shape
    assert np.isfinite(image).all()
    assert np.ptp(image) > 0


@pytest.mark.parametrize(("height", "width", "half"), [(8, 8, 5), (8, 7, 4), (5, 6, 4)])
def test_a_fourier_parameter_has_half_a_spectrum(height, width, half):
    parameters = Fourier(sd=0.01).start((height, width, 3), KEY, GIVEN)
    assert parameters.shape == (2, height, half, 3)
    assert 0.007 < float(parameters.std()) < 0.013


def test_the_fourier_scale_falls_with_frequency_from_the_lowest():
    scale = Fourier(decay=1.0).scale((8, 16, 3))
    # Lucid: 1 / max(frequency, 1 / longest side), times the root of the number of pixels, over 4.
    np.testing.assert_allclose(scale[0, 0], 16 * np.sqrt(128) / 4, rtol=1e-6)
    np.testing.assert_allclose(scale[0, 4], 4 * np.sqrt(128) / 4, rtol=1e-6)
    np.testing.assert_allclose(scale[2, 0], 4 * np.sqrt(128) / 4, rtol=1e-6)


@pytest.mark.parametrize("form", [Pixel(), Fourier(), LaplacianPyramid(3)], ids=lambda form: type(form).__name__)
@pytest.mark.parametrize("shape", [(8, 11, 3), (9, 8, 1)])
def test_an_image_comes_back_from_its_parameters(form, shape):
    image = jnp.asarray(np.random.default_rng(1).uniform(0.05, 0.95, shape), jnp.float32)
    np.testing.assert_allclose(form.image(form.parameters(image), shape, GIVEN), image, atol=1e-4)


def test_pixel_starts_are_in_the_units_of_their_script():
    image = Pixel("uniform", 20.0, 128.0, 255.0, 0.0).start((40, 40, 3), KEY, GIVEN) * 255
    assert 117.9 < float(image.min()) < 119
    assert 137 < float(image.max()) < 138.1
    image = Pixel("normal", 10.0, None, 255.0, 0.0).start((60, 60, 3), KEY, {"mean": jnp.asarray([0.2, 0.4, 0.6])})
    np.testing.assert_allclose(image.mean((0, 1)), [0.2, 0.4, 0.6], atol=2e-3)
    np.testing.assert_allclose(image.std((0, 1)) * 255, 10, rtol=0.05)


def test_the_magnitude_of_a_maco_image_is_fixed():
    shape, form = (16, 12, 1), MacoPhase(1.2)
    other = form.start(shape, jax.random.key(5, impl="threefry2x32"), GIVEN)
    spectra = []
    for parameters in (form.start(shape, KEY, GIVEN), other):
        image = form.image(parameters, shape, GIVEN)
        values = np.log(np.asarray(image, np.float64) / (1 - np.asarray(image, np.float64)))
        spectra.append(np.abs(np.fft.rfft2(values, axes=(0, 1)))[1:8, 1:6])
    ratio = spectra[0] / spectra[1]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-2)
    fall = spectra[0][2, 0] / spectra[0][5, 0]
    frequency = np.hypot(np.fft.fftfreq(16)[[3, 6]], np.fft.rfftfreq(12)[1])
    np.testing.assert_allclose(fall, (frequency[1] / frequency[0]) ** 1.2, rtol=1e-2)


def test_the_magnitude_may_be_that_of_given_images():
    images = np.random.default_rng(2).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    spectrum = mean_spectrum(images, 8, 8)
    np.testing.assert_allclose(spectrum[..., 0], np.abs(np.fft.rfft2(images[..., 0])).mean(0), rtol=1e-3, atol=1e-4)
    assert mean_spectrum(images, 12, 20).shape == (12, 11, 1)
    given = {**GIVEN, SPECTRUM: jnp.asarray(spectrum)}
    np.testing.assert_array_equal(MacoPhase().magnitude((8, 8, 1), given), spectrum)


@pytest.mark.parametrize("form", [Pixel(), Fourier()], ids=lambda form: type(form).__name__)
def test_a_photograph_is_fitted(form, shared_data):
    # FACTS: a 112 x 112 photo to a mean |error| below 0.01 within 1000 steps of Adam(0.05).
    with Image.open(shared_data / "images" / "chelsea.png") as opened:
        photo = jnp.asarray(np.asarray(opened.convert("RGB").resize((112, 112))) / 255, jnp.float32)
    start = form.start(photo.shape, KEY, GIVEN)
    rule = optax.adam(0.05)

    def step(_, state):
        def loss(parameters):
            return jnp.square(form.image(parameters, photo.shape, GIVEN) - photo).mean()

        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers and multiplies them
            update, moments = rule.update(jax.grad(loss)(state[0]), state[1])
        return optax.apply_updates(state[0], update), moments

    fitted = jax.jit(lambda p, m: jax.lax.fori_loop(0, 1000, step, (p, m)))(start, rule.init(start))[0]
    assert float(jnp.abs(form.image(fitted, photo.shape, GIVEN) - photo).mean()) < 0.01
