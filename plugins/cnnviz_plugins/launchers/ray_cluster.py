"""Ray as an executor: every call is a task in a process of its own, on a cluster of this machine or one that runs."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from cnnviz_jax.plugin import UsageError, reason_of, require
from cnnviz_plugins.launchers.plugin import RayConfig

Returned = TypeVar("Returned")


@contextlib.contextmanager
def connect(config: RayConfig) -> Iterator[Executor]:
    """Give an executor of Ray tasks; a cluster that this starts ends with the block, as do tasks that still run.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads both when it is imported
    if config.address is None:
        # Whatever address it is told, Ray listens on all of this machine's; only where it believes that there can be no
        # cluster of several does it keep to the loopback.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    ray = require("ray", extra="ray", what="a sweep on Ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        _start(ray, config)
    executor = RayExecutor(ray, config)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        if is_ours:
            ray.shutdown()


def _start(ray: Any, config: RayConfig) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if config.address is not None:
            ray.init(config.address, **quiet)
        else:
            cores = None if config.workers is None else math.ceil(config.workers * config.cpus) or None
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
    except Exception as error:  # of many types: gRPC's, its own, the system's
        where = f"no Ray cluster at {config.address!r}" if config.address else "no Ray cluster could be started here"
        raise UsageError(f"{where}: {reason_of(error)}") from error


class RayExecutor(Executor):
    """Calls as tasks of a cluster; a lost process is an error of its future, and nothing is tried twice."""

    def __init__(self, ray: Any, config: RayConfig) -> None:
        self._ray, self._references = ray, dict[Future[Any], Any]()
        # One call a process: JAX holds memory and devices for as long as a process lives.
        options = {"max_calls": 1, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._remote = ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, **options)(call)

    def submit(self, fn: Callable[..., Returned], /, *args: Any, **kwargs: Any) -> Future[Returned]:
        """Start a call and return its future."""
        reference = self._remote.remote(fn, args, kwargs)
        future: Future[Returned] = reference.future()
        self._references[future] = reference
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End, with `cancel_futures`, what still runs; what it has saved stays."""
        for future, reference in self._references.items():
            if cancel_futures and not future.done():
                with contextlib.suppress(Exception):  # the cluster may be gone, which is the reason for all this
                    self._ray.cancel(reference, force=True)
        self._references.clear()


def call(function: Callable[..., Returned], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Returned:
    """Call a function; Ray names tasks by what is called, and this stands for all."""
    return function(*args, **kwargs)
