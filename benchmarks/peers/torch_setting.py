"""A peer's best setting: memory format and batch size, by a short trial on its own network."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from jaxtyping import Float
from torch import nn

FORMATS: dict[str, Any] = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Setting:
    """How PyTorch runs the network."""

    memory_format: str
    batch: int
    seconds: float
    """Of one evaluation in the trial."""


def tensor(images: Float[np.ndarray, "n h w c"], memory_format: str, device: str) -> torch.Tensor:
    """Return images as PyTorch takes them."""
    found = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)  # n c h w
    return found.contiguous(memory_format=FORMATS[memory_format])


def check_device(parser: argparse.ArgumentParser, device: str) -> None:
    """End with a sentence unless JAX runs on the device that PyTorch is given."""
    backend = {"cuda": "gpu"}.get(device, device)
    if jax.default_backend() != backend:
        parser.error(f"--device {device} needs JAX on it, and JAX is on {jax.default_backend()}")


def wait(device: str) -> None:
    """Return when the device has done what it was given."""
    if device != "cpu":
        torch.cuda.synchronize()


def best(
    network: nn.Module, image: Float[np.ndarray, "1 h w c"], batches: Sequence[int], device: str, *, backward: bool
) -> Setting:
    """Return the fastest setting, with the network left in its memory format.

    Args:
        network: Moved to the memory format tried.
        image: One image; a batch is copies of it.
        batches: Batch sizes to try.
        device: Of PyTorch.
        backward: Whether the gradient of the image is part of an evaluation.
    """
    found = []
    for name, memory_format in FORMATS.items():
        network.to(memory_format=memory_format)
        for batch in batches:
            inputs = tensor(np.repeat(image, batch, 0), name, device)
            run = _backward(network, inputs) if backward else _forward(network, inputs)
            _seconds(run, device)  # the first run of a shape allocates
            found.append(Setting(name, batch, _seconds(run, device) / batch))
    fastest = min(found, key=lambda setting: setting.seconds)
    network.to(memory_format=FORMATS[fastest.memory_format])
    return fastest


def _seconds(run: Callable[[], Any], device: str) -> float:
    begun = time.perf_counter()
    run()
    wait(device)
    return time.perf_counter() - begun


def _forward(network: nn.Module, inputs: torch.Tensor) -> Callable[[], Any]:
    def run() -> Any:
        with torch.inference_mode():
            return network(inputs)

    return run


def _backward(network: nn.Module, inputs: torch.Tensor) -> Callable[[], Any]:
    def run() -> Any:
        given = inputs.detach().requires_grad_()
        return torch.autograd.grad(network(given)[:, 0].sum(), given)

    return run
