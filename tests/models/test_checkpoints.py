"""Weights files: every format gives the same arrays, damage is told in one sentence, and nothing is ever run."""

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from typing import ClassVar

import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.checkpoints.safetensors_file import safetensors_metadata


class Named:
    """Pickles as the call `module.name(*args)`, as any file from a stranger may."""

    def __init__(self, module, name, *args):
        self.module, self.name, self.args = module, name, args


class TorchLikePickler(pickle._Pickler):
    """Writes what torch.save writes, and what an attacker would, without torch."""

    def __init__(self, file, storages):
        super().__init__(file, protocol=2)
        self.storages = storages

    def save(self, value, save_persistent_id=True):
        if isinstance(value, np.ndarray):
            key = str(len(self.storages))
            self.storages[key] = np.array(value)
            steps = tuple(step // value.itemsize for step in np.array(value).strides)
            self.call(
                "torch._utils",
                "_rebuild_tensor_v2",
                (Reference(key, value), 0, value.shape, steps, False, OrderedDict()),
            )
        elif isinstance(value, Named):
            self.call(value.module, value.name, value.args)
        elif isinstance(value, Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Reference):
            self.save(("storage", Global("torch", value.kind), value.key, "cpu", value.size))
            self.write(pickle.BINPERSID)
        else:
            super().save(value, save_persistent_id)

    def call(self, module, name, args):
        self.write(f"c{module}\n{name}\n".encode())
        self.save(args)
        self.write(pickle.REDUCE)


class Global:
    def __init__(self, module, name):
        self.module, self.name = module, name


class Reference:
    kinds: ClassVar = {"float32": "FloatStorage", "int64": "LongStorage", "bfloat16": "BFloat16Storage"}

    def __init__(self, key, array):
        self.key, self.kind, self.size = key, self.kinds[str(array.dtype)], array.size


def write_zip(path, table):
    storages, pickled = {}, io.BytesIO()
    TorchLikePickler(pickled, storages).dump(table)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def write_legacy(path, table):
    storages, pickled = {}, io.BytesIO()
    TorchLikePickler(pickled, storages).dump(table)
    with path.open("wb") as file:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}):
            pickle.dump(header, file, protocol=2)
        file.write(pickled.getvalue())
        pickle.dump(list(storages), file, protocol=2)
        for array in storages.values():
            file.write(struct.pack("<q", array.size) + array.tobytes())
    return path


ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv.bias": np.array([0.5, -1.5], np.float32),
    "steps": np.array(7, np.int64),
}


def write(path):
    if path.suffix == ".safetensors":
        save_file(ARRAYS, path)
    elif path.suffix == ".npz":
        np.savez(path, **ARRAYS)
    elif path.suffix == ".th":
        write_legacy(path, ARRAYS)
    else:
        write_zip(path, ARRAYS)
    return path


FILES = ["w.safetensors", "w.npz", "w.pth", "w.th"]


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_arrays(tmp_path, name):
    arrays = read_weights(write(tmp_path / name))
    assert arrays.keys() == ARRAYS.keys()
    for key, array in arrays.items():
        assert array.dtype == ARRAYS[key].dtype
        np.testing.assert_array_equal(array, ARRAYS[key])


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_content_whatever_it_is_called(tmp_path, name):
    renamed = write(tmp_path / name).rename(tmp_path / "download")
    np.testing.assert_array_equal(read_weights(renamed)["conv.bias"], ARRAYS["conv.bias"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_a_file_that_was_cut_short_is_told_in_one_sentence(tmp_path, name, share):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError, match=r"w\..*is not a whole") as fault:
        read_weights(path)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("write_torch", [write_zip, write_legacy])
def test_a_nested_state_dict_is_opened_and_its_module_prefix_taken_off(tmp_path, write_torch):
    table = {"epoch": 3, "state_dict": OrderedDict((f"module.{name}", array) for name, array in ARRAYS.items())}
    arrays = read_weights(write_torch(tmp_path / "w.pth", table))
    assert arrays.keys() == ARRAYS.keys()


def test_the_published_legacy_files_load(weights):
    legacy, modern = read_weights(weights / "tiny_vgg_legacy.pth"), read_weights(weights / "tiny_vgg.safetensors")
    assert legacy.keys() == modern.keys()
    for name, array in legacy.items():
        np.testing.assert_array_equal(array, modern[name])
    resnet = read_weights(weights / "original" / "resnet20-12fca82f.th")
    published = read_weights(weights / "cifar_resnet20.safetensors")
    for name, array in published.items():
        # The .safetensors file has dense and shortcut names of its own only where akamaster's are the same.
        np.testing.assert_array_equal(resnet[name], array)


def test_bfloat16_is_read_from_safetensors_and_torch_files(tmp_path):
    values = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes())
    write_zip(tmp_path / "w.pth", {"x": values})
    for name in ("w.safetensors", "w.pth"):
        np.testing.assert_array_equal(read_weights(tmp_path / name)["x"], values)


def test_safetensors_tell_about_themselves(tmp_path):
    save_file(ARRAYS, tmp_path / "w.safetensors", metadata={"license": "CC0"})
    assert safetensors_metadata(tmp_path / "w.safetensors") == {"license": "CC0"}


@pytest.mark.parametrize("write_torch", [write_zip, write_legacy])
@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("os", "system", "touch {marker}"),
        ("builtins", "eval", "open({marker!r}, 'w')"),
        ("pathlib", "Path", "{marker}"),
    ],
)
def test_a_pickle_that_calls_anything_else_is_refused_and_nothing_runs(tmp_path, write_torch, module, name, argument):
    marker = tmp_path / "marker"
    call = Named(module, name, argument.format(marker=str(marker)))
    path = write_torch(tmp_path / "w.pth", {"state_dict": {"x": ARRAYS["conv.bias"], "y": call}})
    with pytest.raises(WeightsError, match=rf"names {module}\.{name}, which weights do not need.*nothing was run"):
        read_weights(path)
    assert not marker.exists()


def test_a_bare_pickle_that_would_leave_a_marker_is_refused_in_every_protocol(tmp_path):
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self):
            return exec, (f"open({str(marker)!r}, 'w').close()",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "w.pt").write_bytes(pickle.dumps(Bomb(), protocol=protocol))
        with pytest.raises(WeightsError, match=r"names (builtins|__builtin__)\.exec, which weights do not need"):
            read_weights(tmp_path / "w.pt")
    pickle.loads(pickle.dumps(Bomb()))
    assert marker.exists(), "the bomb works where it is let"
    marker.unlink()


def test_a_pickle_cannot_alter_the_functions_it_may_call(tmp_path):
    build = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    (tmp_path / "w.pt").write_bytes(build)
    with pytest.raises(WeightsError, match="alters a function"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(0, (3,), (1,)), (2, (1,), (1,)), (-1, (1,), (1,)), (0, (2,), (-1,)), (0, (2, 1), (1,))],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(tmp_path, offset, shape, stride):
    tensor = Named(
        "torch._utils",
        "_rebuild_tensor_v2",
        Reference("0", np.zeros(2, np.float32)),
        offset,
        shape,
        stride,
        False,
        None,
    )
    path = write_zip(tmp_path / "w.pth", {"a": tensor, "b": np.zeros(2, np.float32)})
    with pytest.raises(WeightsError, match="not a whole PyTorch checkpoint: a tensor"):
        read_weights(path)


def test_an_object_array_in_an_npz_archive_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.array([{}], object))
    with pytest.raises(WeightsError, match=r"not a whole .npz archive of plain arrays"):
        read_weights(tmp_path / "w.npz")


def save_orbax(folder):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(
            folder, {"features": {"0": {"kernel": np.ones((3, 3, 1, 2), np.float32)}}, "list": [np.zeros(2)]}
        )
    return folder


@pytest.mark.parametrize("inner", ["", "default", "7", "7/default"])
def test_orbax_folders_are_read_at_any_of_their_levels(tmp_path, inner):
    save_orbax(tmp_path / "run" / inner)
    arrays = read_weights(tmp_path / "run")
    assert sorted(arrays) == ["features.0.kernel", "list.0"]
    np.testing.assert_array_equal(arrays["features.0.kernel"], np.ones((3, 3, 1, 2)))


def test_of_several_orbax_steps_the_newest_is_read(tmp_path):
    for step in (9, 10):
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(tmp_path / str(step), {"x": np.full(2, step)})
    np.testing.assert_array_equal(read_weights(tmp_path)["x"], [10, 10])


@pytest.mark.parametrize("part", ["manifest", "data"])
def test_a_damaged_orbax_folder_is_told(tmp_path, part):
    folder = save_orbax(tmp_path / "run")
    files = [folder / "manifest.ocdbt"] if part == "manifest" else list(folder.rglob("d/*"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"is not a whole Orbax checkpoint") as fault:
        read_weights(folder)
    assert "\n" not in str(fault.value)


def test_what_is_no_checkpoint_is_told_with_what_would_be(tmp_path):
    save_file(ARRAYS, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match=r"no weights at .*wieghts.*Did you mean 'weights.safetensors'\?"):
        read_weights(tmp_path / "wieghts.safetensors")
    with pytest.raises(WeightsError, match="no weights at"):
        read_weights(tmp_path / "nowhere" / "w.pth")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match="is a folder but no Orbax checkpoint"):
        read_weights(tmp_path / "folder")
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match="is empty"):
        read_weights(tmp_path / "empty.pth")
    (tmp_path / "notes.txt").write_text("these are my notes on weights")
    with pytest.raises(
        WeightsError,
        match=r"no weights file .* known are .safetensors, .pth, .* .msgpack, .bin files, .* Orbax",
    ):
        read_weights(tmp_path / "notes.txt")
    (tmp_path / "w.pth").write_bytes(write_zip(tmp_path / "none.pth", {"epoch": 3}).read_bytes())
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_weights(tmp_path / "w.pth")


def test_reading_needs_no_torch(tmp_path):
    code = "import sys; from cnnviz_plugins.models.checkpoints import read_weights; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
