"""The collector of garbage rests while a program is traced, and only then."""

import gc
import threading

import pytest

import cnnviz_jax as cv
from cnnviz_jax.compiling import without_collection
from tests.explain.small_network import model, some_images


def test_a_network_is_traced_without_collections():
    net, images = model(), some_images(2)
    seen = []

    def score(logits):
        seen.append(gc.isenabled())
        return logits[..., 0] * 2

    cv.explain("saliency", net, images, cv.targets.custom(score))
    assert seen
    assert not any(seen)
    assert gc.isenabled()


def test_the_last_block_turns_it_on_again_also_after_an_error():
    def broken():
        with without_collection():
            with without_collection():
                pass
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert gc.isenabled()


def test_what_a_caller_turned_off_stays_off():
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_threads_beside_one_another_share_one_rest():
    begun, over = threading.Event(), threading.Event()

    def other():
        with without_collection():
            begun.set()
            over.wait(10)

    thread = threading.Thread(target=other)
    with without_collection():
        thread.start()
        assert begun.wait(10)
    assert not gc.isenabled()
    over.set()
    thread.join()
    assert gc.isenabled()
