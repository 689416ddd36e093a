"""One small site for all tests of the explorer, whose network has a residual sum and whose names are hostile."""

import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from tests.renderers.factories import HOSTILE

COUNT, CLASSES = 12, 3
IMAGE = "</script><img src=x onerror=alert(1)>"


def _conv(params, x, name):
    with jax.named_scope(name):
        return jax.lax.conv_general_dilated(x, params[name], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def forward(params, x):
    x = jax.nn.relu(_conv(params, x, "stem"))
    x = jax.nn.relu(_conv(params, x, "branch") + x)
    x = _conv(params, x, "deep")
    x = jax.nn.relu(x).mean((1, 2))
    with jax.named_scope("head"):
        return x @ params["head"]


def parameters():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1])))

    found = {"stem": normal(3, 3, 3, 6), "branch": normal(3, 3, 6, 6), "deep": normal(3, 3, 6, 20)}
    deep = found["deep"].at[..., 7].set(0).at[..., 9].set(found["deep"][..., 8])  # a dead unit, and two twins
    return {**found, "deep": deep, "head": normal(20, CLASSES)}


@functools.cache
def model() -> cv.Model:
    return cv.adapt(forward, parameters(), input_shape=(12, 10, 3), labels=["ant", HOSTILE, "cow"], name="small & <b>")


@functools.cache
def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(COUNT, 12, 10, 3)).astype(np.float32)


def labels() -> np.ndarray:
    return np.arange(COUNT) % CLASSES


def names() -> list[str]:
    return [f"image {number}" for number in range(COUNT - 1)] + [IMAGE]


def explore(out, **options):
    """Make a site of the small network."""
    return cv.explore(model(), images(), out, labels(), **{"names": names(), "batch": 4, **options})


@functools.cache
def made() -> cv.Site:
    """Return the site, made once, with an image for one unit of each layer."""
    return explore(Path(tempfile.mkdtemp(prefix="cnnviz-test-")) / "site", synthesis="top:1", key=0)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a site by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
