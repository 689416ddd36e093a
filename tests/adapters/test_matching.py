"""Which adapter takes which object: decided by type names alone, and told when two would."""

import functools
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import AdapterSpec
from cnnviz_plugins.adapters.plugin import cnnviz_adapters

DENSE, LINEAR = nn.Dense(2), nnx.Linear(2, 2, rngs=nnx.Rngs(0))


def function(params, x):
    return x.mean((1, 2)) * params


class Instance:
    def __call__(self, params, x):
        return x


class Inherited(nn.Dense):
    pass


class Foreign:
    def __call__(self, x):
        return x


Foreign.__module__ = "torch.nn.modules.linear"


class OfForeign(Foreign):
    """A user's own subclass of a framework's module."""


def of(package, name):
    """Return an object of a user's own subclass of a framework's class, which need not be installed."""
    base = type(name, (Foreign,), {})
    base.__module__ = package
    return type("Own", (base,), {"method": lambda self, x: x})()


@pytest.mark.parametrize(
    ("native", "names"),
    [
        (DENSE, ["linen"]),
        (Inherited(2), ["linen"]),
        ((DENSE, {}), ["linen"]),
        (DENSE.bind({"params": {}}), ["linen"]),
        (DENSE.apply, ["linen", "callable"]),
        (LINEAR, ["nnx"]),
        (nnx.Sequential(LINEAR), ["nnx"]),
        (nnx.split(LINEAR), ["nnx"]),
        (nnx.graphdef(LINEAR), ["nnx"]),
        (function, ["callable"]),
        ((function, {}), ["callable"]),
        (jax.jit(function), ["callable"]),
        (functools.partial(function, 1.0), ["callable"]),
        (Instance(), ["callable"]),
        (Instance, ["callable"]),
        (nn.Dense, ["callable"]),
        (Foreign(), []),
        (OfForeign(), []),
        (3, []),
        ({"params": {}}, []),
        (of("equinox._module._module", "Module"), ["equinox"]),
        ((of("equinox._module._module", "Module"), {}), ["equinox"]),
        (of("equinox._module._module", "Module").method, ["equinox", "callable"]),
        (of("haiku._src.transform", "Transformed"), ["haiku"]),
        ((of("haiku._src.transform", "TransformedWithState"), {}, {}), ["haiku"]),
        (of("keras.src.layers.layer", "Layer"), ["keras"]),
        (of("torch.nn.modules.module", "Module"), ["torch"]),
        (of("torch.export.exported_program", "ExportedProgram"), ["torch"]),
    ],
)
def test_objects_go_to_their_framework(native, names):
    assert [spec.name for spec in cnnviz_adapters() if spec.matches(native)] == names


def test_functions_are_asked_only_when_nothing_else_takes_the_object():
    assert [spec.name for spec in cnnviz_adapters() if spec.fallback] == ["callable"]
    model = cv.adapt(DENSE.apply, {"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}, input_shape=(4, 4, 3))
    assert model.structure.pure.framework == "linen"


def test_matching_imports_nothing():
    code = """
import sys
from cnnviz_plugins.adapters.plugin import cnnviz_adapters
class Own:
    def __call__(self, x): return x
natives = [Own(), Own, len, (len, {}), 3, None, {}, "x"]
answers = [[spec.matches(native) for native in natives] for spec in cnnviz_adapters()]
assert all(answer == [False] * 8 for answer in answers[:-1]), answers
assert answers[-1] == [True, True, True, True, False, False, False, False], answers
heavy = {"jax", "flax", "numpy", "optax", "matplotlib", "equinox", "haiku", "torch", "keras"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_adapters_for_one_object_are_named_until_the_user_chooses(monkeypatch):
    ours = {spec.name: spec for spec in cnnviz_adapters()}
    rival = AdapterSpec(name="rival", summary="", matches=lambda native: True, build=ours["linen"].build)
    monkeypatch.setattr(type(plugins()), "adapters", property(lambda self: {**ours, "rival": rival}))
    monkeypatch.setattr(type(plugins()), "owner", lambda self, sort, name: "elsewhere:rival")
    variables = {"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}
    with pytest.raises(PluginError, match=r"adapters 'linen' and 'rival' both take a Dense; say adapter=\.\.\."):
        cv.adapt(DENSE, variables, input_shape=(4, 4, 3))
    assert cv.adapt(DENSE, variables, input_shape=(4, 4, 3), adapter="linen").name == "Dense"


def test_an_object_that_nobody_takes_is_said_in_a_sentence():
    with pytest.raises(PluginError, match=r"no adapter takes a builtins.int; `cnnviz adapters` lists"):
        cv.adapt(3, input_shape=(4, 4, 3))
    with pytest.raises(PluginError, match=r"no adapter takes a torch.nn.modules.linear.Foreign"):
        cv.adapt(Foreign(), input_shape=(4, 4, 3))
