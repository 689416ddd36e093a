"""NNX: names through containers and transforms, inference on a copy, and any way to hold a module."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnviz_jax.errors import ModelError
from cnnviz_jax.model.pure import AdaptOptions
from cnnviz_plugins.adapters.nnx import build
from tests.adapters.name_stacks import scopes_of_pure

X = jnp.asarray(np.random.RandomState(0).uniform(size=(2, 8, 8, 3)), jnp.float32)


# Drawing numbers for each kernel would compile for half a minute.
Conv = functools.partial(nnx.Conv, kernel_init=nnx.initializers.constant(0.1), bias_init=nnx.initializers.ones_init())
Linear = functools.partial(nnx.Linear, kernel_init=nnx.initializers.constant(0.2))


class Block(nnx.Module):
    def __init__(self, rngs, act=None):
        self.conv = Conv(3, 3, (3, 3), rngs=rngs)
        self.bn = nnx.BatchNorm(3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.act = act

    def __call__(self, x):
        x = self.drop(nnx.relu(self.bn(self.conv(x))))
        return x if self.act is None else self.act(x)


class Remat(Block):
    @nnx.remat
    def __call__(self, x):
        return super().__call__(x)


class Jitted(Block):
    @nnx.jit
    def __call__(self, x):
        return nnx.relu(self.bn(self.conv(x)))


class Relu(nnx.Module):
    def __call__(self, x):
        return nnx.relu(x)


class Step(nnx.Module):
    def __init__(self, rngs):
        self.conv = Conv(3, 3, (3, 3), rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.conv(x))


class Deep(nnx.Module):
    def __init__(self, rngs):
        act = Relu()
        self.features = nnx.Sequential(
            Conv(3, 3, (3, 3), rngs=rngs),
            nnx.relu,
            lambda x: x * 2,
            nnx.Sequential(Conv(3, 3, (1, 1), rngs=rngs)),
        )
        self.blocks = nnx.List([Block(rngs, act), Remat(rngs, act), Jitted(rngs)])
        self.named = nnx.Dict(a=Linear(3, 3, rngs=rngs))
        self.plain = nnx.data({"b": [Linear(3, 3, rngs=rngs)]})
        self.again = self.blocks[0]
        self.steps = nnx.vmap(lambda key: Step(nnx.Rngs(key)))(jax.random.split(jax.random.key(0), 3))
        self.training = True
        self.scale = nnx.Param(jnp.ones(3))

    def heads(self, x):
        return self.plain["b"][0](self.named["a"](x))

    def __call__(self, x, train: bool = True):
        factor = 3.0 if train or self.training else 1.0
        x = self.features(x)
        for block in self.blocks:
            x = block(x)
        x = self.heads(self.again(x))
        x = nnx.scan(lambda x, step: step(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(x, self.steps)
        return factor * x.mean((1, 2)) * self.scale


def scores(native, *args, **options):
    pure = build(native, args, AdaptOptions(**options))
    return pure.fn(pure.params, X)


@pytest.fixture(scope="module")
def deep():
    return Deep(nnx.Rngs(0))


def test_calls_are_slashes_and_containers_are_dots_through_every_transform(deep):
    assert scopes_of_pure(build(deep, (), AdaptOptions())) == [
        *("features/0", "features/1", "features/2", "features/3/0"),
        *("blocks.0/conv", "blocks.0/bn", "blocks.0", "blocks.0/drop", "blocks.0/act"),
        *("blocks.1/conv", "blocks.1/bn", "blocks.1", "blocks.1/drop", "blocks.1/act"),
        *("blocks.2/conv", "blocks.2/bn", "blocks.2"),
        *("blocks.0/conv", "blocks.0/bn", "blocks.0", "blocks.0/drop", "blocks.0/act"),
        *("named.a", "plain.b.0", "steps/conv", "steps"),
    ]


def test_parameters_are_called_as_layers_are(deep):
    pure = build(deep, (), AdaptOptions())
    assert {"features.0.kernel", "features.3.0.bias", "blocks.0.conv.kernel", "named.a.kernel", "scale"} <= set(
        pure.param_paths
    )
    assert {"blocks.0.drop.rngs.key", "blocks.0.drop.rngs.count"} <= set(pure.param_paths)
    assert not [path for path in pure.param_paths if path.startswith("again") or path.endswith("value")]
    assert pure.param_paths == tuple(sorted(pure.params))
    assert pure.params["features.0.kernel"] is deep.features.layers[0].kernel.get_value()


def test_nnx_spelling_of_a_sequential_is_understood(deep):
    aliases = build(deep, (), AdaptOptions()).layer_aliases
    assert aliases["features.layers.0"] == "features.0"
    assert aliases["features.layers.1"] == "features.1"
    assert aliases["features.layers.3.layers.0"] == "features.3.0"
    assert "blocks.0" not in aliases


def test_inference_is_set_on_a_copy_only(deep):
    before = str(nnx.graphdef(deep)), jax.tree.leaves(nnx.state(deep))
    own = [vars(cls)["__call__"] for cls in (Block, Remat, Jitted, nnx.Conv, nnx.Sequential)]
    # A clone, since a view shares its variables and `nnx.jit` writes to them.
    reference = nnx.view(nnx.clone(deep), deterministic=True, use_running_average=True)
    reference.training = False
    np.testing.assert_allclose(scores(deep), reference(X, train=False), atol=1e-6)
    assert str(nnx.graphdef(deep)) == before[0]
    assert all(a is b for a, b in zip(jax.tree.leaves(nnx.state(deep)), before[1], strict=True))
    assert [vars(cls)["__call__"] for cls in (Block, Remat, Jitted, nnx.Conv, nnx.Sequential)] == own
    assert deep.training
    assert deep.features.layers[1] is nnx.relu


def test_the_result_composes_with_jit_grad_and_vmap():
    pure = build(nnx.Sequential(Step(nnx.Rngs(0)), nnx.relu, lambda x: x.mean((1, 2))), (), AdaptOptions())
    expected = pure.fn(pure.params, X)
    np.testing.assert_allclose(jax.jit(pure.fn)(pure.params, X), expected, atol=1e-6)
    one_by_one = jax.vmap(lambda image: pure.fn(pure.params, image[None])[0])(X)
    np.testing.assert_allclose(one_by_one, expected, atol=1e-6)
    assert jax.grad(lambda x: pure.fn(pure.params, x)[0, 0])(jnp.asarray(X)).shape == X.shape


def test_split_modules_are_taken(deep):
    expected = scores(deep)
    graphdef, state = nnx.split(deep)
    np.testing.assert_array_equal(scores(graphdef, state), expected)
    np.testing.assert_array_equal(scores((graphdef, state)), expected)
    graphdef, params, rest = nnx.split(deep, nnx.Param, ...)
    np.testing.assert_array_equal(scores(graphdef, params, rest), expected)


def test_modules_that_know_their_parent_are_walked_once():
    class Child(nnx.Module):
        def __init__(self, parent):
            self.parent = parent
            self.lin = Linear(3, 2, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.lin(x).mean((1, 2))

    class Parent(nnx.Module):
        def __init__(self):
            self.child = Child(self)

        def __call__(self, x):
            return self.child(x)

    pure = build(Parent(), (), AdaptOptions())
    assert pure.param_paths == ("child.lin.bias", "child.lin.kernel")
    assert scopes_of_pure(pure) == ["child/lin", "child"]


def test_an_activation_shared_by_two_blocks_is_called_by_the_block():
    act = Relu()
    pure = build(nnx.Sequential(Block(nnx.Rngs(0), act), Block(nnx.Rngs(1), act)), (), AdaptOptions())
    assert [scope for scope in scopes_of_pure(pure) if scope.endswith("act")] == ["0/act", "1/act"]


def test_a_module_shared_at_every_level_is_still_quick():
    class Twice(nnx.Module):
        def __init__(self, inner):
            self.a, self.b = inner, inner

        def __call__(self, x):
            return self.b(self.a(x)) if isinstance(self.a, Step) else self.a(x)

    module = Step(nnx.Rngs(0))
    for _ in range(40):
        module = Twice(module)
    assert build(module, (), AdaptOptions()).param_paths[0] == "a." * 40 + "conv.bias"


def test_a_module_with_a_view_of_its_own_is_asked():
    class Modal(nnx.Module):
        def __init__(self):
            self.state = "train"

        def set_view(self, deterministic: bool | None = None, **rest):
            self.state = "eval" if deterministic else "train"
            return rest

        def __call__(self, x):
            return x.mean((1, 2)) * (1.0 if self.state == "eval" else 2.0)

    np.testing.assert_allclose(scores(Modal()), X.mean((1, 2)), atol=1e-6)


def test_another_method_can_be_adapted(deep):
    assert scopes_of_pure(build(deep, (), AdaptOptions(method="heads"))) == ["named.a", "plain.b.0"]


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        ((1,), {}, r"Deep holds its own parameters; cv.adapt\(module, ...\) takes no more, got 1"),
        ((), {"method": "foo"}, "Deep has no method 'foo'"),
        ((), {"call_kwargs": {"trian": False}}, r"Deep.__call__ cannot be called as \(x, train=False, trian=False\)"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(deep, args, options, text):
    with pytest.raises(ModelError, match=text):
        scores(deep, *args, **options)


def test_a_graphdef_alone_or_a_shape_without_numbers_is_refused(deep):
    with pytest.raises(ModelError, match=r"a graphdef needs its state: cv.adapt\(graphdef, state"):
        scores(nnx.graphdef(deep))
    with pytest.raises(ModelError, match=r"parameter conv\.bias is a shape without numbers"):
        scores(nnx.eval_shape(lambda: Step(nnx.Rngs(0))))


def test_two_parameters_of_one_path_are_refused():
    class Dotted(nnx.Module):
        def __init__(self):
            self.a = nnx.data({"b": Linear(3, 3, rngs=nnx.Rngs(0))})
            setattr(self, "a.b", Linear(3, 3, rngs=nnx.Rngs(0)))

        def __call__(self, x):
            return self.a["b"](x)

    with pytest.raises(ModelError, match=r"two parameters have the path a\.b\.bias"):
        scores(Dotted())
