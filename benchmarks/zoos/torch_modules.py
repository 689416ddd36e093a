"""What the libraries of PyTorch share: numbers that hide nothing, scores, and the paths of modules."""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from zoos.network import Network, stirred

# A wheel of torchvision made for another build of PyTorch has no detection operators, and then cannot be imported;
# classification uses none of them.
try:
    import torchvision  # noqa: F401
except RuntimeError:
    torch.library.register_fake = lambda *unused, **options: lambda function: function
except ImportError:
    pass


def network(
    module: torch.nn.Module,
    size: int,
    *,
    scores: Callable[[Any], Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Network:
    """Return a module of NCHW images as a `Network`, its BatchNorms set to the statistics of random images.

    Args:
        module: With random weights.
        size: Height and width of its images.
        scores: The array (n, classes) out of all that it returns, by operations that NumPy's and JAX's arrays know.
        options: Further arguments of `cv.adapt`.
    """
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.copy_(torch.from_numpy(np.array(stirred(tensor.numpy(), rng))))
        _calibrate(module.eval(), size)
    pick = scores or (lambda outputs: outputs)

    def scored(module: torch.nn.Module, images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            outputs = module(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
        return np.asarray(pick(torch.utils._pytree.tree_map(lambda each: each.numpy(), outputs)))

    def exact(images: np.ndarray) -> np.ndarray:
        # Entering inference mode anew, because modules keep values made of their parameters there.
        return scored(copy.deepcopy(module).double().train().eval(), images.astype(np.float64))

    extra = {} if scores is None else {"scores": scores}
    modules = frozenset(name for name, _ in module.named_modules() if name)
    forward = partial(scored, module)
    return Network((module,), (size, size, 3), forward, modules, {**extra, **(options or {})}, exact)


def _calibrate(module: torch.nn.Module, size: int) -> None:
    """Let BatchNorms take the statistics of one batch, so that values neither vanish nor overflow with depth."""
    norms = [each for each in module.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:
        module(torch.from_numpy(np.random.default_rng(1).random((4, 3, size, size), np.float32)))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()
