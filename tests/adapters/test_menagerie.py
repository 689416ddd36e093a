"""Small members of other people's families through the checks of `benchmarks/menagerie.py`.

Over a minute, so only where `CNNVIZ_MENAGERIE=1` asks for it, as `.ci/run` does in a phase of its own.
"""

import importlib
import os
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HAIKU = [
    f"ResNet{version} {block}{projected}"
    for version in ("", "V2")
    for block in ("basic", "bottleneck")
    for projected in ("", " projected")
] + ["MobileNetV1", "MobileNetV1 without norms"]
KERAS = [
    "ConvNeXt", "ConvNeXt deep", "DenseNet", "DenseNet deep", "EfficientNet", "EfficientNet strided",
    "EfficientNet plain", "EfficientNetV2", "EfficientNetV2 fused", "EfficientNetV2 strided", "ResNet", "ResNet deep",
    "ResNetV2", "ResNetV2 deep", "MobileNetV3", "MobileNetV3 minimalistic", "MobileNet 0.25", "MobileNet 0.5",
    "VGG16", "MobileNetV2 0.35",
]  # fmt: skip


# What the libraries themselves warn of is theirs.
@pytest.mark.skipif(os.environ.get("CNNVIZ_MENAGERIE") != "1", reason="over a minute: CNNVIZ_MENAGERIE=1 runs it")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [f"haiku {name}" for name in HAIKU] + [f"keras {name}" for name in KERAS])
def test_a_network_of_another_library_is_read_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = name.partition(" ")[0]
    pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = {each.library + " " + each.name: each for each in importlib.import_module("zoos.of_small").architectures()}
    checks = importlib.import_module("zoos.checks")
    told = checks.checked(found[name].build())["checks"]
    assert set(told) == set(checks.CHECKS)
    assert not {check: text for check, text in told.items() if not text.startswith("ok")}
