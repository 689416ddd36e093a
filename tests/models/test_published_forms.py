"""Weights as zoos publish them: Flax's msgpack, files with an index, Hugging Face folders, big_vision's names."""

import json

import flax.serialization
import jax.numpy as jnp
import ml_dtypes
import msgpack
import numpy as np
import pytest
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights, restore

TREE = {
    "params": {"conv": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2), "bias": np.float32([0.5, -1])}},
    "steps": np.array(7, np.int64),
}
FLAT = {"params.conv.kernel": TREE["params"]["conv"]["kernel"], "params.conv.bias": TREE["params"]["conv"]["bias"]}


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def sharded(folder, suffix=".safetensors"):
    save_file({"params.conv.kernel": FLAT["params.conv.kernel"]}, folder / "model-00001-of-00002.safetensors")
    rest = {"params.conv.bias": FLAT["params.conv.bias"], "more": np.ones(2)}
    save_file(rest, folder / "model-00002-of-00002.safetensors")
    places = {name: f"model-0000{k}-of-00002.safetensors" for k, name in enumerate(FLAT, 1)}
    index = folder / f"model{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 104}, "weight_map": places}))
    return index


def test_what_flax_writes_is_read_under_dotted_paths(tmp_path):
    (tmp_path / "w.msgpack").write_bytes(flax.serialization.to_bytes(TREE))
    same(read_weights(tmp_path / "w.msgpack"), {**FLAT, "steps": TREE["steps"]})


def test_bfloat16_lists_and_numbers_beside_arrays_in_msgpack(tmp_path):
    tree = {"low": jnp.ones(3, jnp.bfloat16), "rate": 0.1, "blocks": [np.ones(2), np.zeros(1)], "one": np.float32(2)}
    (tmp_path / "w.msgpack").write_bytes(flax.serialization.msgpack_serialize(flax.serialization.to_state_dict(tree)))
    found = read_weights(tmp_path / "w.msgpack")
    blocks = {"blocks.0": np.ones(2), "blocks.1": np.zeros(1)}
    same(found, {"low": np.ones(3, ml_dtypes.bfloat16), **blocks, "one": np.float32(2)})


def test_arrays_that_flax_cut_into_pieces_are_whole_again(tmp_path, monkeypatch):
    monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", 40)
    (tmp_path / "w.msgpack").write_bytes(
        flax.serialization.msgpack_serialize({"a": {"b": np.arange(24.0).reshape(4, 6)}})
    )
    same(read_weights(tmp_path / "w.msgpack"), {"a.b": np.arange(24.0).reshape(4, 6)})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(((9, 9), "float32", b"1234")))}), "in 4 bytes"),
        (msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(((1,), "object", b"12345678")))}), "an array of object"),
        (msgpack.packb({"a": msgpack.ExtType(9, b"")}), "an extension of type 9"),
        (msgpack.packb({"a": 1.5}), "holds no arrays; save the model with flax.serialization.to_bytes"),
        (flax.serialization.to_bytes(TREE)[:-9], "is not a whole Flax msgpack file"),
    ],
)
def test_what_is_wrong_with_a_msgpack_file_is_one_sentence(tmp_path, content, told):
    (tmp_path / "w.msgpack").write_bytes(content)
    with pytest.raises(WeightsError, match=told):
        read_weights(tmp_path / "w.msgpack")


def test_files_with_an_index_are_one_checkpoint_and_what_it_does_not_list_is_left(tmp_path):
    same(read_weights(sharded(tmp_path)), FLAT)


def test_only_what_is_chosen_is_read_of_files_with_an_index(tmp_path):
    found = read_weights(sharded(tmp_path), lambda headers: [name for name in headers if name.endswith("bias")])
    same(found, {"params.conv.bias": FLAT["params.conv.bias"]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weight_map": {"a": "../model-00001-of-00002.safetensors"}}, "does not lie beside it"),
        ({"weight_map": {"a": "/etc/hostname"}}, "does not lie beside it"),
        ({"weight_map": {"a": "absent.safetensors"}}, "needs 'absent.safetensors' beside it"),
        ({"weight_map": {"a": "model-00001-of-00002.safetensors"}}, "lacks 'a', which its index seeks there"),
        ({"weight_map": ["a"]}, "without a weight_map"),
        ([], "without a weight_map"),
    ],
)
def test_an_index_that_leads_astray_is_told(tmp_path, change, told):
    index = sharded(tmp_path)
    index.write_text(json.dumps(change))
    with pytest.raises(WeightsError, match=told):
        read_weights(index)


@pytest.mark.parametrize("form", ["model.safetensors", "flax_model.msgpack", "index"])
def test_a_hugging_face_folder_is_read_by_its_best_file(tmp_path, form):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    if form == "index":
        sharded(tmp_path)
    elif form == "flax_model.msgpack":
        (tmp_path / form).write_bytes(flax.serialization.to_bytes({"params": TREE["params"]}))
    else:
        save_file(FLAT, tmp_path / form)
    same(read_weights(tmp_path), FLAT)


def test_links_of_hugging_faces_cache_are_followed_and_no_others(tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "123"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    save_file(FLAT, tmp_path / "models--a--b" / "blobs" / "0123abcd")
    (snapshot / "model.safetensors").symlink_to("../../blobs/0123abcd")
    same(read_weights(snapshot), FLAT)
    (snapshot / "model.safetensors").unlink()
    save_file(FLAT, tmp_path / "mine.safetensors")
    (snapshot / "model.safetensors").symlink_to(tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match="is a link out of its folder"):
        read_weights(snapshot)


def test_big_visions_names_with_slashes_restore_into_a_tree(tmp_path):
    np.savez(tmp_path / "w.npz", **{name.replace(".", "/"): array for name, array in FLAT.items()})
    found = restore({"params": TREE["params"]}, tmp_path / "w.npz")
    np.testing.assert_array_equal(found["params"]["conv"]["kernel"], TREE["params"]["conv"]["kernel"])


def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path):
    """128 = 0x80 opens every pickle."""
    for length in range(40, 90):
        save_file({"a" * length: np.ones(1, np.float32)}, tmp_path / "w.safetensors")
        if (tmp_path / "w.safetensors").read_bytes()[0] == 0x80:
            break
    else:
        pytest.fail("no header of 128 bytes")
    assert list(read_weights(tmp_path / "w.safetensors")) == ["a" * length]
