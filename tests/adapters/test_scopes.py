"""Injected scopes: names appear while a model is traced, and nothing of it stays."""

import functools
import threading

import jax
import jax.numpy as jnp
import pytest

from cnnviz_plugins.adapters.scopes import naming, scope, scoped
from tests.adapters.name_stacks import scopes_of

X = jnp.ones(3)


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


class ScaleTwice(Scale):
    def __call__(self, x):
        return super().__call__(super().__call__(x))


class Inherits(Scale):
    pass


class Pair:
    def __init__(self, first, second):
        self.first, self.second = first, second

    def __call__(self, x):
        return self.second(self.first(x))


class Jitted(Scale):
    @functools.partial(jax.jit, static_argnums=0)
    def __call__(self, x):
        return x + self.factor


def named(paths):
    """Return the `paths_of` of {object: paths}."""
    table = {id(module): path for module, path in paths.items()}
    return lambda module: table.get(id(module), ())


def trace(call, paths):
    classes = {type(module) for module in paths}

    def fn(x):
        with naming(named(paths), classes):
            return call(x)

    return scopes_of(fn, X)


def trace_one(module, path):
    return trace(module, {module: (path,)})


def test_a_call_is_one_element_and_containers_are_dots_inside_it():
    inner = Scale(2.0)
    outer = Pair(inner, Scale(3.0))
    paths = {outer: ("layer2.proj",), inner: ("layer2.proj.layers.0",), outer.second: ("layer2.proj.out",)}
    assert trace(outer, paths) == ["layer2.proj/layers.0", "layer2.proj/out"]


def test_a_subclass_calling_its_base_is_one_module():
    assert trace_one(ScaleTwice(2.0), "a") == ["a"]


def test_a_class_without_a_call_of_its_own_is_named_and_gets_none():
    assert trace_one(Inherits(2.0), "a") == ["a"]
    assert "__call__" not in vars(Inherits)


def test_classes_sharing_a_base_are_told_apart():
    first, second = Inherits(2.0), Scale(3.0)
    pair = Pair(first, second)
    assert trace(pair, {first: ("first",), second: ("second",)}) == ["first", "second"]


def test_a_call_that_is_a_descriptor_keeps_working():
    assert trace_one(Jitted(2.0), "a") == ["a"]


def test_a_module_in_two_places_is_called_by_the_place_inside_its_caller():
    shared = Scale(2.0)
    left, right = Pair(shared, shared), Pair(shared, Scale(1.0))
    paths = {left: ("left",), right: ("right",), shared: ("left.first", "left.second", "right.first")}
    assert trace(Pair(left, right), paths)[:2] == ["left/first", "right/first"]


def test_a_module_from_elsewhere_keeps_its_first_path():
    elsewhere = Scale(2.0)
    caller = Pair(elsewhere, lambda x: x)
    assert trace(caller, {caller: ("block",), elsewhere: ("stem", "head")}) == ["block/stem"]


def test_a_module_whose_name_begins_like_its_callers_is_not_inside_it():
    inner = Scale(2.0)
    caller = Pair(inner, lambda x: x)
    assert trace(caller, {caller: ("conv",), inner: ("conv1",)}) == ["conv/conv1"]


def test_slashes_in_keys_do_not_look_like_calls():
    assert trace_one(Scale(2.0), "heads.a/b") == ["heads.a.b"]


def test_objects_of_the_same_class_outside_the_model_are_not_named():
    assert trace(Scale(2.0), {Scale(3.0): ("a",)}) == []


def test_functions_can_be_named():
    double = scoped(jnp.square, ("features.1",))

    def fn(x):
        with naming(lambda module: ()):
            return double(x)

    assert scopes_of(fn, X) == ["features.1"]
    assert double.__wrapped__ is jnp.square
    assert scopes_of(double, X) == []


def test_frameworks_with_interceptors_open_scopes_themselves():
    def fn(x):
        with naming(lambda module: ()), scope(("a",)), scope(("a.b",)):
            return x * 2

    assert scopes_of(fn, X) == ["a/b"]


def test_classes_are_as_before_when_the_call_raises():
    class Broken(Scale):
        def __call__(self, x):
            raise ZeroDivisionError

    own = vars(Broken)["__call__"]
    with pytest.raises(ZeroDivisionError):
        trace_one(Broken(1.0), "a")
    assert vars(Broken)["__call__"] is own
    assert trace_one(Scale(2.0), "b") == ["b"]


def test_a_trace_within_a_trace_names_its_own_modules():
    inner, outer = Scale(2.0), Scale(3.0)

    def within(x):
        with naming(named({inner: ("inner",)}), {Scale}):
            return inner(outer(x))

    def fn(x):
        with naming(named({outer: ("outer",)}), {Scale}):
            return outer(within(outer(x)))

    assert scopes_of(fn, X) == ["outer", "inner", "outer"]
    assert vars(Scale)["__call__"].__name__ == "__call__"
    assert not hasattr(vars(Scale)["__call__"], "__wrapped__")


def test_calls_on_other_threads_run_as_if_nothing_were_wrapped():
    module, seen = Scale(2.0), []
    with naming(named({module: ("a",)}), {Scale}):
        thread = threading.Thread(target=lambda: seen.append(scopes_of(module, X)))
        thread.start()
        thread.join()
    assert seen == [[]]


def test_overlapping_traces_on_two_threads_restore_the_class_once_both_are_done():
    own = vars(Scale)["__call__"]
    inside, leave = threading.Event(), threading.Event()

    def long_trace():
        with naming(lambda module: (), {Scale}):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=long_trace)
    thread.start()
    assert inside.wait(10)
    assert trace_one(Scale(2.0), "a") == ["a"]
    assert vars(Scale)["__call__"] is not own
    leave.set()
    thread.join()
    assert vars(Scale)["__call__"] is own
