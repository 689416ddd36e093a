"""What the tests over the whole registry share: every explain technique, its options cut small, awkward networks.

`CHEAP` cuts the budget of whatever option has one of its names, so techniques that come later are covered without a
line here.
"""

import dataclasses
import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.plugins import plugins
from tests.explain.small_network import forward, parameters

CHEAP: dict[str, object] = {
    "samples": 4,
    "nodes": 3,
    "steps": 4,
    "masks": 6,
    "points": 4,
    "designs": 4,
    "iterations": 3,
    "rounds": 3,
    "evaluations": 8,
    "grid": 3,
    "cells": 3,
    "segments": "grid(2)",
    "scales": (10.0,),
    "size": 16,
    "min_size": 8,
    "window": 4,
    "stride": 4,
}
"""A small value for any option of that name; one that a config refuses is left at its default."""

TECHNIQUES = tuple(name for name, spec in plugins(quiet=True).techniques.items() if spec.kind == "explain")


def cheap(name: str) -> dict[str, object]:
    """The options that cut a technique's budget, those of a kind its config takes."""
    config = plugins().techniques[name].config
    hints = typing.get_type_hints(config)
    chosen: dict[str, object] = {}
    for field in dataclasses.fields(config):
        if field.name not in CHEAP:
            continue
        value, hint = CHEAP[field.name], hints[field.name]
        kinds = (hint, *typing.get_args(hint))
        is_tuple = isinstance(value, tuple) and any(typing.get_origin(kind) is tuple for kind in kinds)
        if not (is_tuple or type(value) in kinds):
            continue
        try:
            config(**chosen, **{field.name: value})
        except (CnnvizError, TypeError, ValueError):
            continue
        chosen[field.name] = value
    return chosen


def flat(params, x):
    """No spatial structure at all: maps of 1 x 1 from the first layer on."""
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(x, params, x.shape[1:3], "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(x).mean((1, 2))


@functools.cache
def network(kind: str) -> cv.Model:
    """One of `NETWORKS`; the first two differ in their numbers only and share what is compiled."""
    if kind == "one channel":
        return cv.adapt(forward, parameters(1), input_shape=(8, 12, 1), name=kind)
    if kind == "all negative":  # every map under the ReLUs is negative: no gradient, no class is ever active
        return network("one channel").with_params(jax.tree.map(lambda leaf: -jnp.abs(leaf), parameters(1)))
    kernel = np.random.default_rng(5).normal(size=(8, 6, 5, 4)).astype(np.float32)
    return cv.adapt(flat, jnp.asarray(kernel), input_shape=(8, 6, 5), name=kind)


NETWORKS = ("one channel", "all negative", "five channels, 1 x 1 maps")


def awkward(shape: tuple[int, ...]) -> np.ndarray:
    """Black, white, grey, and one image like any other."""
    usual = np.random.default_rng(1).uniform(size=shape)
    return np.stack([np.zeros(shape), np.ones(shape), np.full(shape, 0.5), usual]).astype(np.float32)


@functools.cache
def explained(name: str, kind: str, chunk: int | str = "auto", turned: bool = False) -> cv.Attribution | None:
    """The result, or `None` where the technique refuses this network in a sentence."""
    net = network(kind)
    images = awkward(net.input_shape)
    try:
        return cv.explain(name, net, images[::-1] if turned else images, 1, key=2, chunk=chunk, **cheap(name))
    except CnnvizError as refusal:
        check_refusal(refusal)
        return None


def check_refusal(refusal: CnnvizError) -> str:
    """Return a refusal's text, which is one sentence about the network and not about numbers gone wrong."""
    text = str(refusal)
    assert "not finite" not in text, text
    assert len(text) > 20
    assert "\n" not in text
    return text


def check_contract(result: cv.Attribution, name: str, net: cv.Model) -> None:
    """Fail unless a result is finite, of the right shape, and says what decided it."""
    extras = dict(result.extras)
    error = np.asarray(extras.pop("standard_error", 0.0), np.float64)
    assert not np.isinf(error).any()  # NaN where so few samples do not tell it
    for leaf in jax.tree.leaves((result.values, result.low_res, result.scores, extras)):
        assert np.isfinite(np.asarray(leaf, np.float64)).all()
        assert len(leaf) == len(result.images)
    height, width, _ = net.input_shape
    values = np.asarray(result.values)
    if result.view == "maps":
        assert values.ndim == 4
    else:
        assert values.shape[1:3] == (height, width)
    assert result.provenance.technique == name
    assert result.provenance.targets == ("1",) * len(values)
    assert result.provenance.as_dict()["config"] is not None
    assert all(isinstance(warning, str) and warning for warning in result.warnings)
    one = result[1]
    np.testing.assert_array_equal(one.values[0], values[1])
    if not values.any():
        assert any("all zero" in warning for warning in result.warnings)


def assert_alike(values, first) -> None:
    """Fail unless two arrays of maps agree but for rounding."""
    scale = max(float(np.abs(first).max()), 1e-6)
    np.testing.assert_allclose(values, first, atol=2e-4 * scale, rtol=1e-3)
