"""Thousands of classes, hundreds of images at once, outputs that are no numbers, and a bound on memory."""

import resource
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError, UsageError
from tests.sweep import fixtures, harness, small

CHECKOUT = Path(__file__).parents[2]


def _conv(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def partly(params, x):
    """A network that divides by what is nothing where the first pixel is dark: from `broken` on all is NaN."""
    with jax.named_scope("conv"):
        y = jax.nn.relu(_conv(x, params["conv"]))
    with jax.named_scope("broken"):
        y = y * jnp.sqrt(x[:, :1, :1, :1] - 0.3)
    return y.mean((1, 2)) @ params["head"]


def network(size=8, classes=3):
    first, second = jax.random.split(jax.random.key(0))
    params = {"conv": jax.random.normal(first, (3, 3, 3, 4)), "head": jax.random.normal(second, (4, classes))}
    return cv.adapt(partly, params, input_shape=(size, size, 3), name="partly")


@pytest.fixture
def images():
    """Four, of which the network makes no numbers of the one with number 1."""
    found = np.random.default_rng(0).uniform(0.4, 1, (4, 8, 8, 3)).astype(np.float32)
    found[1, 0, 0, 0] = 0.1
    return found


def test_explain_and_measure_name_the_image_whose_scores_are_no_numbers(images):
    with pytest.raises(ModelError, match="partly gives scores that are not finite for image 1"):
        cv.explain("saliency", network(), images, 1)
    maps = cv.explain("saliency", network(), images[[0, 2, 3, 3]], 1)
    with pytest.raises(ModelError, match="is not finite for image"):
        cv.measure("deletion", network(), images, maps, steps=2)
    with pytest.raises(UsageError, match=r"nothing could be measured: .* not finite for image 1"):
        cv.compare(network(), images, ["saliency"], ["deletion"], 1)


@pytest.mark.parametrize("technique", ["exemplars", "distributions"])
def test_a_survey_says_of_which_images_values_are_no_numbers(images, technique):
    layer = next(name for name in network().layers if name.startswith("broken"))
    found = cv.survey(technique, network(), images, layer=layer)
    told = " ".join([*found.warnings, repr(dict(found.provenance.notes))])
    assert "not finite" in told
    if technique == "exemplars":
        assert not np.isnan(found.value).any()
        assert 1 not in found.id
    else:
        assert np.isfinite(found.mean).all()


def test_a_sweep_marks_the_images_whose_outputs_are_no_numbers_and_counts_them_nowhere(tmp_path):
    folder = small.sweep(tmp_path / "run", net=network(size=16), explain=small.PARTS["explain"], survey=[])
    statuses = harness.statuses(folder.root)
    dark = np.array([fixtures.Images().some_image(i)[0, 0, 0] <= 0.3 for i in range(small.COUNT)])
    assert 0 < dark.sum() < small.COUNT
    np.testing.assert_array_equal(statuses == 3, dark)
    np.testing.assert_array_equal(statuses == 1, ~dark)
    scores = np.frombuffer(harness.content(folder.root)["pred_score"], np.float32)[: small.COUNT]
    assert np.isfinite(scores[~dark]).all()


def test_two_thousand_classes_and_five_hundred_images_at_once():
    model = network(classes=2_000)
    many = np.random.default_rng(1).uniform(0.4, 1, (500, 8, 8, 3)).astype(np.float32)
    found = cv.explain("saliency", model, many, 1_999)
    assert found.values.shape[0] == 500
    alone = cv.explain("saliency", model, many[499:], 1_999)
    np.testing.assert_allclose(found.values[499], alone.values[0], rtol=1e-5)
    labels = np.arange(500) * 4
    classes = cv.survey("exemplars", model, many, labels, layer=next(iter(model.layers)), k=2)
    assert np.asarray(classes.value).shape[0] == 4


BUDGET = """
import sys
import jax, numpy as np
import cnnviz_jax as cv

def conv(x, kernel, step):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (step, step), "SAME", dimension_numbers=layout))

def forward(params, x):
    return conv(conv(x, params["k"], 1), params["l"], 4).mean((1, 2))

params = {"k": np.ones((1, 1, 3, 64), np.float32), "l": np.ones((1, 1, 64, 4), np.float32)}
model = cv.adapt(forward, params, input_shape=(224, 224, 3))
image = np.random.default_rng(0).random((1, 224, 224, 3)).astype(np.float32)
budget = int(sys.argv[1]) or None
cv.explain("smoothgrad", model, image, 1, samples=6, memory_budget=budget, chunk="auto")
# Not `getrusage`: its most is what the parent held when this process began.
(most,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(most.split()[1]) // 1024)
"""


def test_a_budget_keeps_the_whole_process_below_a_gibibyte():
    """The budget is of one compiled program; Python, JAX and its compiler take some 400 MiB beside it."""
    words = [sys.executable, "-c", BUDGET, str(400 << 20)]
    env = harness.environment(CHECKOUT / "none", JAX_NUM_CPU_DEVICES="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(words, env=env, cwd=CHECKOUT, capture_output=True, text=True, timeout=240, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
    assert int(done.stdout) < 1024
