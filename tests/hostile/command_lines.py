"""Hostile command lines: verbs, options and words in any order, with values that are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cnnviz_jax.cli.commands import COMMANDS
from tests.hostile.commands import run
from tests.hostile.family import Case, Family

_OPTIONS = (
    "--json",
    "--help",
    "--quiet",
    "--version",
    "--no-plugins",
    "--plugin",
    "--model",
    "--weights",
    "--target",
    "--out",
    "--chunk",
    "--seed",
    "--layer",
    "--units",
    "--channels",
    "--techniques",
    "--renderer",
    "--labels",
    "--batch",
    "--precision",
    "--plan",
    "--kind",
    "--run",
    "--source",
    "--explain",
    "--survey",
    "--masks",
    "--steps",
    "--shard",
    "--window",
    "--stride",
    "--composite",
    "--epsilon",
    "--recipe",
    "--nonsense",
    "-x",
    "--",
    "-",
    "--out=",
    "--seed=x",
)
_WORDS = (
    "shapes",
    "lenet",
    "resnet50",
    "nothing",
    "keras:VGG16",
    "os:system",
    "no_such.module:factory",
    ":",
    "a:b:c",
    "saliency",
    "occlusion",
    "lrp",
    "filters",
    "exemplars",
    "deletion",
    "activation-maximization",
    "1",
    "-1",
    "0",
    "1e9",
    "nan",
    "inf",
    "",
    " ",
    "\0",
    "\n",
    "\x1b[31m",
    "ü",
    "9" * 400,
    "a" * 5_000,
    "0:64",
    "::0",
    "conv1",
    "softmax",
    "star",
    "auto",
    "none",
    "image.png",
    "no/such/image.png",
    "/",
    "/dev/null",
    "/proc",
    "/dev/full",
    ".",
    "..",
    "*",
    "$(touch ran)",
    "`touch ran`",
    "{}",
    "[]",
    "epsilon(x)",
    "gamma(",
    "top-k(k=0)",
    "folders",
    "x.npz",
    "x.zarr",
    "0/0",
    "3/2",
    "red",
    "blur(1e99)",
)
_LONG = {"sweep", "doctor"}
"""Verbs that are not tried: their shortest sound line does a minute's work."""
_ON_EXAMPLES = {"compare", "recommend", "report", "synthesize"}
"""Verbs that work without images; here with weights that are not there, so that no sound work is begun."""


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Return a line of up to nine words, run in an empty folder."""
    import os

    def one_of(words: tuple[str, ...] | list[str]) -> str:
        return str(words[rng.integers(len(words))])

    verbs = [verb for verb in COMMANDS if verb not in _LONG]
    words = [one_of(verbs) if rng.random() < 0.9 else one_of(_WORDS)]
    for _ in range(rng.integers(0, 9)):
        words.append(one_of(_OPTIONS if rng.random() < 0.5 else _WORDS))
    if rng.random() < 0.1:
        rng.shuffle(words)
    words = [word for word in words if word != "--download"]
    if _ON_EXAMPLES & set(words):
        words[words.index("--") if "--" in words else len(words) :] = ["--weights", "none.pth"]
    os.chdir(folder)
    attempt: Callable[[], None] = lambda: run(words)  # noqa: E731
    return Case(what=" ".join(word if len(word) < 40 else f"{word[:20]}..." for word in words), attempt=attempt)


FAMILY = Family(make=make, share=6, memory_mib=1024, limit_s=60)
