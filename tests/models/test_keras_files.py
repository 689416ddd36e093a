"""Keras files are read as numbers: neither Keras nor any code of the file runs, and nothing else is opened."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights

h5py = pytest.importorskip("h5py", reason="Keras files are read by h5py, which is not installed")

KERNEL = np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2)


def write_h5(path, *, root=""):
    with h5py.File(path, "w") as file:
        file[f"{root}conv1/conv1/kernel:0"] = KERNEL
        file[f"{root}conv1/conv1/bias:0"] = np.array([0.5, 1.5], np.float16)
        file["optimizer_weights/conv1/momentum"] = np.zeros(3)
    return path


def write_keras(path):
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["layers/conv2d/vars/0"] = KERNEL
        file["optimizer/vars/0"] = np.zeros(3)
    hostile = {"class_name": "Lambda", "config": {"function": "__import__('os').system('touch marker')"}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"layers": [hostile]}))
        archive.writestr("model.weights.h5", held.getvalue())
    return path


@pytest.mark.parametrize("root", ["", "model_weights/"])
def test_h5_files_of_weights_and_of_whole_models_give_the_same_names(tmp_path, root):
    arrays = read_weights(write_h5(tmp_path / "w.h5", root=root))
    assert sorted(arrays) == ["conv1/conv1/bias:0", "conv1/conv1/kernel:0"]
    np.testing.assert_array_equal(arrays["conv1/conv1/kernel:0"], KERNEL)


def test_a_keras_file_gives_its_arrays_and_its_layers_are_never_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = read_weights(write_keras(tmp_path / "w.keras"))
    assert list(arrays) == ["layers/conv2d/vars/0"]
    np.testing.assert_array_equal(arrays["layers/conv2d/vars/0"], KERNEL)
    assert not (tmp_path / "marker").exists()


def test_reading_a_keras_file_imports_no_keras(tmp_path):
    code = (
        "import sys; from cnnviz_plugins.models.checkpoints import read_weights;"
        f"read_weights({str(write_keras(tmp_path / 'w.keras'))!r}); assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("write", [write_h5, write_keras])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_keras_file_that_was_cut_short_is_told(tmp_path, write, share):
    path = write(tmp_path / ("w.h5" if write is write_h5 else "w.keras"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError, match="is not a whole Keras or HDF5 file") as fault:
        read_weights(path)
    assert "\n" not in str(fault.value)


def test_a_link_out_of_the_file_is_not_followed(tmp_path):
    write_h5(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["x"] = h5py.ExternalLink("secret.h5", "conv1/conv1/kernel:0")
    with pytest.raises(WeightsError, match=r"'x' in .* is a link to elsewhere, which is not followed"):
        read_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "root.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink("secret.h5", "/")
    with pytest.raises(WeightsError, match=r"'model_weights' in .* is a link to elsewhere"):
        read_weights(tmp_path / "root.h5")


def test_arrays_that_are_kept_in_other_files_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"12345678")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("x", (2,), "f4", external=[(str(tmp_path / "secret"), 0, 8)])
    with pytest.raises(WeightsError, match=r"'x' in .* is kept in another file, which is not read"):
        read_weights(tmp_path / "w.h5")
    write_h5(tmp_path / "secret.h5")
    layout = h5py.VirtualLayout(shape=(2,), dtype="f2")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "conv1/conv1/bias:0", shape=(2,))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    with pytest.raises(WeightsError, match=r"'x' in .* is kept in another file, which is not read"):
        read_weights(tmp_path / "virtual.h5")


def test_what_is_no_number_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["names"] = ["a", "b"]
    with pytest.raises(WeightsError, match=r"'names' in .* is no array of numbers but object"):
        read_weights(tmp_path / "w.h5")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "w.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match=r"needs h5py, which comes with `pip install 'cnnviz-jax\[keras\]'`"):
        read_weights(path)


def test_an_array_that_claims_more_than_any_memory_holds_is_told(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("x", (1 << 50,), "f8", chunks=(1024,))  # nothing is written, so the file stays small
    with pytest.raises(WeightsError, match="is not a whole Keras or HDF5 file"):
        read_weights(tmp_path / "w.h5")
