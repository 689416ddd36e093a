"""From a fresh process to the PNG: CPU seconds of `cnnviz explain saliency` first ever, later, and of a Captum script.

Run from the repository's root; `--peer` is a Python with `torch==2.13.0`, `captum`, `matplotlib` and `pillow`:

    python benchmarks/start.py                                    # the bundled network, no peer
    python benchmarks/start.py --weights squeezenet1_1.pth --image photo.jpg --peer .venv-captum/bin/python

The runs alternate: first ever (an empty compile cache), again (the cache of the run before), Captum. CPU seconds are
those of the whole process tree, user and system, wall seconds stand beside them; `over_peer` is the median over rounds
of the ratio of CPU seconds, and says whether it is final (`timing.py`). `where` says where the CPU time of an own run
goes, measured in a process of its own.

Both sides run from bytecode, as pip leaves every package that it installs; a checkout gets its own before the first
round. Let each Python have what its side needs and no more: packages beside it cost both a search, and Flax imports
IPython where it is there.
"""

import argparse
import compileall
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from timing import Spent, judged, load
from timing import spent as spent_on

SCRIPT = Path(__file__).parent / "peers" / "saliency_script.py"


def spent(command: Sequence[str], **environment: str) -> Spent:
    """Return what a command and its children took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "PYTHONDONTWRITE"))}
    return spent_on(lambda: subprocess.run(command, check=True, env=kept | environment, capture_output=True))


def where(model: str, image: str, weights: str | None) -> None:
    """Print the CPU seconds of each part of one run, as JSON; for a process of its own."""
    parts: dict[str, float] = {}
    last = 0.0

    def until(part: str) -> None:
        nonlocal last
        parts[part] = round(time.process_time() - last, 2)
        last = time.process_time()

    import cnnviz_jax as cv
    from cnnviz_jax.compiling import compiling_quickly, use_compile_cache

    use_compile_cache(os.environ["CNNVIZ_COMPILE_CACHE"])
    import jax

    until("import jax")
    network = cv.load_model(model, weights)
    until("import flax, load the model")
    stages: dict[str, float] = {}
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: stages.__setitem__(name, stages.get(name, 0.0) + seconds)
    )
    with compiling_quickly():
        result = cv.explain("saliency", network, cv.load_image(image, network)[None])
    until("explain")
    for part, name in (("trace", "jaxpr_trace"), ("lower", "jaxpr_to_mlir_module"), ("compile", "backend_compile")):
        found = sum(seconds for key, seconds in stages.items() if key.endswith(f"{name}_duration"))
        parts[f"explain: {part} (wall, nested)"] = round(found, 2)
    with tempfile.TemporaryDirectory() as folder:
        cv.render(result, f"{folder}/out.png")
    until("import matplotlib, write")
    print(json.dumps(parts))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", help="of squeezenet1_1, as torchvision publishes them; without, `shapes` is used")
    parser.add_argument("--image", help="a photograph; without, an image of the bundled data set")
    parser.add_argument("--peer", help="a Python that has captum; needs --weights and --image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--where", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = "squeezenet1_1" if options.weights else "shapes"
    if options.where:
        where(model, options.image, options.weights)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = options.image or _example(folder)
        for package in ("cnnviz_jax", "cnnviz_plugins"):
            found = importlib.util.find_spec(package)
            assert found is not None, package
            compileall.compile_dir(str(Path(str(found.origin)).parent), quiet=1)
        own = [
            sys.executable,
            "-m",
            "cnnviz_jax.cli",
            "explain",
            "saliency",
            model,
            image,
            "--out",
            f"{folder}/own.png",
        ]
        own += ["--weights", options.weights] if options.weights else []
        sides: dict[str, list[Spent]] = {"first": [], "again": [], "peer": []}
        for number in range(options.rounds):
            cache = {"CNNVIZ_COMPILE_CACHE": f"{folder}/cache{number}"}
            sides["first"].append(spent(own, **cache))
            sides["again"].append(spent(own, **cache))
            if options.peer:
                sides["peer"].append(spent([options.peer, str(SCRIPT), options.weights, image, f"{folder}/peer.png"]))
        line: dict[str, object] = {"benchmark": "start", "model": model, "rounds": options.rounds}
        for side, runs in sides.items():
            if runs:
                cpu, wall = [run.cpu_s for run in runs], [run.wall_s for run in runs]
                line[f"{side}_cpu_s"] = round(statistics.median(cpu), 2)
                line[f"{side}_cpu_spread_s"] = [round(min(cpu), 2), round(max(cpu), 2)]
                line[f"{side}_wall_s"] = round(statistics.median(wall), 2)
        if options.peer:
            for side in ("first", "again"):
                pairs = zip(sides[side], sides["peer"], strict=True)
                line[f"{side}_over_peer"] = judged([own.cpu_s / peer.cpu_s for own, peer in pairs])
        parts = [sys.executable, __file__, "--where", "--image", image]
        parts += ["--weights", options.weights] if options.weights else []
        told = os.environ | {"CNNVIZ_COMPILE_CACHE": f"{folder}/cache_where", "PYTHONDONTWRITEBYTECODE": ""}
        for side in ("first", "again"):
            found = subprocess.run(parts, check=True, stdout=subprocess.PIPE, env=told)
            line[f"where_{side}"] = json.loads(found.stdout.splitlines()[-1])
        line |= {"load": load(), "python": sys.version.split()[0]}
        print(json.dumps(line))


def _example(folder: Path) -> str:
    """Write an image of the bundled data set and return its path."""
    code = (
        "import sys, numpy, PIL.Image, cnnviz_jax as cv;"
        "PIL.Image.fromarray((255 * cv.example_images('shapes', 1)[0][0]).astype('uint8')).save(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / "image.png")], check=True)
    return str(folder / "image.png")


if __name__ == "__main__":
    main()
