"""The published architectures in PyTorch, as small tables of its own layers, for comparison."""

import torch
from torch import nn
from torch.nn import functional


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow pads: what is odd goes to the right and bottom."""

    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(x, pads), self.weight, self.bias, self.stride, groups=self.groups, dilation=self.dilation
        )


def rows(text):
    """`64 M 128` as numbers and letters."""
    return [int(word) if word.isdecimal() else word for word in text.split()]


class VGG(nn.Module):
    tables = {  # noqa: RUF012
        "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
        "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
        "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
        "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
    }

    def __init__(self, table, *, norm=False, hidden=4096, classes=1000):
        super().__init__()
        layers, channels = [], 3
        for row in rows(table):
            if row == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, row, 3, padding=1), *[nn.BatchNorm2d(row)] * norm, nn.ReLU()]
            channels = row
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 49, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


class AlexNet(nn.Module):
    def __init__(self, widths=(64, 192, 384, 256, 256), *, hidden=4096, classes=1000):
        super().__init__()
        a, b, c, d, e = widths
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, 4, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, e, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.pool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(e * 36, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


class Fire(nn.Module):
    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


class SqueezeNet(nn.Module):
    tables = {  # noqa: RUF012
        "squeezenet1_0": (96, 7, "M 16 16 32 M 32 48 48 64 M 64"),
        "squeezenet1_1": (64, 3, "M 16 16 M 32 32 M 48 48 64 64"),
    }

    def __init__(self, channels, window, table):
        super().__init__()
        layers = [nn.Conv2d(3, channels, window, 2), nn.ReLU()]
        for row in rows(table):
            if row == "M":
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                layers.append(Fire(channels, row, 4 * row))
                channels = 8 * row
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class ResidualBlock(nn.Module):
    def __init__(self, windows, channels, width, out, stride):
        super().__init__()
        sizes = [channels, *[width] * (len(windows) - 1), out]
        for number, window in enumerate(windows):
            step = stride if number == windows.index(3) else 1
            conv = nn.Conv2d(sizes[number], sizes[number + 1], window, step, window // 2, bias=False)
            self.add_module(f"conv{number + 1}", conv)
            self.add_module(f"bn{number + 1}", nn.BatchNorm2d(sizes[number + 1]))
        self.count = len(windows)
        self.downsample = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = y.relu()
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    tables = {  # noqa: RUF012
        "resnet18": ((3, 3), (2, 2, 2, 2)),
        "resnet34": ((3, 3), (3, 4, 6, 3)),
        "resnet50": ((1, 3, 1), (3, 4, 6, 3)),
        "resnet101": ((1, 3, 1), (3, 4, 23, 3)),
        "resnet152": ((1, 3, 1), (3, 8, 36, 3)),
    }

    def __init__(self, windows, counts, *, width=64, classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        channels, widening = width, 4 if len(windows) == 3 else 1
        for group, count in enumerate(counts):
            blocks = []
            for number in range(count):
                inner, stride = width << group, 2 if group and not number else 1
                blocks.append(ResidualBlock(windows, channels, inner, inner * widening, stride))
                channels = inner * widening
            self.add_module(f"layer{group + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class CifarBlock(ResidualBlock):
    def __init__(self, channels, out):
        super().__init__((3, 3), channels, out, out, 1 if channels == out else 2)
        self.downsample = None
        self.extra = (out - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.extra:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return (x + y).relu()


class CifarResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        channels = 16
        for group, out in enumerate((16, 32, 64)):
            row = [CifarBlock(out if number else channels, out) for number in range(blocks)]
            self.add_module(f"layer{group + 1}", nn.Sequential(*row))
            channels = out
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.linear(x.mean((2, 3)))


def conv_norm_relu6(channels, out, window, stride=1, groups=1, same=False):
    kind = Same if same and stride > 1 else nn.Conv2d
    conv = kind(channels, out, window, stride, window // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, channels, out, stride, expansion, same):
        super().__init__()
        middle = channels * expansion
        self.skips = stride == 1 and channels == out
        self.conv = nn.Sequential(
            *([conv_norm_relu6(channels, middle, 1)] if expansion > 1 else []),
            conv_norm_relu6(middle, middle, 3, stride, middle, same),
            nn.Conv2d(middle, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x):
        return x + self.conv(x) if self.skips else self.conv(x)


class MobileNetV2(nn.Module):
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, table=table, *, stem=32, last=1280, same=False):
        super().__init__()
        layers, channels = [conv_norm_relu6(3, stem, 3, 2, same=same)], stem
        for expansion, out, count, stride in table:
            for number in range(count):
                layers.append(Inverted(channels, out, 1 if number else stride, expansion, same))
                channels = out
        self.features = nn.Sequential(*layers, conv_norm_relu6(channels, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(last, 1000))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ConvNorm(nn.Module):
    def __init__(self, channels, out, window, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, window, stride, window // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()


class Inception(nn.Module):
    def __init__(self, channels, widths):
        super().__init__()
        a, b, c, d, e, f = widths
        self.branch1 = ConvNorm(channels, a, 1)
        self.branch2 = nn.Sequential(ConvNorm(channels, b, 1), ConvNorm(b, c, 3))
        self.branch3 = nn.Sequential(ConvNorm(channels, d, 1), ConvNorm(d, e, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvNorm(channels, f, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    table = {  # noqa: RUF012
        "3a": (64, 96, 128, 16, 32, 32),
        "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128),
        "5b": (384, 192, 384, 48, 128, 128),
    }

    def __init__(self, table=table, *, stem=(64, 64, 192), classes=1000):
        super().__init__()
        self.conv1 = ConvNorm(3, stem[0], 7, 2)
        self.conv2, self.conv3 = ConvNorm(stem[0], stem[1], 1), ConvNorm(stem[1], stem[2], 3)
        channels = stem[2]
        for name, widths in table.items():
            self.add_module(f"inception{name}", Inception(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.names = tuple(table)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = functional.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        for before, name in zip(("3", *self.names), self.names, strict=False):
            if name[0] != before[0]:
                x = functional.max_pool2d(x, 3 if name[0] == "4" else 2, 2, ceil_mode=True)
            x = getattr(self, f"inception{name}")(x)
        return self.fc(x.mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())], 1)


class DenseNet(nn.Module):
    def __init__(self, growth, counts, *, classes=1000):
        super().__init__()
        channels = 2 * growth
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, channels, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(channels))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        for block, count in enumerate(counts, start=1):
            layers = nn.Sequential()
            for number in range(count):
                layers.add_module(f"denselayer{number + 1}", DenseLayer(channels, growth))
                channels += growth
            self.features.add_module(f"denseblock{block}", layers)
            if block < len(counts):
                between = nn.Sequential()
                between.add_module("norm", nn.BatchNorm2d(channels))
                between.add_module("relu", nn.ReLU())
                between.add_module("conv", nn.Conv2d(channels, channels // 2, 1, bias=False))
                between.add_module("pool", nn.AvgPool2d(2))
                self.features.add_module(f"transition{block}", between)
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(self.features(x).relu().mean((2, 3)))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x):
        x = functional.max_pool2d(self.conv1(x), 2)
        x = functional.max_pool2d(self.conv2(x), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu())


class MBConv(nn.Module):
    def __init__(self, channels, out, expansion, stride, window):
        super().__init__()
        middle = channels * expansion
        self.expands, self.skips = expansion > 1, stride == 1 and channels == out
        if self.expands:
            self.expand_conv, self.bn0 = nn.Conv2d(channels, middle, 1, bias=False), nn.BatchNorm2d(middle, eps=1e-3)
        self.depthwise_conv = Same(middle, middle, window, stride, groups=middle, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, eps=1e-3)
        self.project_conv, self.bn2 = nn.Conv2d(middle, out, 1, bias=False), nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x):
        main = functional.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        main = functional.relu6(self.bn1(self.depthwise_conv(main)))
        main = self.bn2(self.project_conv(main))
        return x + main if self.skips else main


class EfficientNetLite(nn.Module):
    rows = "1x16 k3 s1 e1, 2x24 k3 s2 e6, 2x40 k5 s2 e6, 3x80 k3 s2 e6, 3x112 k5 s1 e6, 4x192 k5 s2 e6, 1x320 k3 s1 e6"

    def __init__(self, rows=rows, *, stem=32, head=1280):
        super().__init__()
        self.conv_stem, self.bn0 = Same(3, stem, 3, 2, bias=False), nn.BatchNorm2d(stem, eps=1e-3)
        self.blocks, channels = nn.ModuleList(), stem
        for row in rows.split(", "):
            counts, window, stride, expansion = row.split()
            count, out = map(int, counts.split("x"))
            for number in range(count):
                step = 1 if number else int(stride[1:])
                self.blocks.append(MBConv(channels, out, int(expansion[1:]), step, int(window[1:])))
                channels = out
        self.conv_head, self.bn1 = nn.Conv2d(channels, head, 1, bias=False), nn.BatchNorm2d(head, eps=1e-3)
        self.fc = nn.Linear(head, 1000)

    def forward(self, x):
        x = functional.relu6(self.bn0(self.conv_stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(functional.relu6(self.bn1(self.conv_head(x))).mean((2, 3)))


PUBLISHED = {
    "alexnet": AlexNet,
    **{name: lambda table=table: VGG(table) for name, table in VGG.tables.items()},
    **{f"{name}_bn": lambda table=table: VGG(table, norm=True) for name, table in VGG.tables.items()},
    **{name: lambda row=row: SqueezeNet(*row) for name, row in SqueezeNet.tables.items()},
    **{name: lambda row=row: ResNet(*row) for name, row in ResNet.tables.items()},
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v2_tf": lambda: MobileNetV2(same=True),
    "efficientnet_lite0": EfficientNetLite,
    "googlenet": GoogLeNet,
    "densenet121": lambda: DenseNet(32, (6, 12, 24, 16)),
    "cifar_resnet20": lambda: CifarResNet(3),
    "cifar_resnet56": lambda: CifarResNet(9),
    "lenet": LeNet,
}
"""Every named network at its published size."""


def randomise(network):
    """Give BatchNorm statistics and gains that are not those of a new one, so that each is seen to be used."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(0, 0.2, generator=generator)
    return network.eval()
