"""What every test stands on: eight CPU devices, no promotion by accident, no network.

Programs are compiled as quickly as XLA can, which takes a third off the suite's time; what was measured and what users
run is compiled as XLA does by default, and so are the page and the commands that `.ci/run` runs itself.

Environment variables and the import hook are set here, before anything imports jax or cnnviz_jax. With
`CNNVIZ_CHECKED=1` every function of both packages checks its arguments and result, array shapes included, whenever it
is called. That takes a fifth of the time or more, so `.ci/run` does it for the quick tests and on the oldest and newest
versions, and a plain `pytest` leaves it out.
"""

import gc
import os
from importlib import metadata

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
if "CNNVIZ_TIMED_TESTS" not in os.environ:  # what is timed is compiled as users compile it
    _QUICK = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
    if metadata.version("jaxlib") < "0.11":  # later ones have no such switch, and end the process over an unknown one
        _QUICK.append("--xla_cpu_use_fusion_emitters=false")
    os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("KERAS_BACKEND", "jax")

import signal
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from tests.slow import slow_functions

if os.environ.get("CNNVIZ_CHECKED") == "1":
    from tests import annotations  # noqa: F401  # the import hook finds it by name

    install_import_hook(["cnnviz_jax", "cnnviz_plugins"], "tests.annotations.checked")

settings.register_profile("repeatable", derandomize=True)  # the same examples in every run
settings.load_profile("repeatable")

CHECKOUT = Path(__file__).parents[1]
_compiled = 0
"""Programs since JAX's caches were last emptied."""


def _count(event: str, seconds: float, **_: str | int) -> None:
    global _compiled
    _compiled += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture(scope="module", autouse=True)
def few_live_programs() -> Iterator[None]:
    """Empty JAX's caches after the file that brought them to 3,000 programs.

    They keep every program and its MLIR context. Where 3,000 live, a new one takes twice the time (a context 24 ms in
    place of 4, XLA 35 in place of 16), and the process 5 GB.
    """
    global _compiled
    yield
    if _compiled > 3000:
        jax.clear_caches()
        gc.collect()
        _compiled = 0


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real weights and images that lies beside the checkout."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real weights and images are absent: there is no ../shared/data beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection but to this machine's loopback."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"tests do not use the network, but this one connected to {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


def pytest_configure(config: pytest.Config) -> None:
    """Look for garbage seldom, hear Ctrl-C, and leave out what results warn of: tests of that ask for the warning.

    Here and not in pyproject.toml, whose filters import their classes before the import hook stands.
    """
    config.addinivalue_line("filterwarnings", "ignore::cnnviz_jax.errors.CnnvizWarning")
    # Looking for garbage after every 700 new objects takes an eighth of the time of tests that trace networks.
    gc.set_threshold(50_000, 20, 50)
    # A shell starts what it puts into the background with SIGINT ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--one-in N`: a share of the suite that is spread over all of it and the same in every run."""
    parser.addoption("--one-in", type=int, default=1, metavar="N", help="run one test in N, chosen by name")


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that were measured to be slow, put their files first, deselect what `--one-in` leaves out.

    A file runs in one process. Where one of two minutes came last, the other process waited for it.
    """
    slow = slow_functions()
    for item in items:
        if item.nodeid.partition("[")[0] in slow:
            item.add_marker("slow")
    slow_in = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow_in[item.path])
    share = config.getoption("--one-in")
    out = [item for item in items if zlib.crc32(item.nodeid.encode()) % share]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not zlib.crc32(item.nodeid.encode()) % share]
