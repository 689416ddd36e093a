"""The bundled network learns of images of which something is missing; what is missing is what is said to be."""

import itertools

import jax
import numpy as np
from flax import nnx

from cnnviz_plugins.models.shapes.bundled import load_shapes
from cnnviz_plugins.models.shapes.fine_tuning import cell_batches, fine_tuned, part_batches
from cnnviz_plugins.models.shapes.images import draw_images


def test_an_image_without_an_object_is_every_class_alike():
    batches = list(part_batches(4, 16, leave_out=0.5, seed=1))
    answers = np.concatenate([answers for _, answers in batches])
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-6)
    flat = answers.max(1) < 0.2
    assert 0 < flat.sum() < len(flat) / 2
    np.testing.assert_allclose(answers[flat], 0.1)
    whole, whole_answers = next(part_batches(1, 16, leave_out=0.0, seed=1))
    again, _ = next(part_batches(1, 16, leave_out=0.0, seed=1))
    np.testing.assert_array_equal(whole, again)
    named = whole_answers.argmax(1)[whole_answers.max(1) == 1]
    assert len(set(named.tolist())) > 3


def test_cells_that_go_take_the_mean_colour_and_at_most_their_share_goes():
    images, answers = next(cell_batches(1, 24, beta=0.5, seed=3))
    numbers = np.random.default_rng(3).integers(1_000_000, size=24)  # the first that is drawn
    whole, labels = draw_images(numbers.tolist(), split="train")
    np.testing.assert_array_equal(answers.argmax(1), labels)
    changed = (images != whole).any(-1).reshape(24, 8, 8, 8, 8).any((2, 4))
    assert 0.1 < changed.mean() < 0.4  # half of 0.5 on average
    covered = changed.repeat(8, 1).repeat(8, 2)
    np.testing.assert_array_equal(images[~covered], whole[~covered])
    np.testing.assert_allclose(images[covered], np.broadcast_to(whole.mean((0, 1, 2)), (covered.sum(), 3)), rtol=1e-6)
    untouched, _ = next(cell_batches(1, 4, beta=0.0))
    assert untouched.shape == (4, 64, 64, 3)


def test_a_few_steps_on_one_batch_lower_its_loss_and_leave_the_statistics_alone():
    network, batch = load_shapes(), next(part_batches(1, 8, leave_out=0.6, seed=5))
    before = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(network, nnx.BatchStat)))
    first = fine_tuned(load_shapes(), itertools.repeat(batch), 1)
    last = fine_tuned(network, itertools.repeat(batch), 8)
    assert last < 0.9 * first
    after = nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.map(np.array, after))
    kept = load_shapes()
    assert not np.array_equal(np.asarray(network.fc.kernel[...]), np.asarray(kept.fc.kernel[...]))
