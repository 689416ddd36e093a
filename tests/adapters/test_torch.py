"""PyTorch modules: every operation as PyTorch computes it, and a sentence for what cannot be taken over."""

from collections import OrderedDict

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402  # only where torch is installed
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(1)  # its threads and XLA's would take turns
SHAPE = (16, 12, 3)


def some_images(count=2):
    return np.random.default_rng(0).random((count, *SHAPE), np.float32)


def own(module, x):
    """Return what PyTorch computes in inference mode, channels last."""
    with torch.no_grad():
        out = module.eval()(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    return np.moveaxis(out, 1, -1) if out.ndim == 4 else out


def adapted(module, **options):
    return cv.adapt(module, input_shape=SHAPE, **options)


class Assorted(nn.Module):
    """Most layers of classifiers, upsampling networks and gates, once each."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.group, self.hard, self.six = nn.GroupNorm(2, 8), nn.Hardswish(), nn.ReLU6()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.leaky, self.instance = nn.PReLU(6), nn.InstanceNorm2d(6, affine=True)
        self.linear, self.nearest = nn.Upsample(scale_factor=2, mode="bilinear"), nn.Upsample(scale_factor=2)
        self.ceil, self.mean = nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True)
        self.inner, self.bins = nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.AdaptiveAvgPool2d((3, 2))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1), nn.ReLU(inplace=True), nn.Conv2d(3, 6, 1), nn.Sigmoid()
        )
        self.same = nn.Conv2d(6, 6, 4, padding="same")
        self.mirrored = nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect")
        self.weighted = nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 1))
        self.layer, self.fc = nn.LayerNorm([6, 3, 2]), nn.Linear(36, 5)

    def forward(self, x):
        x = self.six(self.depthwise(self.hard(self.group(self.down(x)))))
        x = self.ceil(self.linear(self.instance(self.leaky(self.up(x)))))
        x = self.weighted(self.mirrored(self.same(x * self.gate(x))))
        x = self.inner(self.mean(self.nearest(x)))
        x = F.pad(F.interpolate(F.interpolate(x, size=(11, 7)), size=(9, 8), mode="bicubic"), (1, 2, 0, 1))
        x = F.interpolate(x, size=(7, 7), mode="bilinear", align_corners=True)
        x = F.interpolate(x, size=(5, 9), mode="bicubic", antialias=True)
        x = F.normalize(F.gelu(x) + F.silu(x) - F.leaky_relu(x, 0.1) * torch.tanh(x), dim=1)
        return self.fc(self.layer(self.bins(x)).flatten(1)).clamp(min=-3)


class Rest(nn.Module):
    """What users write beside layers: shapes, indices, joins, reductions, activations."""

    def forward(self, x):
        n, c, h, w = x.shape
        a = F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2)[:, :, ::2, 1::2]
        b = F.channel_shuffle(torch.cat([x, x.flip(3)], 1), 2).chunk(2, 1)[1].roll(1, 2)
        first, *_ = torch.split(x, [1, 1, 1], 1)
        d = x.permute(0, 2, 3, 1).reshape(n, h * w, c).transpose(1, 2).unflatten(2, (h, w))
        e = torch.einsum("nchw,cd->ndhw", d, torch.ones(3, 3).tril()) + first.expand(-1, 3, -1, -1)
        f = torch.where(x > 0.5, x, F.softplus(x) - F.elu(x - 0.5)) + F.mish(x).clamp(0.1, 0.9) + F.selu(x)
        g = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-3)
        i = x.amax(1, keepdim=True) - x.max(dim=1).values.unsqueeze(1) + x[:, torch.tensor([2, 0, 1])]
        j = F.max_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1) + F.avg_pool2d(x, 3, 1, 1, divisor_override=7)
        k = torch.stack([x, x.square()], -1).sum(-1) / 2 + x.masked_fill(x < 0.3, 0.0) + torch.rsqrt(x + 1)
        m = F.adaptive_max_pool2d(x, (5, 5)).mean((2, 3), keepdim=True) + torch.arange(3.0).view(1, 3, 1, 1)
        o = F.adaptive_avg_pool1d(x.flatten(2), 1) + F.adaptive_avg_pool1d(x.flatten(2), 7).amax(2, keepdim=True)
        y = (a + b + e + f + g + i + j + k + m + o.unsqueeze(3)).softmax(1)
        return torch.addmm(torch.zeros(2), y.flatten(2).mean(2), torch.ones(3, 2)) + y.log().sum((1, 2, 3)).unsqueeze(1)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 13, 8))
        block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])


@pytest.mark.parametrize("kind", [Assorted, Rest, Tokens])
def test_scores_are_pytorchs_own(kind):
    torch.manual_seed(0)
    module = kind()
    model = adapted(module)
    np.testing.assert_allclose(model(some_images()), own(module, some_images()), rtol=1e-5, atol=1e-5)


def columns_back(x, kernel, **laid):
    return F.fold(F.unfold(x, kernel, **laid).exp(), SHAPE[:2], kernel, **laid)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: columns_back(x, (4, 2), stride=(4, 2)),  # tiles
        lambda x: columns_back(x, 5, stride=5),  # tiles that leave a rest
        lambda x: columns_back(x, 3, dilation=2, padding=1, stride=2),  # patches that overlap
        lambda x: columns_back(x[0], 2, stride=2)[None].expand(len(x), -1, -1, -1),  # one image
    ],
)
def test_patches_as_columns_are_laid_out_and_back_as_pytorch_does(function):
    module = Called(lambda x: function(x).flatten(1))
    np.testing.assert_allclose(adapted(module)(some_images()), own(module, some_images()), rtol=1e-5)


def written_over(x):
    x = x.clone()
    x[:, :, [1, 3], [2, 2]] = x[:, :, [0, 0], [1, 4]] * 2
    x[x > 0.7] = 0.25
    places = (torch.tensor([1, 1]), torch.tensor([2, 2]))  # one place twice: both are added
    added = x.permute(2, 3, 0, 1).index_put(places, torch.tensor([3.0, 1.0]).view(2, 1, 1), accumulate=True)
    return added.permute(2, 3, 0, 1).flatten(1)


def test_values_are_put_in_at_indices_and_where_a_mask_says():
    module = Called(written_over)
    np.testing.assert_allclose(adapted(module)(some_images()), own(module, some_images()), rtol=1e-5)


def test_several_values_put_where_a_mask_says_are_refused():
    def put(x):
        return x.index_put((torch.ones(3, dtype=torch.bool),), torch.arange(3.0).view(3, 1, 1, 1))

    with pytest.raises(ModelError, match=r"several numbers where a mask says .*use torch\.where"):
        adapted(Called(lambda x: put(x.transpose(0, 1)).transpose(0, 1).flatten(1)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.avg_pool2d(x, 640, ceil_mode=True),
        lambda x: F.avg_pool2d(x, (30, 20), 15, padding=7, ceil_mode=True),
        lambda x: F.max_pool2d(x, (40, 30), ceil_mode=True),
        lambda x: F.max_pool2d(x, 9, 40, dilation=4, ceil_mode=True),
    ],
)
def test_a_pooling_window_larger_than_the_image_sees_what_there_is(function):
    module = Called(lambda x: function(x).flatten(1))
    np.testing.assert_allclose(adapted(module)(some_images()), own(module, some_images()), rtol=1e-5)


class Answer(OrderedDict):
    """A mapping of a library's own, as networks of transformers return it."""


def test_outputs_in_a_librarys_own_mapping_are_picked_by_name():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            features = self.conv(x).relu()
            return Answer(features=features, logits=features.mean((2, 3)))

    torch.utils._pytree.register_pytree_node(
        Answer, lambda a: (list(a.values()), list(a)), lambda values, names: Answer(zip(names, values, strict=True))
    )
    torch.manual_seed(0)
    module = Net().eval()
    model = adapted(module)
    with torch.no_grad():
        expected = module(torch.from_numpy(some_images()).permute(0, 3, 1, 2))["logits"]
    np.testing.assert_allclose(model(some_images()), expected, atol=1e-5)


class Overwriting(nn.Module):
    """Writes in place over what is read again: through a view, and in a skip."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        y[:, 0].mul_(2.0)
        z = self.conv(y)
        z.relu_()
        y.add_(z)
        return (y * z).mean((2, 3))


def test_writes_in_place_are_seen_by_what_reads_later():
    torch.manual_seed(0)
    module = Overwriting()
    model = adapted(module)
    np.testing.assert_allclose(model(some_images()), own(module, some_images()), atol=1e-5)
    assert "relu" in [layer.kind for layer in model.layers.values()]


class Small(nn.Module):
    def __init__(self, middle=None):
        super().__init__()
        self.conv, self.middle = nn.Conv2d(3, 4, 3), middle

    def forward(self, x):
        x = self.conv(x)
        return (self.middle(x) if self.middle is not None else x).mean((2, 3))

    def features(self, x):
        return F.relu(self.conv(x))


class Called(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_an_operation_nobody_knows_is_named():
    with pytest.raises(ModelError, match=r"Small uses PyTorch operations that are not known in JAX here: aten\.\w*svd"):
        adapted(Small(Called(lambda x: x * torch.linalg.svdvals(x).sum())))


@pytest.mark.parametrize(
    ("middle", "text"),
    [
        (Called(lambda x: F.dropout(x, 0.5, training=True)), r"draws random numbers \(dropout\)"),
        (Called(lambda x: x + torch.rand_like(x)), r"draws random numbers \(rand_like\)"),
        (nn.BatchNorm2d(4, track_running_stats=False), "mixes the images of a batch .*training mode"),
        (Called(lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), training=True)), "mixes the images"),
    ],
)
def test_training_mode_that_cannot_be_left_is_refused(middle, text):
    with pytest.raises(ModelError, match=text):
        adapted(Small(middle))


def test_control_flow_on_numbers_is_said():
    with pytest.raises(ModelError, match=r"Small cannot be exported .* must not depend on the numbers in an array"):
        adapted(Small(Called(lambda x: x if x.sum() > 0 else -x)))


def test_an_image_of_the_wrong_kind_is_said():
    with pytest.raises(ModelError, match=r"Small cannot be exported .* of shape .*1, 1, 16, 12"):
        cv.adapt(Small(), input_shape=(16, 12, 1))


def test_tied_weights_are_one_parameter():
    first, second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    second.weight = first.weight
    model = adapted(nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert model.structure.pure.param_paths == ("0.bias", "0.weight", "1.bias")
    assert [name for name in model.layers if model.layers[name].kind == "conv"] == ["0", "1"]
    np.testing.assert_array_equal(model.layers["1"].kernel, model.layers["0"].kernel)


def test_half_precision_is_computed_as_pytorch_does():
    module = Small().to(torch.bfloat16)
    model = adapted(module)
    assert {str(leaf.dtype) for leaf in model.params.values()} == {"bfloat16"}
    expected = module.eval()(torch.from_numpy(np.moveaxis(some_images(), -1, 1).copy()).bfloat16()).float().detach()
    np.testing.assert_allclose(model(some_images()), expected.numpy(), atol=2e-2)


def test_a_method_can_be_what_is_called():
    model = adapted(Small(), method="features")
    assert list(model.layers) == ["conv", "relu"]
    with pytest.raises(ModelError, match="Small has no method 'foo'"):
        adapted(Small(), method="foo")


def test_parameters_that_are_only_shapes_are_refused():
    with pytest.raises(ModelError, match=r"conv\.weight is a shape without numbers \(on the meta device\)"):
        adapted(Small().to("meta"))


def test_the_model_can_be_read_at_another_size():
    model = adapted(Small())
    assert model.at_size(9, 8).layers["conv"].shape == (7, 6, 4)


@pytest.mark.parametrize("batch", [1, 2])
def test_an_exported_program_is_adapted_as_it_is(batch):
    module = Small().eval()
    program = torch.export.export(module, (torch.zeros(batch, 3, *SHAPE[:2]),))
    model = None
    if batch == 1:
        model = cv.adapt(program)
        assert model.input_shape == SHAPE
        np.testing.assert_allclose(model(some_images(3)), own(module, some_images(3)), atol=1e-6)
    else:
        with pytest.raises(ModelError, match="exported for batches of 2; export it for 1, or for any"):
            cv.adapt(program)


def test_what_a_module_does_not_take_is_said():
    with pytest.raises(ModelError, match=r"Small holds its own parameters; cv\.adapt\(module, \.\.\.\) takes no more"):
        cv.adapt(Small(), {}, input_shape=SHAPE)
    with pytest.raises(ModelError, match=r"Small\.forward cannot be called as \(x, trian=False\)"):
        adapted(Small(), call_kwargs={"trian": False})
