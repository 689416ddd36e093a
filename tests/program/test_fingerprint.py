"""A program's digest: the same in every process, and another one for what computes something else."""

import os
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import pytest

import cnnviz_jax as cv
from cnnviz_jax.program.graph.fingerprint import fingerprint
from tests.explorer.sites import model

_PRINTED = """
import cnnviz_jax as cv
from tests.explorer.sites import model
from tests.program.test_fingerprint import mapped
print(model().program.fingerprint, cv.load_model("shapes").program.fingerprint, mapped().program.fingerprint)
"""


def mapped() -> cv.Model:
    """Return a model of one image at a time, mapped over the batch: `vmap` marks the rules of derivatives."""

    def one(params, image):
        return jax.nn.relu(image @ params).mean((0, 1))

    return cv.adapt(
        lambda params, images: jax.vmap(one, in_axes=(None, 0))(params, images), jnp.ones((3, 4)), input_shape=(5, 6, 3)
    )


def test_another_process_gives_the_same_digest():
    told = subprocess.run(
        [sys.executable, "-c", _PRINTED],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    own = (model(), cv.load_model("shapes"), mapped())
    assert told.stdout.split() == [each.program.fingerprint for each in own]


def of_rule(scale):
    """Return a function whose derivative is a rule of its own."""

    @jax.custom_vjp
    def own(x):
        return x

    own.defvjp(lambda x: (x, None), lambda _, ahead: (scale * ahead,))
    return fingerprint(jax.make_jaxpr(own)(jnp.ones(3)))


def test_a_rule_that_closes_over_another_number_has_another_digest():
    assert of_rule(2.0) == of_rule(2.0)
    assert of_rule(2.0) != of_rule(3.0)


class Mark:
    """Known by which one it is."""


def test_a_name_that_is_bound_anew_tells_nothing_any_more(monkeypatch):
    module = types.ModuleType("marks_of_a_test")
    monkeypatch.setitem(sys.modules, "marks_of_a_test", module)
    monkeypatch.setattr(Mark, "__module__", "marks_of_a_test")
    first, second = Mark(), Mark()
    module.MARK = first
    one = fingerprint(first)
    assert fingerprint(first) == one
    module.MARK = second
    assert fingerprint(second) != one


@pytest.mark.parametrize("wrap", [jax.jit, lambda function: jax.custom_jvp(function)])
def test_a_wrapped_function_is_known_by_its_code(wrap):
    assert fingerprint(wrap(lambda x: x + 1)) == fingerprint(wrap(lambda x: x + 1))
    assert fingerprint(wrap(lambda x: x + 1)) != fingerprint(wrap(lambda x: x + 2))
