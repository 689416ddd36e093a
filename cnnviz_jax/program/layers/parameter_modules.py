"""Which module a parameter belongs to, read off its path: `layer1.conv1.kernel` belongs to `layer1.conv1`."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

# Parameter trees of one level carry the module in front of the word: `conv1_w`, `conv1_bias`.
_SUFFIXED = re.compile(
    r"^(.+?)[_-](w|weights?|kernel|b|bias|scale|gamma|beta|mean|var|offset|running_mean|running_var)$"
)


class ParameterModules:
    """Module paths of the parameter leaves, by position."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self._modules = tuple(_module(path) for path in paths)

    def of(self, params: Iterable[int]) -> tuple[str, ...] | None:
        """The module that all of `params` belong to; `None` where no path tells, or only constants are among them."""
        modules = [self._modules[k] for k in params if k < len(self._modules)]
        return common(modules) or None

    def names(self, params: Iterable[int]) -> tuple[str, ...]:
        """The paths of `params`; constants that the function closed over are `const.0`, `const.1`, ..."""
        count = len(self.paths)
        return tuple(self.paths[k] if k < count else f"const.{k - count}" for k in sorted(params))


def common(paths: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The shared beginning of some paths."""
    return tuple(parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))


def _module(path: str) -> tuple[str, ...]:
    parts = path.replace("/", ".").split(".")
    if len(parts) == 1 and (suffixed := _SUFFIXED.match(parts[0])) is not None:
        return (suffixed.group(1),)
    return tuple(parts[:-1])
