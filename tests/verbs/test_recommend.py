"""Which technique is recommended: the best that depends on the weights, or none with a reason."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.verbs import recommend as module
from tests.explain.small_network import model, some_images

CLASSES = ["saliency", "input-x-gradient"]


def bright(count, seed=0):
    """A network of two classes that counts bright spots in the left and the right half, and such images."""
    random = np.random.default_rng(seed)
    images = 0.1 * random.uniform(size=(count, 12, 10, 1)).astype(np.float32)
    for number in range(count):
        row, col = random.integers(0, 9), random.integers(0, 3) + 5 * (number % 2)
        images[number, row : row + 3, col : col + 2] = 1

    def forward(params, x):
        return 3 * jnp.stack([(x[:, :, :5] * params[0]).sum((1, 2, 3)), (x[:, :, 5:] * params[1]).sum((1, 2, 3))], -1)

    return cv.adapt(forward, jnp.ones((2,)), input_shape=(12, 10, 1), name="bright"), images


def test_the_map_of_what_counts_is_recommended_over_one_that_does_not_know():
    net, images = bright(10)
    answer = cv.recommend(net, images, ["saliency", "input-x-gradient"], budget_s=600)
    # The gradient of a linear score is the same everywhere in a half; times the image it is the spot.
    assert answer.technique == "input-x-gradient"
    assert answer.faithfulness["input-x-gradient"][0] > answer.faithfulness["saliency"][0]
    low, high = answer.faithfulness["input-x-gradient"][1:]
    assert low <= answer.faithfulness["input-x-gradient"][0] <= high
    assert answer.control < answer.faithfulness["input-x-gradient"][0]
    text = str(answer)
    assert text.startswith("use input-x-gradient\n- on 10 images nothing is more faithful than input-x-gradient: ")
    assert "whether it depends on the weights was not asked" in text  # the network has no kernels
    assert answer.comparison.techniques == ("saliency", "input-x-gradient")
    assert answer.untried == ()


def test_few_images_and_a_single_technique_are_no_ground():
    net, images = bright(3)
    few = cv.recommend(net, images, CLASSES)
    assert few.abstains
    assert str(few).startswith("no recommendation\n- 3 images tell nothing apart; give 8 or more")
    net, images = bright(8)
    alone = cv.recommend(net, images, ["saliency"])
    assert alone.reasons[0] == "only saliency was measured, and there is nothing to compare it with"


def test_where_no_map_beats_a_random_one_none_is_recommended():
    # The score does not depend on the image.
    net = cv.adapt(lambda p, x: jnp.stack([p + 0 * x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], -1), jnp.float32(1),
                   input_shape=(12, 10, 3), name="constant")  # fmt: skip
    answer = cv.recommend(net, some_images(8), CLASSES)
    assert answer.abstains
    assert answer.reasons[0] == "no technique is better than a random map on these images"


def test_a_map_that_ignores_the_weights_is_left_out(monkeypatch):
    net, images = bright(10)
    monkeypatch.setattr(module, "_weights", lambda *_: {"input-x-gradient": 0.93, "saliency": 0.1})
    answer = cv.recommend(net, images, CLASSES)
    assert answer.abstains  # saliency is told apart from the best
    assert answer.insensitive == ("input-x-gradient",)
    assert answer.reasons[0] == "the best, input-x-gradient, hardly change when all weights are random"


def test_the_dependence_on_weights_is_asked_of_networks_with_kernels():
    answer = cv.recommend(model(), some_images(8), CLASSES)
    asked = module._weights(
        model(), some_images(8), cv.targets.class_score(jnp.zeros(8, jnp.int32)), ["saliency"], 0, {}, np.inf
    )
    maps = cv.explain("saliency", model(), some_images(8)[:4], 0, key=0)
    slow = cv.measure("parameter-randomization", model(), None, maps, key=0).curve[:, -1].mean()
    assert asked["saliency"] == pytest.approx(float(slow), abs=1e-5)
    assert set(answer.faithfulness) == set(CLASSES)


def test_the_time_is_kept_and_what_was_not_tried_is_said():
    net, images = bright(8)
    answer = cv.recommend(net, images, [*CLASSES, "occlusion"], budget_s=1e-9)
    assert answer.untried == ("input-x-gradient", "occlusion")
    assert answer.reasons[-1] == "the time of 1e-09 s did not suffice for input-x-gradient, occlusion"


def test_names_and_numbers_are_checked():
    net, images = bright(8)
    with pytest.raises(UsageError, match="budget_s is positive, got 0"):
        cv.recommend(net, images, budget_s=0)
    with pytest.raises(CnnvizError, match="no explain technique 'saliencyy'"):
        cv.recommend(net, images, ["saliencyy"])
    with pytest.raises(UsageError, match="options are given for 'occlusion', which is not among"):
        cv.recommend(net, images, CLASSES, options={"occlusion": {"window": 4}})


FACTORY = """
import jax.numpy as jnp

def build():
    return (lambda p, x: (x * p).mean((1, 2))), jnp.ones((3,)), {"input_shape": (12, 10, 3), "name": "own"}
"""


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "recommended_net.py").write_text(FACTORY)
    from PIL import Image

    for number, image in enumerate(some_images(2)):
        Image.fromarray((255 * image).astype(np.uint8)).save(f"{number}.png")
    line = "recommend recommended_net:build 0.png 1.png --techniques saliency,input-x-gradient --out c.npz"
    assert main(line.split()) == 0
    assert "no recommendation\n- 2 images tell nothing apart" in capsys.readouterr().out
    assert main([*line.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["technique"] is None
    assert (tmp_path / "c.npz").exists()
    assert main(["recommend", "recommended_net:build", "0.png", "--budget", "soon"]) == 2
    assert "--budget is a number of seconds above 0, got 'soon'" in capsys.readouterr().err
