"""A site served on this machine alone, with one more thing than files: an image that is sent is explained.

Nothing but this machine's browsers may talk to it. It listens on 127.0.0.1; it answers only requests whose `Host` is
that address, so that a name of a stranger's that is pointed to 127.0.0.1 gets nothing; and it answers only who has the
token, which stands in the address that is printed and then in a cookie that other sites' pages cannot send.
"""

import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.site.folder import SiteFolder, plain

MOST_BYTES = 16 * 2**20
"""Of an image that is sent."""
_AT_ONCE = 4
"""Images that wait for their explanation; more are told to come later."""
_TIMEOUT_S = 30
_TYPES = {".js": "text/javascript", ".json": "application/json", ".png": "image/png", ".jpg": "image/jpeg"}
_FILE = re.compile(r"(data|tiles)/[A-Za-z0-9_.-]+\.(js|png|jpg)|site\.json")

Explain = Callable[[bytes, Mapping[str, str]], Any]
"""`explain(image file, words)` -> what the page shows, as numbers, texts, lists and dicts."""


class SiteServer(ThreadingHTTPServer):
    """Serves one site, and those beside it that it names, until `close`."""

    daemon_threads = True

    def __init__(self, folder: SiteFolder, page: bytes, explain: Explain, *, port: int = 0) -> None:
        self.folder, self.page, self.explain = folder, page, explain
        self.token = secrets.token_urlsafe(24)
        self.one = threading.Lock()
        self.waiting = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def name(self) -> str:
        """The site's folder, which is the first part of all its addresses."""
        return self.folder.root.resolve().name

    @property
    def address(self) -> str:
        """What to open: it holds the token."""
        return f"http://127.0.0.1:{self.port}/{quote(self.name)}/?token={self.token}"

    def file_of(self, path: str) -> Path | None:
        """Return the file behind an address: one of the site's own, or of a site beside it that it names."""
        name, _, rest = path.partition("/")
        beside = self.folder.read_summary()["beside"] if name != self.name else []
        if (name != self.name and name not in beside) or not _FILE.fullmatch(rest):
            return None
        root = self.folder.root.resolve().parent / name
        found = (root / rest).resolve()
        # A link in the folder could lead elsewhere.
        return found if found.is_file() and found.is_relative_to(root.resolve()) else None


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    timeout = _TIMEOUT_S
    server_version, sys_version = "cnnviz", ""

    def do_GET(self) -> None:
        """Answer with a file of the site, or with its page."""
        asked = urlsplit(self.path)
        path = unquote(asked.path).removeprefix("/")
        if not self._is_ours():
            return
        token = parse_qs(asked.query).get("token", [""])[0]
        if token and hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._send(303, b"", "text/plain", {"Location": f"/{quote(self.server.name)}/", **self._cookie()})
        elif not self._knows_token():
            self._refuse(403, "open the address that `cnnviz explore --serve` printed; it holds a token")
        elif path in (f"{self.server.name}/", f"{self.server.name}/index.html"):
            self._send(200, self.server.page, "text/html; charset=utf-8")
        elif (found := self.server.file_of(path)) is not None:
            self._send(200, found.read_bytes(), _TYPES[found.suffix])
        else:
            self._refuse(404, "no such file in the site")

    def do_POST(self) -> None:
        """Explain the image that is sent."""
        asked = urlsplit(self.path)
        if not self._is_ours():
            return
        origin = self.headers.get("Origin", "")
        if not self._knows_token() or origin not in {f"http://{host}" for host in self._hosts()}:
            self._refuse(403, "only the page of this site may send images")
            return
        length = self.headers.get("Content-Length", "")
        if unquote(asked.path) != f"/{self.server.name}/live":
            self._refuse(404, "images are sent to /live")
        elif not length.isdigit():
            self._refuse(411, "the length of the image is needed")
        elif int(length) > MOST_BYTES:
            self._refuse(413, f"an image of at most {MOST_BYTES // 2**20} MiB is explained")
        elif not self.server.waiting.acquire(blocking=False):
            self._refuse(503, f"{_AT_ONCE} images are being explained; try again")
        else:
            try:
                self._explain(
                    self.rfile.read(int(length)), {key: rows[0] for key, rows in parse_qs(asked.query).items()}
                )
            finally:
                self.server.waiting.release()

    def _explain(self, data: bytes, words: dict[str, str]) -> None:
        try:
            with self.server.one:
                told = self.server.explain(data, words)
        except CnnvizError as error:
            self._refuse(422, str(error))
            return
        self._send(200, json.dumps(plain(told)).encode(), "application/json")

    def _hosts(self) -> set[str]:
        return {f"127.0.0.1:{self.server.port}", f"localhost:{self.server.port}"}

    def _is_ours(self) -> bool:
        if self.headers.get("Host", "") in self._hosts():
            return True
        self._refuse(421, f"this site is served as 127.0.0.1:{self.server.port} alone")
        return False

    def _cookie(self) -> dict[str, str]:
        return {"Set-Cookie": f"{self._cookie_name}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"}

    @property
    def _cookie_name(self) -> str:
        return f"cnnviz_{self.server.port}"  # cookies do not tell ports apart

    def _knows_token(self) -> bool:
        try:
            held = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie_name)
        except CookieError:
            return False
        return held is not None and hmac.compare_digest(held.value.encode(), self.server.token.encode())

    def _refuse(self, code: int, words: str) -> None:
        self._send(code, json.dumps({"error": words}).encode(), "application/json")

    def _send(self, code: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin", **(more or {}),
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # the base class names it
        """Say nothing: the terminal is the user's."""
