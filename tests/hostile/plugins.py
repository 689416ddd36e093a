"""Plugins that fail, end the program, print, or return what is no result. They are code; they must still be named."""

import os
from pathlib import Path

import numpy as np

from tests.hostile.commands import run
from tests.hostile.family import Case, Family, TracedBack

_HEAD = """
import os, sys, dataclasses
import jax, jax.numpy as jnp
import cnnviz_jax as cv
from cnnviz_jax.plugin import AdapterSpec, Fold, Heatmap, ModelSpec, RendererSpec, TechniqueSpec, hookimpl

@dataclasses.dataclass(frozen=True)
class Config:
    pass
"""

DEEDS = (
    "raise ValueError('of a stranger')",
    "raise KeyError(1)",
    "sys.exit(0)",
    "sys.exit('bye')",
    "sys.exit(3)",
    "assert False",
    "raise SystemExit",
    "raise RecursionError",
    "return None",
    "return 'text'",
    "return 3",
    "return {}",
    "return object()",
    "return jnp.zeros((0, 0))",
    "return jnp.zeros((4, 4)) * 1j",
    "return jnp.zeros(3)",
    "return jnp.nan",
    "return jnp.full((64, 64), jnp.nan)",
    "return [1, 2]",
    "return (lambda: None)",
    "return float",
    "raise OSError('disk')",
    "raise type('\\x1b[31m', (Exception,), {})('red\\n\\n\\x1b[0m' * 900)",
    "raise NotImplementedError",
    "return b'bytes'",
    "raise StopIteration",
    "raise GeneratorExit",
    "raise UnicodeError",
    "return lambda *a, **k: sys.exit(0)",
)
_PRINTS = "print('hello'); os.write(1, b'raw'); sys.stdout.write('more\\n')\n"
_PLACES = (
    "module",
    "hook",
    "build",
    "function",
    "fold",
    "adapter",
    "matches",
    "renderer",
    "model",
    "factory",
    "record",
)


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Write a plugin that does a deed at one place, and ask for what it offers."""
    place = _PLACES[rng.integers(len(_PLACES))]
    deed = DEEDS[rng.integers(len(DEEDS))]
    prints = rng.random() < 0.3
    own = dict.fromkeys(_PLACES, "pass") | {place: deed}
    text = _HEAD + (_PRINTS if prints else "") + _plugin(own, rng)
    (folder / "mine.py").write_text(text)
    (folder / "native.py").write_text(
        f"import sys, os\nimport jax.numpy as jnp\ndef factory(*a):\n    {own['factory']}\n"
    )
    os.chdir(folder)
    words = _line(place, folder, rng)

    def attempt() -> None:
        run(words)
        expects = place not in ("module", "hook", "record", "matches") and deed.startswith(
            ("raise", "sys.exit", "assert")
        )
        if expects and "--quiet" in words:
            raise TracedBack("exit 0 although the plugin failed")

    return Case(what=f"{place}: {deed}{' and prints' if prints else ''}: {' '.join(words[2:])}", attempt=attempt)


def _plugin(own: dict[str, str], rng: np.random.Generator) -> str:
    module = own["module"].replace("return", "_ =")
    record = ("name='x y'", "name=None", "name='mine', summary=''", "name='mine'")[rng.integers(4)]
    spoilt = f"    yield ModelSpec({record}, build=3)\n" if own["record"] != "pass" else ""
    inner = own["function"] if own["function"] != "pass" else "return image.mean(-1)"
    build = own["build"] if own["build"] != "pass" else "return function"
    fold = own["fold"] if own["fold"] != "pass" else "return case.image.mean(-1)"
    hook = own["hook"].replace("return", "yield") if own["hook"] != "pass" else "pass"
    return f"""
{module}
def function(model, image, target, key):
    {inner}
def build(config, model):
    {build}
@dataclasses.dataclass(frozen=True, kw_only=True)
class Own(Fold):
    def evaluate(self, case):
        {fold}
    def finish(self, case, gathered):
        return Heatmap(values=gathered[0])
def adapt_it(native, args, options):
    {own["adapter"]}
def matches(native):
    {own["matches"]}
def render(result, path, **display):
    {own["renderer"]}
def model(weights):
    {own["model"] if own["model"] != "pass" else "return cv.load_model('shapes')"}
@hookimpl
def cnnviz_techniques():
    {hook}
    yield TechniqueSpec(name="mine", kind="explain", summary="mine", config=Config, build=build)
    yield TechniqueSpec(name="folded", kind="explain", summary="mine", config=Config, build=lambda c, m: Own())
@hookimpl
def cnnviz_models():
{spoilt}    yield ModelSpec(name="mine", summary="mine", build=model)
@hookimpl
def cnnviz_adapters():
    yield AdapterSpec(name="mine", summary="mine", matches=matches, build=adapt_it)
@hookimpl
def cnnviz_renderers():
    yield RendererSpec(name="mine", summary="mine", accepts=("*",), suffixes=(".mine",), render=render)
"""


def _line(place: str, folder: Path, rng: np.random.Generator) -> list[str]:
    from PIL import Image

    Image.new("RGB", (64, 64), (200, 30, 30)).save(folder / "red.png")
    explain = ["explain", "folded" if place == "fold" else "mine", "shapes", "red.png", "--quiet"]
    own: dict[str, list[str]] = {
        "adapter": ["layers", "native:factory", "--json"],
        "matches": ["layers", "native:factory", "--json"],
        "factory": ["layers", "native:factory", "--json"],
        "model": ["layers", "mine", "--json"],
        "renderer": [*explain, "--out", "out/map.mine"],
    }
    if place in ("module", "hook", "record") or rng.random() < 0.15:
        words = [("techniques", "models", "adapters", "renderers", "plugins")[rng.integers(5)], "--json"]
    else:
        words = own.get(place, [*explain, "--out", "out/map.png"])
    return ["--plugin", "mine.py", *words]


FAMILY = Family(make=make, memory_mib=1024, limit_s=90)
