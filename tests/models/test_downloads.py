"""Weights are fetched whole and checked, gone on with after a break, and every fault is one clear sentence."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import cnnviz_jax as cv
from cnnviz_jax import downloads
from cnnviz_jax.cli import main
from cnnviz_jax.downloads import cache_folder, cached_file, fetch, is_url, local_file
from cnnviz_jax.errors import WeightsError
from cnnviz_jax.plugins import reset_plugins
from cnnviz_jax.plugins.specs import WeightsSpec

CONTENT = np.random.default_rng(0).bytes(1_500_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Shelf:
    """What a server on loopback offers, how it behaves, and what it was asked for."""

    def __init__(self):
        self.files = {"/w-00.pth": CONTENT}
        self.stops_after = None
        """Bytes of a body after which it closes the connection."""
        self.knows_ranges = True
        self.ranges = []


@pytest.fixture
def shelf():
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            shelf.ranges.append(asked)
            body = shelf.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and shelf.knows_ranges else 0
            if start and start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:][: shelf.stops_after])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        shelf.url = f"{shelf.address}/w-00.pth"
        yield shelf
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def sentence(url, folder, **options):
    with pytest.raises(WeightsError) as fault:
        fetch(url, folder, **options)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_a_file_arrives_whole_with_progress_and_is_not_fetched_twice(shelf, cache):
    ticks = []
    file = fetch(shelf.url, cache, sha256=DIGEST, progress=lambda *tick: ticks.append(tick))
    assert file == cache / "w-00.pth"
    assert file.read_bytes() == CONTENT
    assert ticks[-1] == (len(CONTENT), len(CONTENT), "w-00.pth")
    assert [done for done, _, _ in ticks] == sorted({done for done, _, _ in ticks})
    assert fetch(shelf.url, cache, sha256=DIGEST[:8]) == file
    assert shelf.ranges == [None]
    assert os.listdir(cache) == ["w-00.pth"]


def test_a_connection_that_ends_early_is_told_and_the_next_try_goes_on_there(shelf, cache):
    shelf.stops_after = 600_000
    assert sentence(shelf.url, cache, sha256=DIGEST) == (
        f"the connection to {shelf.address.removeprefix('http://')} ended after 0.6 of 1.5 MB of w-00.pth;"
        " run the same command again to resume"
    )
    assert os.listdir(cache) == ["w-00.pth.part"]
    shelf.stops_after = None
    assert fetch(shelf.url, cache, sha256=DIGEST).read_bytes() == CONTENT
    assert shelf.ranges == [None, "bytes=600000-"]


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(shelf, cache):
    shelf.stops_after, shelf.knows_ranges = 600_000, False
    sentence(shelf.url, cache, sha256=DIGEST)
    shelf.stops_after = None
    assert fetch(shelf.url, cache, sha256=DIGEST).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_begun_anew(shelf, cache):
    cache.mkdir()
    (cache / "w-00.pth.part").write_bytes(CONTENT + b"more")
    assert fetch(shelf.url, cache, sha256=DIGEST).read_bytes() == CONTENT
    assert shelf.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_without_a_digest_halves_are_never_joined(shelf, cache):
    cache.mkdir()
    (cache / "w-00.pth.part").write_bytes(b"half of another file")
    assert fetch(shelf.url, cache).read_bytes() == CONTENT
    assert shelf.ranges == [None]


def test_another_file_than_the_published_one_is_thrown_away(shelf, cache):
    shelf.files["/w-00.pth"] = CONTENT[:-1] + b"!"
    wrong = hashlib.sha256(shelf.files["/w-00.pth"]).hexdigest()
    assert sentence(shelf.url, cache, sha256=DIGEST[:8]) == (
        f"what {shelf.url} gave has SHA-256 {wrong}, not one that begins with {DIGEST[:8]}; it was discarded."
        " Try again, and if it comes back the same, do not use it"
    )
    assert os.listdir(cache) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(shelf, cache):
    fetch(shelf.url, cache, sha256=DIGEST).write_bytes(b"damaged")
    assert fetch(shelf.url, cache, sha256=DIGEST).read_bytes() == CONTENT


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full to run out of space on")
def test_a_full_disk_is_told(shelf, cache, monkeypatch):
    monkeypatch.setattr(downloads._Download, "_opened_part", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
    assert sentence(shelf.url, cache, sha256=DIGEST) == (
        f"no space left for w-00.pth in {str(cache)!r}; free some, or let CNNVIZ_CACHE name another folder,"
        " and run the same command again to resume"
    )


def test_a_disk_with_too_little_space_is_told_before_anything_is_written(shelf, cache, monkeypatch):
    free = downloads.shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: free)
    assert sentence(shelf.url, cache, sha256=DIGEST).startswith("no space left for w-00.pth")
    assert os.listdir(cache) == []


def test_no_network_is_told_with_the_way_round_it(cache):
    with socket.socket() as unused:  # bound but not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        assert sentence(f"http://{host}/w.pth", cache) == (
            f"cannot download http://{host}/w.pth: {host} cannot be reached (Connection refused). Where there is no"
            " network, fetch the file elsewhere and pass it by --weights FILE."
        )


def test_a_file_that_is_not_there_is_told(shelf, cache):
    assert sentence(f"{shelf.address}/none.pth", cache) == (
        f"{shelf.address}/none.pth answers 404 Not Found; nothing was downloaded"
    )


def test_an_address_without_a_file_name_is_refused(cache):
    for path in ("", "/", "/weights/", "/.hidden", "/a%2fb%00"):
        assert "does not end in a file's name" in sentence(f"http://127.0.0.1:9{path}", cache)


def test_a_folder_that_cannot_be_written_is_told(shelf, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert sentence(shelf.url, tmp_path / "file" / "cache").startswith("cannot write ")


def test_of_two_processes_the_second_waits_and_finds_the_file(shelf, cache):
    cache.mkdir()
    code = (
        f"import fcntl, os, sys; fcntl.flock(os.open({str(cache)!r}, os.O_RDONLY), fcntl.LOCK_EX);"
        "print(1, flush=True); content = sys.stdin.buffer.read();"
        f"open({str(cache / 'w-00.pth')!r}, 'wb').write(content)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        other.stdout.read(1)
        found = []
        second = threading.Thread(target=lambda: found.append(fetch(shelf.url, cache, sha256=DIGEST)))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        other.stdin.write(CONTENT)
        other.stdin.close()
        second.join(20)
    assert found == [cache / "w-00.pth"]
    assert shelf.ranges == []


def test_the_cache_follows_the_usual_variables(monkeypatch, tmp_path):
    monkeypatch.delenv("CNNVIZ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "cnnviz_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "cnnviz_jax"


def test_a_published_file_counts_as_there_only_under_its_own_name(shelf, cache):
    published = WeightsSpec(url=shelf.url, sha256=DIGEST)
    shelf.stops_after = 10
    sentence(shelf.url, cache, sha256=DIGEST)
    assert cached_file(published) is None
    assert cached_file(WeightsSpec()) is None
    shelf.stops_after = None
    file = fetch(shelf.url, cache, sha256=DIGEST)
    assert cached_file(published) == file


def test_weights_may_be_an_address_and_its_end_a_digest(shelf, cache):
    assert is_url(shelf.url)
    assert not is_url("w.pth")
    assert local_file("w.pth").name == "w.pth"
    file = local_file(f"{shelf.url}#sha256={DIGEST}")
    assert file.read_bytes() == CONTENT
    assert cache in file.parents
    shelf.files["/w-00.pth"] = b"other"
    assert local_file(f"{shelf.url}#sha256={DIGEST}") == file
    with pytest.raises(WeightsError, match=r"the end '#main' of the weights' address is not #sha256="):
        local_file(f"{shelf.url}#main")


def test_files_of_one_name_at_two_addresses_are_two_files(shelf):
    shelf.files["/other/w-00.pth"] = b"another"
    assert local_file(f"{shelf.address}/other/w-00.pth").read_bytes() == b"another"
    assert local_file(shelf.url).read_bytes() == CONTENT


@pytest.fixture
def cnnviz(shelf, tmp_path, monkeypatch, capsys):
    """The command line with a plugin whose network `tiny` has published weights on the shelf."""
    monkeypatch.chdir(tmp_path)
    save_file({"scale": np.array([2.0], np.float32)}, tmp_path / "tiny.safetensors")
    shelf.files["/tiny.safetensors"] = (tmp_path / "tiny.safetensors").read_bytes()
    digest = hashlib.sha256(shelf.files["/tiny.safetensors"]).hexdigest()
    (tmp_path / "mine.py").write_text(
        f"""
import jax.numpy as jnp
import cnnviz_jax as cv
from cnnviz_jax.downloads import cached_file
from cnnviz_jax.plugins.specs import ModelSpec, WeightsSpec
from cnnviz_plugins.models.checkpoints import read_weights
published = WeightsSpec(url="{shelf.address}/tiny.safetensors", sha256="{digest}")
def build(weights):
    scale = jnp.asarray(read_weights(weights or cached_file(published))["scale"])
    return cv.adapt(lambda p, x: p * x.mean((1, 2)), scale, input_shape=(8, 8, 3), name="tiny")
@cv.hookimpl
def cnnviz_models():
    yield ModelSpec(name="tiny", summary="A tiny one", build=build, weights=published)
"""
    )
    reset_plugins()

    def run(*words):
        capsys.readouterr()
        code = main(["--plugin", "mine.py", *words])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    reset_plugins()


def test_the_command_fetches_the_published_weights_and_the_model_then_needs_no_file(cnnviz, cache):
    assert ["tiny", "--download"] in [line.split()[:2] for line in cnnviz("models")[1].splitlines()]
    code, out, _ = cnnviz("models", "--download", "tiny")
    assert code == 0
    assert str(cache / "tiny.safetensors") in out
    assert "SHA-256" in out
    assert ["tiny", "downloaded"] in [line.split()[:2] for line in cnnviz("models")[1].splitlines()]
    code, out, err = cnnviz("layers", "tiny", "--json")
    assert code == 0, err
    np.testing.assert_allclose(cv.load_model("tiny")(np.ones((1, 8, 8, 3), np.float32)), [[2, 2, 2]])


def test_the_command_takes_weights_by_address(cnnviz, shelf, cache):
    code, _, err = cnnviz("layers", "tiny", "--weights", f"{shelf.address}/tiny.safetensors")
    assert code == 0, err
    assert [file.name for file in cache.rglob("*.safetensors")] == ["tiny.safetensors"]


def test_a_fault_of_the_download_is_one_sentence_and_exit_code_2(cnnviz, shelf):
    del shelf.files["/tiny.safetensors"]
    code, out, err = cnnviz("models", "--download", "tiny")
    assert (code, out) == (2, "")
    assert err == f"cnnviz: {shelf.address}/tiny.safetensors answers 404 Not Found; nothing was downloaded\n"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shapes", "shapes comes with its weights; there is nothing to download"),
        ("lenet", "no address of published weights is known for lenet; pass a file by --weights FILE"),
        ("resnet05", "no model 'resnet05'. Did you mean"),
    ],
)
def test_what_cannot_be_downloaded_is_told_before_the_first_byte(cnnviz, shelf, name, told):
    code, _, err = cnnviz("models", "--download", "tiny", "--download", name)
    assert code == 2
    assert err.startswith(f"cnnviz: {told}")
    assert shelf.ranges == []
