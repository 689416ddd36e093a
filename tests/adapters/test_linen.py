"""Linen: every way to hold a module and its variables, and names that are module paths."""

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.training.train_state import TrainState

from cnnviz_jax.errors import ModelError
from cnnviz_jax.model.pure import AdaptOptions
from cnnviz_plugins.adapters.linen import build
from tests.adapters import networks
from tests.adapters.name_stacks import scopes_of, scopes_of_pure

X = jnp.asarray(networks.images(2))
KEY = jax.random.key(0)


def scores(native, *args, **options):
    pure = build(native, args, AdaptOptions(**options))
    return pure.fn(pure.params, X)


def variables_of(module):
    """Return variables as `init` shapes them, without compiling what draws them."""
    random = np.random.RandomState(1)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.uniform(-0.2, 0.4, leaf.shape) ** 2, leaf.dtype),
        jax.eval_shape(module.init, KEY, X),
    )


class Block(nn.Module):
    train: bool = True

    def setup(self):
        self.conv = nn.Conv(4, (3, 3))
        self.bn = nn.BatchNorm(use_running_average=not self.train)

    def features(self, x):
        return self.bn(self.conv(x))

    def __call__(self, x):
        return nn.relu(self.features(x))


class Step(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return nn.relu(nn.Conv(4, (3, 3), name="conv")(x)), None


class Deep(nn.Module):
    """Lists, rematerialised, jitted and scanned blocks, and methods other than the call."""

    train: bool = True

    def setup(self):
        self.blocks = [Block(self.train), nn.remat(Block)(self.train), nn.jit(Block)(self.train)]
        self.seq = nn.Sequential([nn.Conv(4, (1, 1)), nn.relu, lambda x: x * 2])
        self.scan = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)()
        self.head = nn.Dense(5)

    def body(self, x):
        for block in self.blocks:
            x = block(x)
        return self.blocks[1].features(self.seq(x))

    def __call__(self, x):
        return self.head(self.scan(self.body(x), None)[0].mean((1, 2)))


def test_layers_are_called_by_module_path_whatever_method_reaches_them():
    module = Deep()
    pure = build(module, (variables_of(module),), AdaptOptions())
    assert scopes_of_pure(pure) == [
        *("blocks_0/conv", "blocks_0/bn", "blocks_0", "blocks_1/conv", "blocks_1/bn", "blocks_1"),
        *("blocks_2/conv", "blocks_2/bn", "blocks_2", "seq/layers_0", "seq", "blocks_1/conv", "blocks_1/bn"),
        *("scan/conv", "scan", "head"),
    ]
    assert "scan.conv.kernel" in pure.param_paths
    assert "blocks_2.bn.mean" in pure.param_paths


def test_a_mode_that_is_a_field_is_set_on_a_copy():
    module = Deep()
    variables = variables_of(module)
    pure = build(module, (variables,), AdaptOptions())
    expected = jax.jit(module.clone(train=False).apply)(variables, X)
    np.testing.assert_allclose(jax.jit(pure.fn)(pure.params, X), expected, atol=1e-6)
    assert module.train


def test_a_field_and_an_argument_of_one_name_do_not_clash():
    class Either(nn.Module):
        train: bool | None = None

        @nn.compact
        def __call__(self, x, train: bool | None = None):
            return nn.Dense(2)(x).mean((1, 2)) * (2 if nn.merge_param("train", self.train, train) else 1)

    variables = Either().init(KEY, X, train=True)
    expected = Either().apply(variables, X, train=False)
    np.testing.assert_array_equal(scores(Either(train=True), variables), expected)
    np.testing.assert_array_equal(scores(Either(), variables), expected)


def test_a_jitted_module_that_ran_before_still_gets_its_names():
    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.jit(Step)(name="block")(x, None)[0].mean((1, 2))

    variables = Outer().init(KEY, X)
    Outer().apply(variables, X)
    assert scopes_of_pure(build(Outer(), (variables,), AdaptOptions()), X.shape) == ["block/conv", "block"]


def test_profiling_names_are_linens_own_again_afterwards():
    module, variables = networks.linen("vgg")
    scores(module, variables)
    dense = nn.Dense(3)
    assert scopes_of(dense.apply, dense.init(KEY, X), X) == ["Dense"]
    with pytest.raises(ModelError):
        scores(module, {"params": {}, "batch_stats": {}})
    assert scopes_of(dense.apply, dense.init(KEY, X), X) == ["Dense"]


def test_every_way_to_hold_a_module_and_its_variables_is_taken():
    module, variables = networks.linen("vgg")

    class State(TrainState):
        batch_stats: dict

    state = State.create(
        apply_fn=module.apply, params=variables["params"], tx=optax.sgd(0.1), batch_stats=variables["batch_stats"]
    )
    expected = module.apply(variables, X, train=False)
    held = (
        (module, variables),
        ((module, variables),),
        (module, flax.core.freeze(variables)),
        (module, jax.tree.map(np.asarray, variables)),
        (module.bind(variables),),
        (module.apply, variables),
        (state,),
        (module, state),
        ((module, state),),
        (module, state.replace(params=variables)),
    )
    for native in held:
        np.testing.assert_array_equal(scores(*native), expected)


def test_parameters_alone_will_do_where_there_is_no_other_state():
    dense = nn.Dense(3)
    variables = dense.init(KEY, X)
    np.testing.assert_array_equal(scores(dense, variables["params"]), dense.apply(variables, X))


def test_partitioned_parameters_are_unboxed():
    dense = nn.Dense(3, kernel_init=nn.with_partitioning(nn.initializers.ones, ("a", "b")))
    pure = build(dense, (dense.init(KEY, X),), AdaptOptions())
    assert pure.param_paths == ("bias", "kernel")
    assert pure.fn(pure.params, X).shape == (*X.shape[:-1], 3)


def test_equal_paths_in_two_collections_are_told_apart():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x):
            w = self.param("w", nn.initializers.ones, (3,))
            return x.mean((1, 2)) * w * self.variable("other", "w", jnp.ones, 3).value

    pure = build(Twice(), (Twice().init(KEY, X),), AdaptOptions())
    assert pure.param_paths == ("w", "w@params")


def test_another_method_can_be_adapted():
    module = Block()
    variables = variables_of(module)
    pure = build(module, (variables,), AdaptOptions(method="features"))
    assert scopes_of_pure(pure, X.shape) == ["conv", "bn"]
    expected = Block(train=False).apply(variables, X, method="features")
    np.testing.assert_array_equal(pure.fn(pure.params, X), expected)


def test_a_numpy_buffer_written_to_later_does_not_change_the_model():
    dense = nn.Dense(3)
    variables = jax.tree.map(np.array, dense.init(KEY, X))
    pure = build(dense, (variables,), AdaptOptions())
    before = np.asarray(pure.fn(pure.params, X))
    variables["params"]["kernel"][:] = 7
    np.testing.assert_array_equal(pure.fn(pure.params, X), before)


def changed(name, value):
    variables = jax.tree.map(lambda leaf: leaf, networks.linen("vgg")[1])
    variables["params"]["dense"][name] = value
    return variables


VGG = networks.linen("vgg")[1]


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        ((), {}, r"LinenVgg needs its variables, and none were given: cv.adapt\(module, variables"),
        (({}, {}), {}, "LinenVgg needs its variables, got 2 arguments"),
        ((3,), {}, "variables are a dictionary as module.init returns it, got a int"),
        ((VGG["params"],), {}, r"misses variables.*\"batch_stats\".*given were the collections params"),
        (({"params": {}},), {}, "misses variables"),
        ((changed("kernel", jnp.ones((3, 5))),), {}, r"do not fit LinenVgg.*\"/dense\".*\(48, 5\).*\(3, 5\)"),
        ((changed("kernel", "x"),), {}, "parameter dense.kernel is not an array of numbers"),
        ((changed("kernel", jax.ShapeDtypeStruct((48, 5), jnp.float32)),), {}, "a shape without numbers"),
        ((VGG,), {"method": "foo"}, "LinenVgg has no method 'foo'"),
        ((VGG,), {"call_kwargs": {"trian": False}}, r"LinenVgg.__call__ cannot be called as \(x, train=False, trian"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(args, options, text):
    with pytest.raises(ModelError, match=text):
        scores(networks.LinenVgg(), *args, **options)


def test_an_argument_that_nobody_gave_is_asked_for():
    class Needs(nn.Module):
        @nn.compact
        def __call__(self, x, rate):
            return nn.Dense(2)(x).mean((1, 2)) * rate

    variables = Needs().init(KEY, X, 1.0)
    with pytest.raises(ModelError, match="missing a required argument: 'rate'; say call_kwargs"):
        scores(Needs(), variables)
    expected = Needs().apply(variables, X, 3.0)
    np.testing.assert_array_equal(scores(Needs(), variables, call_kwargs={"rate": 3.0}), expected)
