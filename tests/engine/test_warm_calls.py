"""A warm call traces nothing and compiles nothing: what it costs beyond its programs is bookkeeping."""

import contextlib

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations
from tests.explain.small_network import model, some_images


@contextlib.contextmanager
def counted(monkeypatch):
    """How often JAX traces a function, batches one operation by operation, or works out shapes, inside the block."""
    found = []
    with monkeypatch.context() as patched:
        for name in ("vmap", "eval_shape", "make_jaxpr", "grad", "vjp"):
            whole = getattr(jax, name)

            def noted(*args, _whole=whole, _name=name, **kwargs):
                found.append(_name)
                return _whole(*args, **kwargs)

            patched.setattr(jax, name, noted)

        def listen(event, seconds, **more):
            found.append(event)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield found
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)


CALLS = {
    "saliency": lambda net: cv.explain("saliency", net, some_images(1), 1),
    "smoothgrad": lambda net: cv.explain("smoothgrad", net, some_images(1), 1, samples=4),
    "synthesis": lambda net: cv.synthesize("activation-maximization", net, layer="conv1", channels=[1, 2], steps=2),
}


@pytest.mark.parametrize("call", list(CALLS))
def test_a_warm_call_traces_and_compiles_nothing(call, monkeypatch):
    net = model()
    first = CALLS[call](net)
    before = compilations()
    with counted(monkeypatch) as found:
        CALLS[call](net)
        assert found == []
        jax.jit(lambda x: x + 1)(np.float32(1))
        assert found  # else nothing was listened to
    assert compilations() == before
    assert first is not None


def test_the_key_of_a_seed_is_made_once_and_is_the_same():
    from cnnviz_jax.engine import root_key

    assert root_key(7) is root_key(7)
    again = jax.random.key(7, impl="threefry2x32")
    np.testing.assert_array_equal(jax.random.key_data(root_key(7)), jax.random.key_data(again))
    assert not np.array_equal(jax.random.key_data(root_key(7)), jax.random.key_data(root_key(8)))
    inside = jax.jit(lambda x: x + jax.random.uniform(root_key(11)))
    inside(np.float32(0))
    assert not isinstance(jax.random.key_data(root_key(11)), jax.core.Tracer)
