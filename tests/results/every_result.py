"""One small result of every class, made by the verbs themselves on one tiny network."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import cnnviz_jax as cv
from tests.renderers.factories import HOSTILE


def _forward(params, x):
    x = jax.nn.relu(
        jax.lax.conv_general_dilated(x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    )
    return x.mean((1, 2)) @ params["dense"]


@functools.cache
def model() -> cv.Model:
    first, second = jax.random.split(jax.random.key(0))
    params = {"conv": jax.random.normal(first, (3, 3, 3, 4)), "dense": jax.random.normal(second, (4, 3))}
    return cv.adapt(_forward, params, input_shape=(8, 8, 3), labels=["ant", HOSTILE, "cow"])


@functools.cache
def images() -> np.ndarray:
    return np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)


@functools.cache
def other_model() -> cv.Model:
    return model().with_params(jax.tree.map(lambda leaf: leaf + 0.3 * jnp.sin(100 * leaf), model().params))


@functools.cache
def six_images() -> np.ndarray:
    return np.random.default_rng(1).random((6, 8, 8, 3)).astype(np.float32)


@functools.cache
def twelve_images() -> np.ndarray:
    return np.random.default_rng(2).random((12, 8, 8, 3)).astype(np.float32)


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="cnnviz-test-"))


@functools.cache
def image_file() -> Path:
    path = folder() / "image.png"
    Image.fromarray((images()[0] * 255).astype(np.uint8)).save(path)
    return path


@functools.cache
def training() -> Path:
    """Return the folder of a recorded training of two steps."""
    recorder = cv.Recorder(folder() / "run")
    for step in range(2):
        recorder.save(step, {"conv": {"kernel": np.full((3, 3, 3, 2), step + 1.0, np.float32)}})
    return folder() / "run"


MAKERS: dict[str, Any] = {
    "Attribution": lambda: cv.explain("saliency", model(), images(), 1),
    "Synthesis": lambda: cv.synthesize(
        "activation-maximization", model(), layer=_layer(), channels=[0, 2], steps=2, recipe="keras2020", key=3
    ),
    "Measurement": lambda: cv.measure("sparseness", model(), images(), made("Attribution")),
    "Comparison": lambda: cv.compare(model(), images(), ["saliency"], ["sparseness"], 1),
    "Recommendation": lambda: cv.recommend(model(), images(), ["saliency", "input-x-gradient"], 1, key=0),
    "Exemplars": lambda: cv.survey("exemplars", model(), images(), [0, 1, 2], layer=_layer(), k=2),
    "Distributions": lambda: cv.survey("distributions", model(), images(), layer=_layer()),
    "Dissection": lambda: cv.survey(
        "dissection", model(), images(), layer=_layer(),
        fields={"concepts": images()[..., :2].transpose(0, 3, 1, 2) > 0.5},
    ),
    "FilterBank": lambda: cv.inspect("filters", model(), layer=_layer()),
    "FilterVariety": lambda: cv.inspect("filter-variety", model()),
    "FilterMatch": lambda: cv.inspect("filter-match", model(), image=str(image_file())),
    "ReceptiveFields": lambda: cv.inspect("receptive-field", model()),
    "EffectiveReceptiveField": lambda: cv.inspect("effective-receptive-field", model(), samples=2),
    "Convolution": lambda: cv.inspect("convolve", images()[0]),
    "Evolution": lambda: cv.inspect("evolution", training()),
    "Difference": lambda: cv.diff(model(), other_model(), six_images(), labels=[0, 1, 2, 0, 1, 2], shown=2),
    "Drift": lambda: cv.diff([model(), other_model(), model()], None, six_images(), labels=[0, 1, 2, 0, 1, 2]),
    "UnitNames": lambda: cv.name_units(
        model(), twelve_images(), labels=[0, 1, 2] * 4, permutations=5, draws=5, least=2
    ),
    "Dictionary": lambda: cv.learn_dictionary("nmf", model(), twelve_images(), layer=_rectified(), size=3, key=0),
    "FeatureImportance": lambda: cv.feature_importance(model(), made("Dictionary"), images(), 1),
    "Shortcuts": lambda: cv.find_shortcuts(
        model(), made("Dictionary"), np.tile(twelve_images(), (2, 1, 1, 1)), [0, 1, 2] * 8, candidates=2, most=2
    ),
    "Intervention": lambda: cv.intervene(model(), images(), {_layer(): "zero"}),
    "Report": lambda: cv.report(model(), images(), techniques=["saliency"]),
}  # fmt: skip


def _layer() -> str:
    return next(layer.name for layer in model().layers.values() if layer.kind == "conv")


def _rectified() -> str:
    return next(layer.name for layer in model().layers.values() if layer.kind == "relu" and layer.is_map)


@functools.cache
def made(name: str) -> Any:
    return MAKERS[name]()
