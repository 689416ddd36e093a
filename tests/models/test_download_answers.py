"""What a server or an address says is not believed: each lie is one sentence, and nothing half has the file's name."""

import functools
import io
import os
from pathlib import Path

import numpy as np
import pytest

from cnnviz_jax import downloads
from cnnviz_jax.downloads import check_address, fetch, local_file, shown
from cnnviz_jax.errors import WeightsError
from cnnviz_jax.reading import connections
from tests.hostile import downloads as hostile


def told(url, folder, **options):
    with pytest.raises(WeightsError) as fault:
        fetch(url, folder, **options)
    assert str(fault.value).isprintable()
    return str(fault.value)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def served(answer):
    return hostile._served(functools.partial(answer, np.random.default_rng(0)))


@pytest.mark.parametrize(
    "url",
    ["http://[::1/w.pth", "http://h:port/w.pth", "http://h:99999/w.pth", "http:///w.pth", "http://a b/w.pth", "http://"
     + "a" * 300 + "/w.pth", "http://a..b/w.pth", "http://h/w.pth\n", "http://h\0/w.pth"],
)  # fmt: skip
def test_a_malformed_address_is_refused_before_anything_is_opened(url, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_opener", lambda: pytest.fail("a connection was opened"))
    assert "is no address of a file" in told(url, tmp_path)


def test_a_password_is_refused_and_repeated_nowhere(tmp_path):
    sentence = told("https://me:secret@host/w.pth?token=secret", tmp_path)
    assert "has a user name or password in it" in sentence
    assert "secret" not in sentence
    assert shown("https://me:secret@host/w.pth?token=secret#x") == "https://host/w.pth"


def test_an_answer_without_a_length_or_a_digest_is_not_taken_for_whole(tmp_path):
    with served(hostile.cut_without_length) as address:
        assert "does not say how long w.pth is" in told(f"{address}/w.pth", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_link_in_place_of_the_unfinished_file_is_not_written_through(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "w.pth.part").symlink_to(tmp_path / "mine")
    with served(hostile.honest) as address:
        fetch(f"{address}/w.pth", tmp_path, sha256=hostile.DIGEST)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert (tmp_path / "w.pth").read_bytes() == hostile.BODY


@pytest.mark.parametrize(
    ("start", "sentence"),
    {
        b"HTTP/1.1 2": "has not come to the end of its headers in 0 seconds",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10240\r\n\r\n": "1,000 bytes a second are the least that is waited for",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n": "bytes a second are the least",
    }.items(),
)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(start, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_WINDOW_S", 0.2)
    monkeypatch.setattr(connections, "_MOST_HEAD_S", 0.2)
    with served(lambda rng, asked: hostile._dripped(start)) as address:
        assert sentence in told(f"{address}/w.pth", tmp_path)
    assert not (tmp_path / "w.pth").exists()


def test_what_a_slow_server_sent_is_kept_where_a_digest_can_tell_that_it_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_WINDOW_S", 0.2)
    start = hostile._head(f"Content-Length: {len(hostile.BODY)}")
    with served(lambda rng, asked: hostile._dripped(start)) as address:
        assert "that came are kept" not in told(f"{address}/w.pth", tmp_path / "a")
        assert "that came are kept" in told(f"{address}/w.pth", tmp_path / "b", sha256=hostile.DIGEST)
    assert (tmp_path / "b" / "w.pth.part").exists()


def test_answers_and_lines_without_end_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_MOST_HEAD_S", 0.2)
    monkeypatch.setattr(connections, "_MOST_BYTES_UNTOLD", 1_000_000)

    def lines(rng, asked):
        yield hostile._head("Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n"
        while True:
            yield b"A: b\r\n" * 1_000

    def answers(rng, asked):
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000

    for answer in (answers, lines):
        with served(answer) as address:
            assert "it was given up" in told(f"{address}/w.pth", tmp_path)


def test_what_comes_with_a_redirect_is_not_read(tmp_path):
    def redirect(rng, asked):
        if b"other" in asked:
            yield from hostile.honest(rng, asked)
            return
        yield hostile._head("Location: /other/w.pth", "Content-Length: 9" + "0" * 18, status="302 Found")
        while True:
            yield bytes(1 << 20)

    with served(redirect) as address:
        assert fetch(f"{address}/w.pth", tmp_path).read_bytes() == hostile.BODY


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/w.pth", "file:///etc/passwd", "data:,x"])
def test_a_redirect_out_of_http_is_not_followed(place, tmp_path):
    def astray(rng, asked):
        yield hostile._head(f"Location: {place}", status="302 Found")

    with served(astray) as address:
        assert place in told(f"{address}/w.pth", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_redirect_out_of_https_is_not_followed():
    request = downloads.urllib.request.Request("https://host/w.pth")
    with pytest.raises(WeightsError, match=r"https://host/w.pth leads on to http://host/w.pth, which is not followed"):
        downloads._Redirects().redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://host/w.pth")


def test_a_part_that_nobody_asked_for_is_not_taken_for_the_file(tmp_path):
    with served(hostile.wrong_range) as address:
        assert "answers with a part of the file" in told(f"{address}/w.pth", tmp_path)


def test_http_without_a_digest_brings_a_warning(monkeypatch):
    monkeypatch.setattr(downloads, "fetch", lambda *_, **__: Path("w.pth"))
    with pytest.warns(UserWarning, match="is fetched over http, where anybody on the way can change it"):
        local_file("http://host.example/w.pth")
    local_file("http://host.example/w.pth#sha256=" + "0" * 64)
    local_file("https://host.example/w.pth")
    check_address("http://[::1]:80/w.pth")
