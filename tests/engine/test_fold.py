"""The engine: results do not depend on how evaluations are cut, and memory decides how many run at once."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.engine import Fold, compilations, image_ids, keys_for, root_key, run_fold
from cnnviz_jax.engine import fold_run as fold_module
from cnnviz_jax.engine.case import Case
from cnnviz_jax.errors import ImageError, MemoryBudgetError, TargetError, UsageError
from cnnviz_jax.results.attribution import Heatmap
from tests.explain.small_network import model, some_images


@dataclass(frozen=True, kw_only=True)
class Powers(Fold):
    """Adds up index * image, or stacks it."""

    count: int

    @property
    def evaluations(self):
        return self.count

    def evaluate(self, case: Case):
        return case.index.astype(case.image.dtype) * case.image[..., 0]

    def finish(self, case: Case, gathered):
        return Heatmap(values=gathered if self.gather == "sum" else gathered.sum(0))


def run(images, count=5, gather="sum", **options):
    target = targets.resolve(0, model(), images)
    keys = keys_for(root_key(0), image_ids(images))
    return run_fold(Powers(count=count, gather=gather), model(), images, target, keys, **options)


@pytest.mark.parametrize("gather", ["sum", "stack"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 40, "auto"])
def test_every_evaluation_counts_once(gather, chunk):
    images = some_images(3)
    heat, scores = run(images, gather=gather, chunk=chunk)
    np.testing.assert_allclose(heat.values, 10 * images[..., 0], rtol=1e-6)
    np.testing.assert_allclose(scores, np.asarray(model()(images))[:, 0], rtol=1e-5)


def test_progress_rises_to_the_total():
    seen = []
    run(some_images(3), chunk=2, progress=lambda done, total, what: seen.append((done, total)))
    assert seen[-1] == (15, 15)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_chunk_is_halved_when_memory_runs_out(monkeypatch):
    asked = []
    real = fold_module.FoldRun._run_batch

    def short_of_memory(self, first, done):
        asked.append(self.chunk)
        if self.chunk > 3:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return real(self, first, done)

    monkeypatch.setattr(fold_module.FoldRun, "_run_batch", short_of_memory)
    images = some_images(2)
    heat, _ = run(images, count=9, chunk=9)
    np.testing.assert_allclose(heat.values, 36 * images[..., 0], rtol=1e-6)
    assert asked[:2] == [9, 3]  # half of 9 is 4, and 9 in parts of at most 4 are three of 3


def test_memory_that_never_suffices_is_an_error(monkeypatch):
    def never(self, first, done):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(fold_module.FoldRun, "_run_batch", never)
    with pytest.raises(MemoryBudgetError, match="one evaluation at a time"):
        run(some_images(1))


def test_a_budget_too_small_for_one_evaluation_is_an_error():
    with pytest.raises(MemoryBudgetError, match="one evaluation needs about"):
        cv.explain("occlusion", model(), some_images(1), 0, memory_budget=1000)


def test_a_small_budget_makes_smaller_chunks_and_the_same_numbers():
    images = some_images(1)
    plain = cv.explain("occlusion", model(), images, 0, window=2, stride=1)
    tight = cv.explain("occlusion", model(), images, 0, window=2, stride=1, memory_budget=200_000)
    np.testing.assert_allclose(plain.values, tight.values, atol=1e-6)


def test_other_weights_of_the_same_network_do_not_compile_again():
    net, images = model(), some_images(1)
    cv.explain("saliency", net, images, 0)
    before = compilations()
    doubled = net.with_params({**net.params, "head": {k: 2 * v for k, v in net.params["head"].items()}})
    twice = cv.explain("saliency", doubled, images, 0).values
    assert compilations() == before
    np.testing.assert_allclose(twice, 2 * cv.explain("saliency", net, images, 0).values, rtol=1e-5)


def test_a_plain_function_is_a_fold_of_one():
    from cnnviz_jax.engine import WholeImage

    fold = WholeImage(identity="brightness", function=lambda model, image, target, key: image.sum(-1))
    images = some_images(2)
    target = targets.resolve(0, model(), images)
    heat, _ = run_fold(fold, model(), images, target, keys_for(root_key(0), [0, 1]))
    np.testing.assert_allclose(heat.values, images.sum(-1), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"chunk": 0}, UsageError, "chunk is"),
        ({"target": 4}, TargetError, "class 4 is out of range: small has classes 0 to 3"),
        ({"target": [0, 1]}, TargetError, "the target names 2 values for 1 images"),
        ({"target": 1.5}, TargetError, "a class index is a whole number"),
        ({"key": "seed"}, UsageError, "key is a whole number"),
        ({"ids": [1, 2]}, UsageError, "ids names 2 numbers for 1 images"),
        ({"technique": "grad-cams"}, cv.errors.UnknownNameError, "Did you mean 'grad-cam'"),
        ({"layer": "conv9", "technique": "grad-cam"}, cv.errors.LayerNotFoundError, "no layer 'conv9' in small"),
        ({"layer": "head", "technique": "hires-cam"}, cv.errors.LayerKindError, "is no map"),
    ],
)
def test_a_wrong_argument_gets_a_sentence(arguments, error, text):
    with pytest.raises(error, match=text):
        cv.explain(**{"technique": "saliency", "model": model(), "images": some_images(1), **arguments})


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.zeros((12, 10, 3), np.int32), r"floats in \[0, 1\] or bytes \(uint8\), got int32"),
        (np.zeros((12, 10, 1), np.float32), "got an array of shape"),
        (np.full((12, 10, 3), np.nan, np.float32), "image 0 has values that are not finite"),
        (np.zeros((0, 12, 10, 3), np.float32), "no images"),
    ],
)
def test_a_wrong_image_gets_a_sentence(images, text):
    with pytest.raises(ImageError, match=text):
        cv.explain("saliency", model(), images, 0)


def test_weights_that_are_not_finite_are_refused():
    params = {**model().params, "head": {"kernel": jnp.full((8, 4), jnp.nan), "bias": jnp.zeros(4)}}
    from tests.explain.small_network import forward

    with pytest.raises(cv.errors.WeightsError, match=r"not finite: head\.kernel"):
        cv.adapt(forward, params, input_shape=(12, 10, 3))
