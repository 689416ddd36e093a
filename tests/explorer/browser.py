"""Headless Chromium, driven by the DevTools protocol over two pipes: no package is needed for it."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe"]  # fmt: skip
_WAIT_S = 60


class Browser:
    """One page in a browser; what it says on its console and what it loads is kept."""

    def __init__(self, profile: Path, *, width: int = 1400, height: int = 900):
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser reads at 3 and writes at 4. A shell puts the pipes there, from high numbers that are in nobody's
        # way: a function of Python's between fork and exec would fork, which JAX warns of.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 50) for end in (commands, answers)]
        flags = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}', CHROMIUM, *flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=ends,
        )  # fmt: skip
        for end in (commands, answers, *ends):
            os.close(end)
        self._numbers, self._buffer, self._session = itertools.count(1), b"", None
        self.complaints, self.loaded, self.failed = [], {}, []
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(30)

    def send(self, method, *, of_browser=False, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session and not of_browser:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _WAIT_S
        while True:
            told = self._next(deadline)
            if told.get("id") == number:
                if "error" in told:
                    raise AssertionError(f"{method}: {told['error']}")
                return told["result"]
            self._note(told)

    def _next(self, deadline):
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError("the browser does not answer")
            self._buffer += os.read(self._read, 1 << 20)
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, told):
        params = told.get("params", {})
        if told.get("method") == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif told.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif told.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
        elif told.get("method") == "Network.requestWillBeSent":
            self.loaded.setdefault(params["requestId"], [params["request"]["url"], 0])
        elif told.get("method") == "Network.dataReceived" and params["requestId"] in self.loaded:
            self.loaded[params["requestId"]][1] += params["dataLength"]
        elif told.get("method") == "Network.loadingFailed":
            self.failed.append(self.loaded.get(params["requestId"], ["?"])[0])

    def evaluate(self, code):
        """Return what a JavaScript expression gives, a promise once it is settled."""
        told = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise AssertionError(told["exceptionDetails"].get("exception", {}).get("description", told))
        return told["result"].get("value")

    def wait(self, code, *, seconds=_WAIT_S):
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(code):
            assert time.monotonic() < deadline, f"never true: {code}; {self.complaints}"
            time.sleep(0.02)

    def open(self, address):
        self.send("Page.navigate", url=address)
        self.wait("document.documentElement?.dataset.ready !== undefined")

    def go(self, hash_):
        """Follow an address within the site, as a link does."""
        self.evaluate(f"location.hash = {json.dumps(hash_)}")
        self.wait(f"document.documentElement.dataset.ready === {json.dumps(hash_)}")

    def settled(self):
        """Wait until every image on the page is there."""
        self.wait("performance.now() > 0 && document.readyState === 'complete'")
        before = -1
        while before != len(self.loaded):
            before = len(self.loaded)
            self.evaluate("new Promise(done => setTimeout(done, 150))")

    def key(self, key):
        code = {"/": "Slash", "u": "KeyU"}.get(key, key)
        extra = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=code, **extra)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=code)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def resize(self, width, height=900, *, dark=False):
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)

    def bytes_since(self, loaded):
        """Return what was loaded since `len(browser.loaded)` was that number."""
        return sum(size for _, size in list(self.loaded.values())[loaded:])

    def screenshot(self, path, *, whole=True):
        Path(path).write_bytes(
            base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        )
