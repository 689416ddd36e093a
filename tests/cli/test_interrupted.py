"""Ctrl-C in the middle of a command: 130, one line, nothing half."""

import os
import signal

import pytest
from PIL import Image

from cnnviz_jax.cli import main
from cnnviz_jax.engine import chunk_planning

LINES = {
    "synthesize": ["synthesize", "shapes", "--layer", "conv1", "--channels", "0", "--steps", "3", "--out", "new.png"],
    "report": ["report", "--techniques", "saliency", "--out", "new.html"],
    "explain": ["explain", "saliency", "shapes", "red.png", "--out", "new.png"],
}


@pytest.mark.parametrize("line", LINES)
def test_ctrl_c_leaves_nothing_half(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), (200, 30, 30)).save("red.png")
    real = chunk_planning.free_device_bytes

    def interrupted() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return real()

    chunk_planning._free_lately.cache_clear()  # what a test before this one read
    monkeypatch.setattr(chunk_planning, "free_device_bytes", interrupted)  # asked for when a program is planned
    code = main([*LINES[line], "--quiet"])
    assert code == 130, capsys.readouterr().err
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert told[0].startswith("cnnviz: ")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["red.png"]
