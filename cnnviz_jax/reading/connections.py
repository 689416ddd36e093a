"""Connections to servers that may never end: given up where bytes come too slowly or are too many. Light.

A time-out alone is no bound: each byte may come within it.
"""

from __future__ import annotations

import http.client
import io
import time
import urllib.request
from typing import Any

CHUNK_BYTES = 1 << 18
"""How much is read at once, at most."""
_MB = 1_000_000
_WINDOW_S = 60.0
_LEAST_BYTES_PER_S = 1_000
_MOST_HEAD_S = 60.0
_MOST_BYTES_UNTOLD = 8_000_000_000
"""Of a file whose length the server does not tell; the largest published network has some 3 GB."""


class GivenUpError(Exception):
    """What a server does that never ends; its text goes on from the address."""


class _Paced(io.RawIOBase):
    """The bytes of a connection, headers included."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._waited_s = self._came = 0.0
        self._left = float(_MOST_BYTES_UNTOLD)
        self._ends_s: float | None = None

    def begin_head(self) -> None:
        """Give the headers so much time."""
        self._ends_s = time.monotonic() + _MOST_HEAD_S

    def begin_body(self, *, is_told: bool) -> None:
        """Let the body come, as long as it was told to be."""
        self._ends_s = None
        self._left = float("inf") if is_told else float(_MOST_BYTES_UNTOLD)

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there, at least a byte unless the connection has ended.

        Raises:
            GivenUpError: It is too slow, or has no end.
        """
        begun_s = time.monotonic()
        count = self._raw.readinto(buffer) or 0
        now_s = time.monotonic()
        # Only what is waited for here: a process that was stopped, or writes to a slow disk, is no slow server.
        self._waited_s, self._came, self._left = (
            self._waited_s + now_s - begun_s,
            self._came + count,
            self._left - count,
        )
        if self._left < 0:
            raise GivenUpError(
                f"does not say how long the file is and has sent {_MOST_BYTES_UNTOLD / _MB:,.0f} MB without an end"
            )
        if self._ends_s is not None and now_s > self._ends_s:
            raise GivenUpError(f"has not come to the end of its headers in {_MOST_HEAD_S:.0f} seconds")
        if self._waited_s >= _WINDOW_S:
            if self._came < _LEAST_BYTES_PER_S * self._waited_s:
                raise GivenUpError(
                    f"sent {self._came:,.0f} bytes in {self._waited_s:.0f} seconds, and {_LEAST_BYTES_PER_S:,} bytes a "
                    "second are the least that is waited for"
                )
            self._waited_s = self._came = 0.0
        return count

    def close(self) -> None:
        """Close the connection's side of it."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose bytes are paced."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._paced = _Paced(sock.makefile("rb", buffering=0))
        self.fp = io.BufferedReader(self._paced, CHUNK_BYTES)

    def begin(self) -> None:
        """Read the headers."""
        self._paced.begin_head()
        super().begin()
        self._paced.begin_body(is_told=self.length is not None)


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class PacedHttp(urllib.request.HTTPHandler):
    """Opens http addresses."""

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Return the answer."""
        return self.do_open(_Connection, req)


class PacedHttps(urllib.request.HTTPSHandler):
    """Opens https addresses."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Return the answer."""
        return self.do_open(_SecureConnection, req)
