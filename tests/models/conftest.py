"""How a picture becomes a network's input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
def imagenet_picture(data: Path) -> Callable[[str], np.ndarray]:
    """Short side to 256 bilinear, centre crop 224, in [0, 1]."""

    def read(name: str) -> np.ndarray:
        picture = Image.open(data / "images" / name).convert("RGB")
        width, height = picture.size
        short = min(width, height)
        picture = picture.resize((round(width * 256 / short), round(height * 256 / short)), Image.Resampling.BILINEAR)
        left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
        return np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32)[None] / 255

    return read


@pytest.fixture(scope="session")
def imagenet_input(imagenet_picture: Callable[[str], np.ndarray]) -> Callable[[str], np.ndarray]:
    """The same with ImageNet mean and std."""

    def read(name: str) -> np.ndarray:
        return ((imagenet_picture(name) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).astype(np.float32)

    return read
