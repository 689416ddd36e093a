"""Activation maximisation side by side with a plain PyTorch loop, on networks of equal weights: one JSON line each.

    python benchmarks/peers/maximization.py --networks vgg19 --channels 8

Both take the steps of the recipe chollet2016 from equal starts: the mean of a channel's map after a ReLU, the gradient
divided by its root mean square over each image, one 255th a step. The loop runs the layers up to the one asked for
and no further, several channels in a batch, in the faster of its memory formats; this project plans its own chunks.
`peer_over_ours` above 1 means that this project is the faster one; `difference` is the largest difference between the
two images over the largest change that the loop made, `difference_of_peer` the same between the loop's two memory
formats, and `activations` are the means both reached. Where a ReLU or the winner of a max pool nearly ties, rounding
decides, and each step builds on it: images may part while activations agree.
"""

import argparse
import json
from typing import Any

import numpy as np
import torch
from alternating import Run, alternate, difference, machine
from networks import Pair, pair
from torch import nn
from torch_setting import FORMATS, best, check_device, tensor, wait

import cnnviz_jax as cv

STEPS = 20
LAYERS = {"vgg19": "features.11", "resnet50": "layer1.2.relu3"}
"""ReLUs whose channels are maximised: that of VGG19's conv3_1, and the last of ResNet-50's first group."""


def until(network: Pair, name: str) -> nn.Module:
    """Return the layers up to the ReLU that is maximised."""
    if name == "vgg19":
        return network.torch.get_submodule("features")[: int(LAYERS[name].split(".")[1]) + 1]
    parts = ("conv1", "bn1", "relu", "maxpool", "layer1")
    return nn.Sequential(*(network.torch.get_submodule(part) for part in parts))


def loop(below: nn.Module, starts: Any, channels: list[int], batch: int, memory_format: str, device: str) -> Run:
    """Return a plain loop over steps, batch by batch."""

    def climbed(first: int) -> torch.Tensor:
        chosen = torch.tensor(channels[first : first + batch], device=device)
        x = tensor(starts[first : first + batch], memory_format, device)
        rows = torch.arange(len(chosen), device=device)
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(below(x)[rows, chosen].mean((1, 2)).sum(), x)
            own = gradient / 255
            x = x + own / 255 / (own.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-5)
        return x.detach()

    def run() -> Any:
        made = torch.cat([climbed(first) for first in range(0, len(channels), batch)])
        wait(device)
        return made.permute(0, 2, 3, 1).cpu().numpy()

    return run


def reached(below: nn.Module, images: Any, channels: list[int], device: str) -> list[float]:
    """Return the mean activation of each image's channel."""
    with torch.inference_mode():
        maps = below(tensor(images, "contiguous", device))
    return [round(float(maps[i, channel].mean()), 5) for i, channel in enumerate(channels)]


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the line of one network."""
    network, layer, channels = pair(name, options.size, options.slim), LAYERS[name], list(range(options.channels))
    below = until(network, name).to(options.device)
    shape = (options.channels, options.size, options.size, 3)
    starts = np.random.default_rng(2).uniform(0.4, 0.6, shape).astype(np.float32)
    setting = best(below, starts[:1], options.batches, options.device, backward=True)
    peer = loop(below, starts, channels, setting.batch, setting.memory_format, options.device)

    def ours() -> Any:
        given = {"recipe": "chollet2016", "parametrization": "pixel", "size": options.size, "images": starts}
        return np.asarray(
            cv.synthesize("activation-maximization", network.jax, layer=layer, channels=channels, **given).raw
        )

    theirs, made = peer(), ours()
    other = next(name for name in FORMATS if name != setting.memory_format)
    below.to(memory_format=FORMATS[other])
    again = loop(below, starts, channels, setting.batch, other, options.device)()
    below.to(memory_format=FORMATS["contiguous"])
    activations = {"peer": reached(below, theirs, channels, options.device)}
    activations["ours"] = reached(below, made, channels, options.device)
    below.to(memory_format=FORMATS[setting.memory_format])
    return {
        "benchmark": "activation-maximization beside a PyTorch loop",
        "network": f"{name}-shaped",
        "layer": layer,
        "pixels": options.size,
        "channels": options.channels,
        "steps": STEPS,
        **alternate(peer, ours, repeats=options.repeats),
        "difference": difference(theirs - starts, made - starts),
        "difference_of_peer": difference(theirs - starts, again - starts),
        "activations": activations,
        "torch_loop": {"memory_format": setting.memory_format, "batch": setting.batch},
        **machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(LAYERS), choices=list(LAYERS))
    parser.add_argument("--size", type=int, default=224, help="pixels of the image's side")
    parser.add_argument("--channels", type=int, default=8, help="images")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 8], help="that are tried for PyTorch")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of A B; the median ratio is reported")
    parser.add_argument("--slim", type=int, default=1, help="divides all channels, to try the script out")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of both")
    options = parser.parse_args()
    check_device(parser, options.device)
    for name in options.networks:
        print(json.dumps(compare(name, options)), flush=True)


if __name__ == "__main__":
    main()
