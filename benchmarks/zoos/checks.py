"""Seven checks of one network, in the order of their worth; each is right, or says what it found."""

import contextlib
import re
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.compiling.options import compiling_quickly, quick_options
from cnnviz_jax.errors import CnnvizError
from zoos.network import CHECKS, Network

TOLERANCE = 1e-5
"""Of the largest score."""


class Wrong(Exception):
    """A check did not hold; the text says what was found."""


def checked(network: Network, checks: tuple[str, ...] = CHECKS) -> dict[str, Any]:
    """Return, for each check, `ok: what was measured` or `wrong: what was found`, and the seconds it took."""
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    with compiling_quickly():
        case: list[_Case] = []
        for name in checks:
            start = time.process_time()
            try:
                if name == "adapts":
                    case.append(_Case(network))
                    found[name] = f"ok: {len(case[0].model.layers)} layers"
                elif case:
                    found[name] = "ok: " + _CHECKS[name](case[0])
                else:
                    found[name] = "wrong: it is not adapted"
            except Wrong as error:
                found[name] = f"wrong: {error}"
            except Exception as error:
                found[name] = f"wrong: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            seconds[name] = round(time.process_time() - start, 2)
    return {"checks": found, "seconds": seconds, "warnings": list(case[0].model.warnings) if case else []}


class _Case:
    """The adapted network, an image, its four occluded copies, and the framework's scores of them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.model = cv.adapt(*network.native, input_shape=network.shape, **network.options)
        self.rng = np.random.default_rng(3)
        height, width, channels = network.shape
        self.window, self.stride = (height // 4, width // 4), (height // 2, width // 2)
        self.images = np.repeat(self.rng.random((1, height, width, channels), np.float32), 5, 0)
        for place in range(4):
            top, left = self.stride[0] * (place // 2), self.stride[1] * (place % 2)
            self.images[1 + place, top : top + self.window[0], left : left + self.window[1]] = 0.5
        self.native = np.asarray(network.forward(self.images), np.float64)
        if self.native.ndim != 2:
            raise Wrong(f"the framework's scores have shape {self.native.shape}")
        if not np.isfinite(self.native).all():
            raise Wrong("the framework's own scores are not finite")
        self.size = float(np.abs(self.native).max())
        self.target = int(self.native[0].argmax())


def _equal(case: _Case) -> str:
    run = jax.jit(lambda model, images: model(images)).lower(case.model.shapes, jnp.asarray(case.images))
    ours = np.asarray(run.compile(compiler_options=quick_options())(case.model, case.images), np.float64)
    if ours.shape != case.native.shape:
        raise Wrong(f"scores have shape {ours.shape}, the framework's {case.native.shape}")
    return _near(case, ours, case.native, lambda scores: scores)


def _near(case: _Case, ours: np.ndarray, theirs: np.ndarray, read: Callable[[np.ndarray], np.ndarray]) -> str:
    """Numbers agree to 1e-5, or are as near as the framework's own to what it computes in 64 bits.

    Args:
        case: The network.
        ours: Numbers of this package.
        theirs: The framework's.
        read: Makes such numbers of scores.
    """
    off = float(np.abs(ours - theirs).max()) / case.size if case.size else float("inf")
    if off <= TOLERANCE:
        return f"{off:.0e}"
    told = f"differ by {off:.1e} of the largest score"
    if case.network.exact is None:
        raise Wrong(told)
    # A BatchNorm that divides by a small spread makes more of every rounding. Two programs that add in another order
    # then differ by up to the sum of their errors, so each is held to 64 bits, and ours to no more than twice theirs.
    exact = read(np.asarray(case.network.exact(case.images), np.float64))
    own, other = (float(np.abs(each - exact).max()) / case.size for each in (ours, theirs))
    if not own <= max(TOLERANCE, 2 * other):
        raise Wrong(f"{told}; from 64 bits by {own:.1e}, the framework by {other:.1e}")
    return f"{off:.0e}; from 64 bits {own:.0e}, the framework {other:.0e}"


def _names(case: _Case) -> str:
    """Layers with kernels are called as modules; others as modules, or by their kind below one."""
    modules, strange, exact = case.network.modules, [], 0
    for name, layer in case.model.layers.items():
        own = re.sub(r"#\d+$|\[\d+\]", "", name)  # a second call, a turn of a scan
        exact += own in modules
        if own in modules:
            continue
        above = own.rpartition(".")[0]
        if (layer.kernel_shape is not None and not (above and above in modules)) or (above and above not in modules):
            strange.append(name)
    if strange:
        raise Wrong(f"{len(strange)} of {len(case.model.layers)} names are no module's, such as {strange[:4]}")
    if not exact:
        raise Wrong("no layer is called as a module is")
    return f"{exact} of {len(case.model.layers)} are modules"


def _fields(case: _Case) -> str:
    """The gradient of a unit lies in its box, and reaches all four sides of it."""
    model, rng = case.model, case.rng
    height, width = case.network.shape[:2]
    maps = [layer for layer in model.layers.values() if layer.is_map and layer.shape[0] * layer.shape[1] > 1]
    if not maps:
        return "no maps"
    units = [(layer, *(int(rng.integers(n)) for n in layer.shape[:2])) for layer in maps]
    boxes = [layer.receptive_field.box(row, column) for layer, row, column in units]
    bounded = [k for k, box in enumerate(boxes) if box != (0, 0, height - 1, width - 1)] or list(range(len(units)))
    asked = sorted({bounded[len(bounded) // 2], bounded[-1]})
    names = [units[k][0].name for k in asked]
    mixes = [rng.standard_normal(units[k][0].shape[2]).astype(np.float32) for k in asked]

    def unit(model: cv.Model, image: Any, selectors: list[Any]) -> Any:
        values = model.run(image, read=tuple(names), need_outputs=False)[1]
        return sum(
            (values[name] * selector).sum().astype(jnp.float32) for name, selector in zip(names, selectors, strict=True)
        )

    zeros = [np.zeros(units[k][0].shape, np.float32) for k in asked]
    lowered = jax.jit(jax.grad(unit, argnums=1)).lower(model.shapes, case.images[0], zeros)
    gradient = lowered.compile(compiler_options=quick_options())
    told = []
    for number, k in enumerate(asked):
        layer, row, column = units[k]
        selectors = [zero.copy() for zero in zeros]
        selectors[number][row, column] = mixes[number]
        top, left, bottom, right = boxes[k]
        support = np.zeros((height, width), bool)
        for _ in range(16):  # a unit that a ReLU closes on one image is open on another
            image = rng.random(case.images[0].shape, np.float32)
            support |= np.asarray(gradient(model, image, selectors)).any(-1)
            rows, columns = np.flatnonzero(support.any(1)), np.flatnonzero(support.any(0))
            if len(rows) and (rows[0], columns[0], rows[-1], columns[-1]) == (top, left, bottom, right):
                break
            if not len(rows) and (top > bottom or left > right):  # padding and nothing else
                break
        else:
            seen = (rows[0], columns[0], rows[-1], columns[-1]) if len(rows) else "nothing"
            raise Wrong(
                f"unit ({row}, {column}) of {layer.name} has the box {boxes[k]}; its gradients reach "
                f"{tuple(map(int, seen)) if len(rows) else seen}"
            )
        size = f"{bottom - top + 1}x{right - left + 1}" if bottom >= top and right >= left else "only padding"
        told.append(f"{layer.name} {size}")
    return ", ".join(told)


def _grad_cam(case: _Case) -> str:
    image = case.images[:1]
    for target in np.argsort(-case.native[0])[:5]:
        result = cv.explain("grad-cam", case.model, image, int(target))
        values = np.asarray(result.low_res)
        if not np.isfinite(values).all():
            raise Wrong(f"not finite at {result.provenance.layer}")
        if values.any():
            return f"{result.provenance.layer}"
    raise Wrong(f"all zero at {result.provenance.layer} for five classes; {' '.join(result.warnings)[:200]}")


def _lrp(case: _Case) -> str:
    """What goes in comes out, if need be without the biases' numbers, or the result says that it does not."""
    try:
        result = _relevance(case, case.model)
    except CnnvizError as error:
        told = " ".join(str(error).split())
        if "not finite" not in told:
            return f"refuses: {told[:200]}"
        return _overflown(case, told)
    off = _lost(result)
    if off <= 0.05:
        return f"conserves to {off:.0e}"
    if not any("not conserved" in text for text in result.warnings):
        raise Wrong(f"{off:.1e} of the relevance is lost, and nothing says so")
    # Sums near zero that divide relevance come from biases: LRP that gives biases no share is defined without them.
    bare = _relevance(case, case.model.with_params(_without_biases(case.model.params)))
    if _lost(bare) <= 0.05:
        return f"conserves to {_lost(bare):.0e} without biases; says that it loses {off:.0e} with them"
    return f"says that it loses {off:.0e}; {' '.join(result.warnings)[:200]}"


def _overflown(case: _Case, told: str) -> str:
    """A refusal names the cause, and either there is none where biases are zero, or what it names helps."""
    if "sums near zero divide it" not in told:
        raise Wrong(told[:300])
    bare = case.model.with_params(_without_biases(case.model.params))
    with contextlib.suppress(CnnvizError):
        # Without the biases' numbers, values shrink from layer to layer, Keras' MobileNetV2 to scores of 1e-10: an
        # epsilon of 1e-6 would take all, and 0 is the rule that conserves.
        off = _lost(_relevance(case, bare, epsilon=0.0))
        if off <= 0.05:
            return f"conserves to {off:.0e} without biases; with them it refuses, and says why"
    _relevance(case, case.model, bias=True)  # raises if it is not finite either
    return f"refuses: {told[:200]}"


def _relevance(case: _Case, model: cv.Model, *, bias: bool = False, **options: Any) -> cv.Attribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cv.explain("lrp", model, case.images[:1], case.target, bias=bias, **options)


def _lost(result: cv.Attribution) -> float:
    root = float(result.extras["root"][0])
    return abs(float(np.asarray(result.values, np.float64).sum()) - root) / max(abs(root), 1e-30)


def _without_biases(params: Any) -> Any:
    def leaf(path: Any, value: Any) -> Any:
        words = set(re.split(r"\W+|_", jax.tree_util.keystr(path[-2:]).lower()))
        is_bias = not words.isdisjoint(("b", "bias", "mean", "beta", "offset")) and jnp.ndim(value) == 1
        # Attention's have an axis of heads, and those of a scan one of blocks.
        is_bias |= re.split(r"\W+", jax.tree_util.keystr(path[-1:]).lower()).count("bias") > 0
        return jnp.zeros_like(value) if is_bias else value

    return jax.tree_util.tree_map_with_path(leaf, params)


def _occlusion(case: _Case) -> str:
    """Windows recomputed against the framework's own scores of the occluded images."""
    result = cv.explain(
        "occlusion", case.model, case.images[:1], case.target, window=case.window, stride=case.stride, fill=0.5,
        engine="incremental",
    )  # fmt: skip
    drops = np.asarray(result.low_res, np.float64).ravel()

    def read(scores: np.ndarray) -> np.ndarray:
        return scores[0, case.target] - scores[1:, case.target]

    return _near(case, drops, read(case.native), read)


_CHECKS: dict[str, Callable[[_Case], str]] = {
    "equal": _equal,
    "names": _names,
    "fields": _fields,
    "grad-cam": _grad_cam,
    "lrp": _lrp,
    "occlusion": _occlusion,
}
