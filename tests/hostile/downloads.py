"""Hostile downloads: addresses that are none, and a server that lies, stops, leads astray or never ends."""

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from cnnviz_jax import downloads
from cnnviz_jax.reading import connections
from tests.hostile.family import Case, Family

BODY = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BODY).hexdigest()
_SCHEMES = ("http://", "https://", "HTTP://", "http:/", "http:", "https:///", "http://[", "http://user:secret@")
_HOSTS = (
    "127.0.0.1:1",
    "127.0.0.1:99999",
    "127.0.0.1:-1",
    "127.0.0.1:port",
    "[::1",
    "[::1]:1",
    "",
    "a" * 300,
    "a..b",
    ".",
    "host name",
    "\u2024",
    "xn--" + "a" * 70,
    "127.0.0.1:1\r\nX: y",
    "127.0.0.1:1\0",
    "%00",
    "0x7f000001:1",
    "-",
    "@",
    "::",
)
_PATHS = (
    "/w.pth",
    "",
    "/",
    "/../../w.pth",
    "/%2e%2e%2fw",
    "/w.pth?token=secret",
    "/w.pth#sha256=xyz",
    "/w.pth#sha256=12345678",
    "/\u00fc.pth",
    "/w w.pth",
    "/w.pth\n",
    "/" + "w" * 5_000,
    "/.w",
    "//w.pth",
    "/w.pth;x",
    "/%",
    "/w.pth?" + "q" * 9_000,
)


def make(rng: np.random.Generator, folder: Path) -> Case:
    """Set up an address, or a server with an answer, from which weights are fetched."""
    os.environ["CNNVIZ_CACHE"] = str(folder / "out")
    os.environ["no_proxy"] = "127.0.0.1"
    if rng.random() < 0.4:
        address = "".join(str(parts[rng.integers(len(parts))]) for parts in (_SCHEMES, _HOSTS, _PATHS))
        if rng.random() < 0.2:
            letters = list(address)
            letters[rng.integers(len(letters))] = chr(rng.integers(1, 0x300))
            address = "".join(letters)
        return Case(what=f"address {address[:90]!r}", attempt=lambda: _asked(address))
    answer = _ANSWERS[rng.integers(len(_ANSWERS))]
    has_digest = bool(rng.integers(2))

    def attempt() -> None:
        with _served(lambda asked: answer(rng, asked)) as address:
            file = downloads.local_file(f"{address}/w.pth" + f"#sha256={DIGEST}" * has_digest)
            content = file.read_bytes()
            assert content == BODY or (not has_digest and answer in _HONEST), (
                f"{len(content)} bytes were taken for whole"
            )

    # What came before the connection broke may be resumed where a digest can tell whether the halves fit.
    return Case(
        what=f"{answer.__name__}, digest {has_digest}", attempt=attempt, may_stay=lambda path: path.suffix == ".part"
    )


def _asked(address: str) -> None:
    if downloads.is_url(address):
        downloads.local_file(address)


@contextlib.contextmanager
def _served(answer: Callable[[bytes], Iterator[bytes]]) -> Iterator[str]:
    """Serve what `answer` gives for each request, until the block ends; return the address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                asked = connection.recv(65_536)
                for part in answer(asked):
                    connection.sendall(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def _head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode("latin-1")


def cut(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """Less than was said."""
    yield _head(f"Content-Length: {len(BODY)}")
    yield BODY[: rng.integers(0, len(BODY))]


def cut_without_length(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """Less than there is, and nobody says how much that was."""
    yield _head()
    yield BODY[: rng.integers(0, len(BODY))]


def cut_chunks(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """Chunks of which the last is missing, or with a size that is no number."""
    yield _head("Transfer-Encoding: chunked")
    yield b"%x\r\n" % len(BODY) + BODY[: rng.integers(0, len(BODY))]
    yield (b"", b"\r\nzz\r\n", b"\r\n-5\r\n", b"\r\n" + b"f" * 60 + b"\r\n")[rng.integers(4)]


def wrong_length(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """A length that is none, or more than any disk has."""
    yield _head("Content-Length: " + ("-1", "x", "9" * 30, "9" * 5_000, "1e3", "", "\u00b2")[rng.integers(7)])
    yield BODY[:100]


def endless(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """No end, in chunks or without."""
    is_chunked = bool(rng.integers(2))
    yield _head("Transfer-Encoding: chunked") if is_chunked else _head()
    part = bytes(1 << 20)
    while True:
        yield b"%x\r\n" % len(part) + part + b"\r\n" if is_chunked else part


def wrong_range(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """A part of the file that was not asked for."""
    start = int(rng.integers(0, len(BODY)))
    lines = (f"bytes {start}-{len(BODY) - 1}/{len(BODY)}", "bytes x-y/z", f"bytes {10**30}-0/1", "")
    yield _head(f"Content-Range: {lines[rng.integers(4)]}", "Content-Length: 10", status="206 Partial Content")
    yield BODY[:10]


def led_astray(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """A redirect to a file, to ftp, to itself, to nowhere."""
    places = (
        "file:///etc/passwd",
        "ftp://127.0.0.1:1/w.pth",
        "/w.pth",
        "",
        "http://",
        "http://[::1",
        "data:,x",
        "gopher://x/",
        "http://user:secret@127.0.0.1:1/w.pth",
        "//",
        "javascript:1",
        "http://127.0.0.1:port/",
    )
    yield _head(
        f"Location: {places[rng.integers(len(places))]}", status=f"{(301, 302, 303, 307, 308)[rng.integers(5)]} Go"
    )


def strange_status(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """An answer that is no HTTP, or headers without end."""
    yield (
        b"",
        b"\0" * 100,
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99999 x\r\n\r\n",
        b"HTTP/1.1 " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 416 no\r\n\r\n",
        b"HTTP/1.1 500 \x1b[31m\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5,
        b"HTTP/1.1 204 none\r\n\r\n",
        b"SSH-2.0-x\r\n",
    )[rng.integers(11)]


def other_bytes(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """As long as was said, but another file."""
    yield _head(f"Content-Length: {len(BODY)}")
    yield BODY[1:] + b"!"


def _dripped(start: bytes) -> Iterator[bytes]:
    yield start
    while True:
        time.sleep(0.02)
        yield b"a"


def dripping(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """A byte now and then, each in time: of status, header, body, a chunk's size, or what a redirect brings."""
    starts = (
        b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nA: ", _head(f"Content-Length: {len(BODY)}"), _head(),
        _head("Transfer-Encoding: chunked"), _head("Transfer-Encoding: chunked") + b"2800\r\n",
        _head("Location: /w.pth", f"Content-Length: {len(BODY)}", status="302 Found"), _head(status="500 no"),
    )  # fmt: skip
    yield from _dripped(starts[rng.integers(len(starts))])


def headers_without_end(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """Answers that another answer will come, or lines behind the last chunk, fast and for ever."""
    part = b"HTTP/1.1 100 Continue\r\n\r\n"
    if rng.random() < 0.5:
        yield _head("Transfer-Encoding: chunked") + b"2800\r\n" + BODY + b"\r\n0\r\n"
        part = b"A: b\r\n"
    while True:
        yield part * 10_000


def endless_redirect(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """A redirect with a body that has no end, or is said to be exabytes long."""
    more = ("Content-Length: 9" + "0" * 18, "", "Transfer-Encoding: chunked")[rng.integers(3)]
    yield _head("Location: /w.pth", *([more] if more else []), status="302 Found")
    part = bytes(1 << 20)
    while True:
        yield b"%x\r\n" % len(part) + part + b"\r\n" if "chunked" in more else part


def honest(rng: np.random.Generator, asked: bytes) -> Iterator[bytes]:
    """The file."""
    yield _head(f"Content-Length: {len(BODY)}")
    yield BODY


_HONEST = (honest, other_bytes)
_ANSWERS = (
    cut,
    cut_without_length,
    cut_chunks,
    wrong_length,
    endless,
    wrong_range,
    led_astray,
    strange_status,
    other_bytes,
    dripping,
    headers_without_end,
    endless_redirect,
    honest,
)

# The real bounds would take a minute for each endless answer.
connections._MOST_BYTES_UNTOLD = 50_000_000
connections._WINDOW_S = connections._MOST_HEAD_S = 1.0
FAMILY = Family(make=make, share=8)
