"""Explanations side by side with Captum on networks of equal weights: one JSON line per technique and network.

Run from the repository's root, with `torch==2.13.0` and `captum` installed beside this package:

    python benchmarks/peers/explanations.py --networks vgg19 --techniques occlusion smoothgrad
    python benchmarks/peers/explanations.py --networks squeezenet1_1 --techniques saliency lrp deeplift
    python benchmarks/peers/explanations.py                      # all of both, hours on two cores
    python benchmarks/peers/explanations.py --device cuda        # where PyTorch and JAX both have the GPU
    python benchmarks/peers/explanations.py --size 64 --slim 8   # to see that it runs

The two run in turn in one process, A B A B; `peer_over_ours` above 1 means that this project is the faster one, and
`spread` is its least and greatest over the rounds. Captum runs in the faster of its memory formats and batch sizes, by
a trial that the line reports; this project plans its own. `difference` is the largest difference of the two results
over the largest value; SmoothGrad, whose noise is each one's own, is compared with the noise set to 0.
`difference_of_peer` is the same between Captum's two memory formats: sums in another order turn a ReLU or the winner of
a max pool over where values nearly tie, which moves a gradient by much more than rounding. Occlusion is
timed per position: Captum on a sweep without overlap (49 positions at 224 px and window 32), this project on chunks
spread over the sweep at `--stride`, each group of windows in its share; results are compared on the former.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alternating import Run, alternate, difference, machine
from captum import attr
from further import FORWARD_ONLY, FURTHER, ONE_IMAGE
from networks import NAMES, Pair, images, pair
from torch_setting import FORMATS, Setting, best, check_device, tensor, wait

import cnnviz_jax as cv

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from occlusion_engines import Engine

CLASS = 3


class Sides:
    """Both sides of one network: what Captum is given, and how its answers look here."""

    def __init__(self, network: Pair, image: Any, setting: Setting, options: argparse.Namespace) -> None:
        self.network, self.image, self.setting, self.options = network, image, setting, options
        self.given = tensor(image, setting.memory_format, options.device)

    def peer(self, attribute: Callable[..., torch.Tensor], **options: Any) -> Run:
        """Return Captum's run; its answer as (n, h, w, c)."""

        def run() -> Any:
            made = attribute(self.given, target=CLASS, **options)
            wait(self.options.device)
            return made.detach().permute(0, 2, 3, 1).cpu().numpy()

        return run

    @contextmanager
    def in_other_format(self) -> Iterator[None]:
        """Let Captum's runs use the other memory format meanwhile."""
        chosen, given = self.setting.memory_format, self.given
        other = next(name for name in FORMATS if name != chosen)
        self.network.torch.to(memory_format=FORMATS[other])
        self.given = tensor(self.image, other, self.options.device)
        yield
        self.network.torch.to(memory_format=FORMATS[chosen])
        self.given = given

    def differences(self, peer: Run, ours: Run) -> dict[str, float]:
        """Return how far the results lie apart, and how far Captum's own do in its two memory formats."""
        found = peer()
        with self.in_other_format():
            again = peer()
        return {"difference": difference(found, ours()), "difference_of_peer": difference(found, again)}

    def ours(self, technique: str, *, low_res: bool = False, **options: Any) -> Run:
        """Return this project's run: the map, or the grid it is read from."""

        def run() -> Any:
            made = cv.explain(technique, self.network.jax, self.image, target=CLASS, key=0, **options)
            return np.asarray(made.low_res if low_res else made.values)

        return run


def occlusion(sides: Sides) -> dict[str, Any]:
    window, options = sides.options.window, sides.options
    blocks = options.size // window
    patch = {"sliding_window_shapes": (3, window, window), "strides": (3, window, window)}
    peer = sides.peer(
        attr.Occlusion(sides.network.torch).attribute, perturbations_per_eval=sides.setting.batch, **patch
    )
    engine = Engine(sides.network.jax, sides.image, window, options.stride, "auto", options)
    grid = sides.ours("occlusion", low_res=True, window=window, stride=window, fill=0.0)()
    error = difference(peer()[..., ::window, ::window, 0], grid.reshape(1, blocks, blocks))

    def ours() -> Any:
        return np.asarray(engine.seconds_per_position())

    counts = {"peer_per": blocks**2 + 1, "ours_per": engine.positions}
    notes = {
        "window": window,
        "stride": options.stride,
        "engine": dict(engine.fold.notes)["engine"],
        "chunk": engine.run.chunk,
        "images": options.images,
        "groups": len(engine.run.fold.group_ends),
    }
    return {
        **alternate(peer, ours, repeats=options.repeats, **counts),
        "unit": "one position",
        "positions": counts,
        "difference": error,
        **notes,
    }


def smoothgrad(sides: Sides) -> dict[str, Any]:
    samples, batch = sides.options.samples, min(sides.setting.batch, sides.options.samples)
    attribute = attr.NoiseTunnel(attr.Saliency(sides.network.torch)).attribute
    peer = partial(sides.peer, attribute, nt_type="smoothgrad", abs=False)
    ours = partial(sides.ours, "smoothgrad")
    exact = sides.differences(
        peer(nt_samples=2, nt_samples_batch_size=1, stdevs=0.0), ours(samples=2, noise="absolute(0)")
    )
    times = alternate(
        peer(nt_samples=samples, nt_samples_batch_size=batch, stdevs=0.1),
        ours(samples=samples, noise="absolute(0.1)"),
        repeats=sides.options.repeats,
    )
    return {**times, "samples": samples, **exact}


def integrated_gradients(sides: Sides) -> dict[str, Any]:
    nodes = sides.options.nodes
    attribute = attr.IntegratedGradients(sides.network.torch).attribute
    peer = sides.peer(attribute, n_steps=nodes, internal_batch_size=sides.setting.batch)
    return {**_both(sides, peer, sides.ours("integrated-gradients", nodes=nodes)), "nodes": nodes}


def guided_backprop(sides: Sides) -> dict[str, Any]:
    peer = sides.peer(attr.GuidedBackprop(sides.network.torch).attribute)
    return _both(sides, peer, sides.ours("guided-backprop"))


def grad_cam(sides: Sides) -> dict[str, Any]:
    layer = sides.network.map_layer
    cam = attr.LayerGradCam(sides.network.torch, sides.network.torch.get_submodule(layer))
    found = sides.peer(cam.attribute, relu_attributions=False)
    ours = sides.ours("grad-cam", low_res=True, layer=layer, relu=False)  # random weights may vote against all
    return {**_both(sides, lambda: found()[..., 0], ours), "layer": layer}


def _both(sides: Sides, peer: Run, ours: Run) -> dict[str, Any]:
    apart = sides.differences(peer, ours)
    return {**alternate(peer, ours, repeats=sides.options.repeats), **apart}


TECHNIQUES: dict[str, Callable[[Sides], dict[str, Any]]] = {
    "occlusion": occlusion,
    "smoothgrad": smoothgrad,
    "integrated-gradients": integrated_gradients,
    "guided-backprop": guided_backprop,
    "grad-cam": grad_cam,
    **FURTHER,
}
SINGLE = ("guided-backprop", "grad-cam", *ONE_IMAGE)
"""Techniques of one evaluation an image: their batch is the image."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["vgg19", "resnet50"], choices=NAMES)
    parser.add_argument("--techniques", nargs="+", default=list(TECHNIQUES), choices=list(TECHNIQUES))
    parser.add_argument("--size", type=int, default=224, help="pixels of the image's side")
    parser.add_argument("--window", type=int, default=32, help="side of occlusion's window")
    parser.add_argument("--stride", type=int, default=2, help="of occlusion's sweep")
    parser.add_argument(
        "--positions", type=int, default=1000, help="positions, spread over the sweep, that one of our runs takes"
    )
    parser.add_argument("--samples", type=int, default=50, help="of SmoothGrad")
    parser.add_argument("--nodes", type=int, default=50, help="of integrated gradients")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 8, 16], help="that are tried for Captum")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of A B; the median ratio is reported")
    parser.add_argument("--images", type=int, default=1, help="of the call whose groups of windows are taken")
    parser.add_argument("--chunk", type=int, default=None, help="our positions at once; planned when left out")
    parser.add_argument("--budget", type=int, default=None, help="bytes one of our programs may need")
    parser.add_argument("--slim", type=int, default=1, help="divides all channels, to try the script out")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of both")
    options = parser.parse_args()
    check_device(parser, options.device)
    image = images(1, options.size)
    for name in options.networks:
        network = pair(name, options.size, options.slim)
        network.torch.to(options.device)
        settings: dict[tuple[bool, bool], Setting] = {}
        for technique in options.techniques:
            kind = (technique not in ("occlusion", *FORWARD_ONLY), technique in SINGLE)
            if kind not in settings:
                batches = [1] if kind[1] else options.batches
                settings[kind] = best(network.torch, image, batches, options.device, backward=kind[0])
            setting = settings[kind]
            network.torch.to(memory_format=FORMATS[setting.memory_format])
            line = TECHNIQUES[technique](Sides(network, image, setting, options))
            peer = {"memory_format": setting.memory_format, "batch": setting.batch}
            head = {"benchmark": f"{technique} beside captum", "network": f"{name}-shaped", "pixels": options.size}
            print(json.dumps({**head, **line, "captum": peer, **machine()}), flush=True)


if __name__ == "__main__":
    main()
