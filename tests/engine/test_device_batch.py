"""A device batch of images in one program against the host's loop over chunks, for every way to gather and to chunk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax import targets
from cnnviz_jax.engine import keys_for, root_key, run_fold
from cnnviz_jax.engine.device_batch import explain_device_batch, inner_chunk_for
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from tests.explain.small_network import model, some_images


def built(name, **options):
    spec = plugins().technique(name, "explain")
    return load(spec.build)(spec.config(**options), model())


@pytest.mark.parametrize("chunk", [1, 3, 10])
@pytest.mark.parametrize(
    ("name", "options"), [("smoothgrad", {"samples": 10}), ("occlusion", {"window": (6, 5), "stride": (3, 3)})]
)
def test_it_agrees_with_the_engines_own_loop(name, options, chunk):
    fold, images = built(name, **options), jnp.asarray(some_images(3))
    target = targets.ClassScore(jnp.asarray([0, 3, 1]))
    keys = keys_for(root_key(0), range(3))
    device_batch = jax.jit(lambda model: explain_device_batch(fold, model, images, target, keys, inner_chunk=chunk))
    found, scores = device_batch(model())
    expected, expected_scores = run_fold(fold, model(), images, target, keys)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("occlusion", {"window": (3, 3), "stride": (2, 2), "adaptive": 0.5}),
        ("partition-shap", {"segments": "grid(6)", "evaluations": 24, "at_once": 1}),  # ten rounds, in a loop
        ("smoothgrad", {"samples": 40, "tolerance": 0.3}),
    ],
)
def test_rounds_are_run_in_one_program_too(name, options):
    fold, images = built(name, **options), jnp.asarray(some_images(2))
    assert len(fold.rounds) > 1
    target, keys = targets.ClassScore(jnp.asarray([0, 3])), keys_for(root_key(0), range(2))
    device_batch = jax.jit(lambda model: explain_device_batch(fold, model, images, target, keys, inner_chunk=4))
    expected, _ = run_fold(fold, model(), images, target, keys, chunk=4)
    np.testing.assert_allclose(device_batch(model())[0].values, expected.values, rtol=1e-4, atol=1e-6)


def test_a_single_evaluation_is_a_fold_too():
    fold, images = built("grad-cam"), jnp.asarray(some_images(2))
    target, keys = targets.ClassScore(jnp.asarray([0, 3])), keys_for(root_key(0), range(2))
    found, _ = jax.jit(lambda model: explain_device_batch(fold, model, images, target, keys, inner_chunk=16))(model())
    expected, _ = run_fold(fold, model(), images, target, keys)
    np.testing.assert_allclose(found.low_res, expected.low_res, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("evaluations", "device_batch", "chunk"),
    [(1, 16, 1), (10, 16, 4), (50, 16, 13), (50, 1, 50), (1000, 16, 16), (7, 200, 1)],
)
def test_chunks_are_few_or_fit(evaluations, device_batch, chunk):
    assert inner_chunk_for(evaluations, device_batch, 64) == chunk
