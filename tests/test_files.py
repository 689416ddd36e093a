"""Files are whole or absent, whatever happens while they are written."""

import os
import stat

import pytest

from cnnviz_jax.files import parse_json, read_json, whole, write_json, write_whole


def test_a_file_appears_when_it_is_whole_and_with_the_mode_that_the_umask_asks_for(tmp_path):
    path, before = tmp_path / "new" / "figure.png", os.umask(0o027)
    try:
        with whole(path) as temporary:
            assert (temporary.parent, temporary.suffix) == (path.parent, ".png")
            temporary.write_bytes(b"half")
            assert not path.exists()
    finally:
        os.umask(before)
    assert path.read_bytes() == b"half"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_what_is_cut_short_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})

    def write():
        with whole(path) as temporary:
            temporary.write_bytes(b"{")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == '{\n "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "absent"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("a" * 251 + ".npz")
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize("depth", [101, 900, 100_000])
@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_json_nested_deeper_than_any_of_ours_is_refused_whoever_reads_it(tmp_path, depth, bracket):
    (tmp_path / "deep.json").write_text(bracket * depth + "1" + ("]" if bracket == "[" else "}") * depth)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json(tmp_path / "deep.json")


def test_json_a_hundred_brackets_deep_is_read():
    found = parse_json("[" * 100 + "1" + "]" * 100)
    for _ in range(100):
        (found,) = found
    assert found == 1
