"""Further techniques beside Captum, at equal settings: gradients, relevance, and parts of the image taken away.

Parts are 7 x 7 squares of the image. LIME, KernelSHAP and GradientSHAP draw at random, so that results are compared for
none of them; the others give `difference` as `explanations.py` explains it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from alternating import Run, alternate
from captum import attr

CELLS = 7
"""Parts along each axis."""

Sides = Any
"""`explanations.Sides`."""


def _same(sides: Sides, peer: Run, ours: Run) -> dict[str, Any]:
    """Return times and how far the results lie apart."""
    apart = sides.differences(peer, ours)
    return {**alternate(peer, ours, repeats=sides.options.repeats), **apart}


def _parts(sides: Sides) -> dict[str, Any]:
    """Return what Captum is told of the parts, and in how many batches it evaluates them."""
    cell = -(-sides.options.size // CELLS)
    at = torch.arange(sides.options.size) // cell
    mask = (CELLS * at[:, None] + at[None])[None, None]
    return {"feature_mask": mask, "perturbations_per_eval": sides.setting.batch, "baselines": 0.0}


def saliency(sides: Sides) -> dict[str, Any]:
    peer = sides.peer(attr.Saliency(sides.network.torch).attribute, abs=False)
    return _same(sides, peer, sides.ours("saliency"))


def input_x_gradient(sides: Sides) -> dict[str, Any]:
    peer = sides.peer(attr.InputXGradient(sides.network.torch).attribute)
    return _same(sides, peer, sides.ours("input-x-gradient"))


def deeplift(sides: Sides) -> dict[str, Any]:
    peer = sides.peer(attr.DeepLift(sides.network.torch).attribute, baselines=0.0)
    return _same(sides, peer, sides.ours("deeplift", baseline="value(0)"))


def lrp(sides: Sides) -> dict[str, Any]:
    """The epsilon rule everywhere, Captum's default; it copies weights and hooks the network in every call."""
    peer = sides.peer(attr.LRP(sides.network.torch).attribute)
    return _same(sides, peer, sides.ours("lrp", convention="captum"))


def gradient_shap(sides: Sides) -> dict[str, Any]:
    samples, zero = sides.options.samples, torch.zeros_like(sides.given)
    attribute = attr.GradientShap(sides.network.torch).attribute
    peer = sides.peer(attribute, baselines=zero, n_samples=samples)
    ours = sides.ours("gradient-shap", samples=samples, baselines="value(0)")
    return {**alternate(peer, ours, repeats=sides.options.repeats), "samples": samples}


def feature_ablation(sides: Sides) -> dict[str, Any]:
    made = sides.peer(attr.FeatureAblation(sides.network.torch).attribute, **_parts(sides))
    ours = sides.ours("feature-ablation", segments=f"grid({CELLS})", fill=0.0)

    def peer() -> Any:
        return made()[..., 0].reshape(ours().shape)

    apart = sides.differences(peer, ours)
    return {**alternate(made, ours, repeats=sides.options.repeats), **apart, "parts": CELLS**2}


def _drawn(sides: Sides, method: Callable[..., Any], technique: str, **options: Any) -> dict[str, Any]:
    samples = sides.options.samples
    peer = sides.peer(method(sides.network.torch).attribute, n_samples=samples, **_parts(sides))
    ours = partial(sides.ours, technique, samples=samples, segments=f"grid({CELLS})", fill=0.0, **options)()
    times = alternate(peer, ours, repeats=sides.options.repeats)
    return {**times, "samples": samples, "parts": CELLS**2}


def lime(sides: Sides) -> dict[str, Any]:
    return _drawn(sides, attr.Lime, "lime", convention="captum")


def kernel_shap(sides: Sides) -> dict[str, Any]:
    return _drawn(sides, attr.KernelShap, "kernel-shap")


FURTHER: dict[str, Callable[[Sides], dict[str, Any]]] = {
    "saliency": saliency,
    "input-x-gradient": input_x_gradient,
    "lrp": lrp,
    "deeplift": deeplift,
    "gradient-shap": gradient_shap,
    "feature-ablation": feature_ablation,
    "lime": lime,
    "kernel-shap": kernel_shap,
}
ONE_IMAGE = ("saliency", "input-x-gradient", "lrp", "deeplift")
"""Techniques of one evaluation an image."""
FORWARD_ONLY = ("feature-ablation", "lime", "kernel-shap")
