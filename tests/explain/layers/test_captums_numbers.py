"""Networks read from PyTorch beside Captum 0.9.0, which was run once in float64; its numbers stand here.

Sums over places, one number a channel, of score 1; `conductance` by Captum's own rule.
"""

import functools

import numpy as np
import pytest

import cnnviz_jax as cv

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the skip


class Joined(nn.Module):
    """Two branches joined, as modules: what peers see."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.left_relu, self.right_relu, self.relu = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.body, self.norm = nn.Conv2d(5, 4, 3, stride=2), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.cat([self.left_relu(self.left(x)), self.right_relu(self.right(x))], 1)
        return self.head(self.relu(self.norm(self.body(x))).mean((2, 3)))


class Grouped(nn.Module):
    """A grouped and dilated convolution."""

    def __init__(self):
        super().__init__()
        self.stem, self.relu1, self.relu2 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.ReLU()
        self.body = nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.relu2(self.body(self.relu1(self.stem(x)))).mean((2, 3)))


class Averaged(nn.Module):
    """A mean over places before the head, as a function or as a module."""

    def __init__(self, how):
        super().__init__()
        self.body, self.relu, self.head = nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Linear(3, 3)
        self.pool = nn.AdaptiveAvgPool2d(1) if how == "module" else None

    def forward(self, x):
        x = self.relu(self.body(x))
        return self.head(x.mean((2, 3)) if self.pool is None else self.pool(x).flatten(1))


def ruled(net):
    """The network with entry k of its n-th tensor ((7 k + 3 + n) mod 11 - 5) / 8; variances are 1 + its size."""
    for n, (name, tensor) in enumerate(net.state_dict().items()):
        if tensor.is_floating_point():
            entries = ((7 * torch.arange(tensor.numel()) + 3 + n) % 11 - 5) / 8
            entries = 1 + entries.abs() if name.endswith("running_var") else entries
            tensor.copy_(entries.reshape(tensor.shape))
    return net.eval()


IMAGE = (0.5 + 0.5 * np.sin(np.arange(72))).reshape(2, 6, 6).transpose(1, 2, 0).astype(np.float32)
BASE = (0.25 * np.cos(np.arange(72)) ** 2).reshape(2, 6, 6).transpose(1, 2, 0).astype(np.float32)

OPTIONS = {
    "conductance": {"baseline": BASE, "quadrature": "captum", "nodes": 50},
    "internal-influence": {"baseline": BASE},
    "integrated-gradients": {"baseline": BASE},
    "deeplift": {"baseline": BASE},
    "deeplift-shap": {"baselines": np.stack([BASE, 0 * BASE, 1 - BASE])},
}
EXPECTED = {
    (Joined, "left"): {
        "input-x-gradient": [-0.0749745, -0.0071109, 0.0084179],
        "conductance": [-0.051835, -0.0067441, 0.0012048],
        "deeplift": [-0.0531922, -0.0071109, 0.0019293],
        "feature-ablation": [-0.0749745, -0.0071109, 0.0084179],
    },
    (Grouped, "stem"): {
        "integrated-gradients": [0.0013281, -0.0032139, -0.0739059, -0.0403657],
        "internal-influence": [0.0356006, -0.0047168, -0.0646948, -0.0852035],
        "deeplift-shap": [-0.0114464, -0.0019746, -0.0417559, -0.0258898],
    },
}
CASES = [(*place, technique) for place, rows in EXPECTED.items() for technique in rows]


@functools.cache
def adapted(kind):
    return cv.adapt(ruled(kind()), input_shape=(6, 6, 2))


@pytest.mark.filterwarnings("ignore:the shares of image")
@pytest.mark.parametrize(("kind", "layer", "technique"), CASES)
def test_a_layers_numbers_are_captums(kind, layer, technique):
    result = cv.explain(technique, adapted(kind), IMAGE, 1, at=layer, **OPTIONS.get(technique, {}))
    ablated = technique == "feature-ablation"
    found = result.extras["per_segment"][0] if ablated else result.values.sum((0, 1, 2))
    expected = EXPECTED[kind, layer][technique]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


MODULE_ROWS = [
    [6.5223057e-04, -7.7886808e-03, -1.3727330e-02, -3.3409940e-02, -2.8524568e-02, -6.2210708e-03],
    [-7.8546858e-04, 6.8286978e-06, -1.6139719e-02, -7.4786922e-03, 3.6036687e-03, -1.2680987e-02],
]
FUNCTION_ROWS = [
    [-2.4225618e-05, 1.4012130e-02, 5.2257281e-02, -1.1487013e-01, -4.2970444e-02, 6.6917228e-04],
    [-7.3557171e-03, -8.3464410e-03, -2.4165833e-02, 1.1656373e-03, -4.3477180e-03, -1.5431110e-03],
]


def test_lrp_shares_a_mean_however_it_is_written_as_captum_does_a_module():
    for how in ("module", "function"):
        found = cv.explain("lrp", cv.adapt(ruled(Averaged(how)), input_shape=(6, 6, 2)), IMAGE, 1, convention="captum")
        np.testing.assert_allclose(found.values[0].sum(1).T, MODULE_ROWS, atol=1e-6 * np.max(np.abs(MODULE_ROWS)))


def test_captum_hands_every_place_of_a_functional_mean_the_same():
    # Between modules Captum hands on gradients, and that of a mean over N places is 1 / N: each gets R / N, silent
    # units too, in place of the share x / sum x. So written out it gives Captum's numbers.
    net = ruled(Averaged("function"))
    x = torch.tensor(IMAGE.transpose(2, 0, 1)[None])
    hidden = net.body(x)
    mean = net.relu(hidden).mean((2, 3))
    relevance = mean * net.head.weight[1] / hidden[0, 0].numel()
    ratio = relevance[..., None, None] / hidden
    shares = x * torch.nn.functional.conv_transpose2d(ratio, net.body.weight)
    rows = shares[0].sum(2).detach().numpy()
    np.testing.assert_allclose(rows, FUNCTION_ROWS, atol=1e-5 * np.max(np.abs(FUNCTION_ROWS)))
