"""Later architectures in PyTorch, for comparison: EfficientNet, ConvNeXt, the vision transformer, Inception v3,
Inception v1 as Lucid has it, and U-Net."""

import torch
from torch import nn
from torch.nn import functional


def conv_norm(channels, out, window, stride=1, groups=1, activates=True):
    conv = nn.Conv2d(channels, out, window, stride, window // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), *[nn.SiLU()] * activates)


class Excitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * self.fc2(functional.silu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class MBConv(nn.Module):
    def __init__(self, channels, out, expansion, stride, window):
        super().__init__()
        middle = channels * expansion
        self.skips = stride == 1 and channels == out
        self.block = nn.Sequential(
            *([conv_norm(channels, middle, 1)] if expansion > 1 else []),
            conv_norm(middle, middle, window, stride, middle),
            Excitation(middle, channels // 4),
            conv_norm(middle, out, 1, activates=False),
        )

    def forward(self, x):
        return x + self.block(x) if self.skips else self.block(x)


class EfficientNet(nn.Module):
    rows = "1 16 1 1 3, 6 24 2 2 3, 6 40 2 2 5, 6 80 3 2 3, 6 112 3 1 5, 6 192 4 2 5, 6 320 1 1 3"

    def __init__(self, rows=rows, stem=32, last=1280):
        super().__init__()
        layers, channels = [conv_norm(3, stem, 3, 2)], stem
        for row in rows.split(","):
            expansion, out, count, stride, window = map(int, row.split())
            shapes = [(channels, stride), *[(out, 1)] * (count - 1)]
            layers.append(nn.Sequential(*(MBConv(c, out, expansion, s, window) for c, s in shapes)))
            channels = out
        self.features = nn.Sequential(*layers, conv_norm(channels, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(last, 1000))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Turn(nn.Module):
    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            Turn(0, 2, 3, 1),
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
            Turn(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


class ConvNeXt(nn.Module):
    def __init__(self, table=((96, 3), (192, 3), (384, 9), (768, 3))):
        super().__init__()
        layers, before = [], None
        for channels, count in table:
            if before is None:
                layers.append(nn.Sequential(nn.Conv2d(3, channels, 4, 4), ChannelNorm(channels, eps=1e-6)))
            else:
                layers.append(nn.Sequential(ChannelNorm(before, eps=1e-6), nn.Conv2d(before, channels, 2, 2)))
            layers.append(nn.Sequential(*(ConvNeXtBlock(channels) for _ in range(count))))
            before = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.LayerNorm(before, eps=1e-6), nn.Flatten(1), nn.Linear(before, 1000))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class EncoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        dense = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(dense[0], nn.GELU(), nn.Dropout(), dense[1], nn.Dropout())

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    def __init__(self, side=224, patch=16, depth=12, width=768, heads=12):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.randn(1, 1, width))
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.randn(1, 1 + (side // patch) ** 2, width))
        blocks = {f"encoder_layer_{number}": EncoderBlock(width, heads) for number in range(depth)}
        self.encoder.layers = nn.ModuleDict(blocks)
        self.encoder.ln = nn.LayerNorm(width, eps=1e-6)
        self.heads = nn.ModuleDict({"head": nn.Linear(width, 1000)})

    def forward(self, x):
        tokens = self.conv_proj(x).flatten(2).movedim(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1) + self.encoder.pos_embedding
        for block in self.encoder.layers.values():
            x = block(x)
        return self.heads["head"](self.encoder.ln(x)[:, 0])


class ConvNorm(nn.Module):
    def __init__(self, channels, out, window, stride=1, edge=None):
        super().__init__()
        edge = tuple(side // 2 for side in window) if edge is None else edge
        self.conv = nn.Conv2d(channels, out, window, stride, edge, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()


class Mixed(nn.Module):
    """Branches of named convolutions: name, channels, rows, columns, stride; the last may be two, side by side."""

    def __init__(self, channels, branches, pooled):
        super().__init__()
        self.branches = []
        for branch in branches.split(";"):
            before, names = channels, []
            for step in branch.split(","):
                name, *numbers = step.split()
                out, rows, cols, stride = map(int, numbers)
                conv = ConvNorm(before, out, (rows, cols), stride, 0 if stride > 1 else None)
                self.add_module(f"branch{name}", conv)
                names.append(f"branch{name}")
                before = before if name.endswith("a") else out
            self.branches.append(names)
        self.branch_pool = ConvNorm(channels, pooled, (1, 1)) if pooled else None

    def forward(self, x):
        found = []
        for names in self.branches:
            y = x
            for name in names:
                z = getattr(self, name)(y)
                if name.endswith(("a", "b")):
                    found.append(z)
                else:
                    y = z
            if not names[-1].endswith("b"):
                found.append(y)
        pool = functional.avg_pool2d(x, 3, 1, 1) if self.branch_pool else functional.max_pool2d(x, 3, 2)
        return torch.cat([*found, self.branch_pool(pool) if self.branch_pool else pool], 1)


DOUBLE = "3x3dbl_1 64 1 1 1, 3x3dbl_2 96 3 3 1, 3x3dbl_3 96 3 3"
A = f"1x1 64 1 1 1; 5x5_1 48 1 1 1, 5x5_2 64 5 5 1; {DOUBLE} 1"
B = f"3x3 384 3 3 2; {DOUBLE} 2"
C = (
    "1x1 192 1 1 1; 7x7_1 {0} 1 1 1, 7x7_2 {0} 1 7 1, 7x7_3 192 7 1 1; 7x7dbl_1 {0} 1 1 1, 7x7dbl_2 {0} 7 1 1,"
    " 7x7dbl_3 {0} 1 7 1, 7x7dbl_4 {0} 7 1 1, 7x7dbl_5 192 1 7 1"
)
D = "3x3_1 192 1 1 1, 3x3_2 320 3 3 2; 7x7x3_1 192 1 1 1, 7x7x3_2 192 1 7 1, 7x7x3_3 192 7 1 1, 7x7x3_4 192 3 3 2"
E = (
    "1x1 320 1 1 1; 3x3_1 384 1 1 1, 3x3_2a 384 1 3 1, 3x3_2b 384 3 1 1;"
    " 3x3dbl_1 448 1 1 1, 3x3dbl_2 384 3 3 1, 3x3dbl_3a 384 1 3 1, 3x3dbl_3b 384 3 1 1"
)


class InceptionV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = ConvNorm(3, 32, (3, 3), 2, 0), ConvNorm(32, 32, (3, 3), 1, 0)
        self.Conv2d_2b_3x3, self.Conv2d_3b_1x1 = ConvNorm(32, 64, (3, 3)), ConvNorm(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, (3, 3), 1, 0)
        rows = {"5b": (192, A, 32), "5c": (256, A, 64), "5d": (288, A, 64), "6a": (288, B, 0)}
        rows |= {f"6{k}": (768, C.format(n), 192) for k, n in zip("bcde", (128, 160, 160, 192), strict=True)}
        rows |= {"7a": (768, D, 0), "7b": (1280, E, 192), "7c": (2048, E, 192)}
        self.mixed = [f"Mixed_{name}" for name in rows]
        for name, row in zip(self.mixed, rows.values(), strict=True):
            self.add_module(name, Mixed(*row))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        x = functional.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        for name in self.mixed:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


class LucidInception(nn.Module):
    rows = (
        "3a 64 96 128 16 32 32, 3b 128 128 192 32 96 64, 4a 192 96 204 16 48 64, 4b 160 112 224 24 64 64, "
        "4c 128 128 256 24 64 64, 4d 112 144 288 32 64 64, 4e 256 160 320 32 128 128, 5a 256 160 320 48 128 128, "
        "5b 384 192 384 48 128 128"
    )

    def __init__(self, rows=rows, stem=(64, 64, 192), outputs=1008):
        super().__init__()
        self.names = []
        self.conv("conv2d0", 3, stem[0], 7)
        self.conv("conv2d1", stem[0], stem[1], 1)
        self.conv("conv2d2", stem[1], stem[2], 3)
        channels = stem[2]
        for row in rows.split(", "):
            name, *widths = row.split()
            one, before, three, squeezed, five, pooled = map(int, widths)
            self.names.append(f"mixed{name}")
            for word, given, out, window in (
                ("1x1", channels, one, 1), ("3x3_bottleneck", channels, before, 1), ("3x3", before, three, 3),
                ("5x5_bottleneck", channels, squeezed, 1), ("5x5", squeezed, five, 5),
                ("pool_reduce", channels, pooled, 1),
            ):  # fmt: skip
                self.conv(f"mixed{name}_{word}", given, out, window)
            channels = one + three + five + pooled
        self.softmax2_pre_activation_matmul = nn.Linear(channels, outputs)

    def conv(self, name, channels, out, window):
        setattr(self, f"{name}_pre_relu_conv", nn.Conv2d(channels, out, window))

    def forward(self, x):
        def run(name, x, *pad):
            return getattr(self, f"{name}_pre_relu_conv")(functional.pad(x, pad) if pad else x).relu()

        def pooled(x):
            return functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)

        def normed(x):
            return functional.local_response_norm(x, 9, alpha=1e-4, beta=0.5, k=1)

        self.conv2d0_pre_relu_conv.stride = 2
        x = run("conv2d1", normed(pooled(run("conv2d0", x, 2, 3, 2, 3))))
        x = pooled(normed(run("conv2d2", x, 1, 1, 1, 1)))
        before = "3"
        for name in self.names:
            x = pooled(x) if name[5] != before else x
            before = name[5]
            maximum = functional.max_pool2d(x, 3, 1, 1)
            three = run(f"{name}_3x3", run(f"{name}_3x3_bottleneck", x), 1, 1, 1, 1)
            five = run(f"{name}_5x5", run(f"{name}_5x5_bottleneck", x), 2, 2, 2, 2)
            x = torch.cat([run(f"{name}_1x1", x), three, five, run(f"{name}_pool_reduce", maximum)], 1)
        return self.softmax2_pre_activation_matmul(x.mean((2, 3)))


class Twice(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        layers = []
        for given in (channels, out):
            layers += [nn.Conv2d(given, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, width=64, classes=2):
        super().__init__()
        self.inc = Twice(3, width)
        for k in range(1, 5):
            down = nn.Module()
            down.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Twice(width << k - 1, width << k))
            setattr(self, f"down{k}", down)
        for k in range(1, 5):
            up, channels = nn.Module(), width << 5 - k
            up.up = nn.ConvTranspose2d(channels, channels // 2, 2, 2)
            up.conv = Twice(channels, channels // 2)
            setattr(self, f"up{k}", up)
        self.outc = nn.Module()
        self.outc.conv = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        maps = [self.inc(x)]
        for k in range(1, 5):
            maps.append(getattr(self, f"down{k}").maxpool_conv(maps[-1]))
        x = maps.pop()
        for k in range(1, 5):
            up, beside = getattr(self, f"up{k}"), maps.pop()
            x = up.up(x)
            rows, cols = beside.shape[2] - x.shape[2], beside.shape[3] - x.shape[3]
            x = functional.pad(x, (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2))
            x = up.conv(torch.cat([beside, x], 1))
        return self.outc.conv(x).movedim(1, -1)


PUBLISHED = {
    "efficientnet_b0": EfficientNet,
    "inception_v3": InceptionV3,
    "convnext_tiny": ConvNeXt,
    "vit_b_16": VisionTransformer,
    "inception_v1": LucidInception,
    "unet": UNet,
}
"""Every named network of these at its published size."""
