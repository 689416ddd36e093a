"""What a weights file promises is compared with what is needed before anything is read, and no instruction is run."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import npy_header, read_weights, restore
from cnnviz_plugins.models.checkpoints.torch_pickle import ALLOWED
from tests.hostile.attack import judged
from tests.hostile.family import Case
from tests.hostile.weights import FAMILY, LIKE
from tests.hostile.weights_bombs import BOMBS, zipped_torch


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_refused_in_a_sentence_with_little_memory(bomb, tmp_path):
    (tmp_path / "out").mkdir()
    path = bomb(np.random.default_rng(6), tmp_path)
    outcome = judged(FAMILY, Case(what=bomb.__name__, attempt=lambda: restore(LIKE, path)), tmp_path)
    assert outcome.verdict == "refused well", outcome


def test_no_number_is_read_of_what_does_not_fit(tmp_path, monkeypatch):
    np.savez(tmp_path / "w.npz", bias=np.zeros(5, np.float32))
    read = []
    monkeypatch.setattr(
        "cnnviz_plugins.models.checkpoints.npz_file.read_npy_numbers", lambda *_: read.append(1) or np.zeros(5)
    )
    with pytest.raises(WeightsError, match=r"1 misshaped: 'bias' is \(5,\), expected \(4,\)"):
        restore({"bias": np.zeros(4, np.float32)}, tmp_path / "w.npz")
    assert not read
    read_weights(tmp_path / "w.npz")
    assert read


def test_only_what_is_chosen_is_read(tmp_path):
    save_file({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    (tmp_path / "w.pth").write_bytes(zipped_torch({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}))
    for name in ("w.safetensors", "w.pth"):
        seen = {}
        arrays = read_weights(tmp_path / name, lambda headers, seen=seen: seen.update(headers) or ["b"])
        assert list(arrays) == ["b"]
        assert {key: header.shape for key, header in seen.items()} == {"a": (2,), "b": (3,)}


def test_whatever_a_parser_raises_is_one_sentence_that_names_file_and_format(tmp_path, monkeypatch):
    np.savez(tmp_path / "w.npz", a=np.zeros(2))

    class Panic(BaseException):
        """As a library written in Rust raises."""

    for raised in (RecursionError(), Panic("a\x1b[31m\nb"), NotImplementedError("x" * 9_000), SystemExit(0)):

        def fail(*_, raised=raised):
            raise raised

        monkeypatch.setattr(npy_header.np.lib.format, "read_magic", fail)
        with pytest.raises(WeightsError, match=r"w\.npz' is not a whole \.npz archive of plain arrays: \S") as fault:
            read_weights(tmp_path / "w.npz")
        assert str(fault.value).isprintable()
        assert len(str(fault.value)) < 600


def test_what_a_pickle_may_call_is_ours(tmp_path):
    assert {type(each).__module__ for each in ALLOWED.values()} == {"cnnviz_plugins.models.checkpoints.torch_pickle"}
