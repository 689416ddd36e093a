"""The launchers as a plugin: Ray, SLURM and Kubernetes; imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cnnviz_jax.plugin import LauncherSpec, UsageError, check_at_least, hookimpl


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Shards as Ray tasks, each in a process of its own."""

    address: str | None = None
    """A cluster that runs: `HOST:6379`, `auto` or `ray://HOST:10001`. Without it one is started on this machine alone,
    with neither dashboard nor usage statistics, and ended with the sweep."""
    workers: int | None = None
    """Shards at once on a cluster that is started here; as many as there are cores when not given."""
    cpus: float = 1
    """Cores that a shard takes of the cluster's."""
    gpus: float = 0
    """GPUs that a shard takes; without one it computes on the CPU."""

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_at_least(1, workers=self.workers)
        if self.cpus < 0 or self.gpus < 0 or not self.cpus + self.gpus:
            raise UsageError(f"a shard takes cores or GPUs of a cluster, got cpus={self.cpus} and gpus={self.gpus}")
        if self.address is not None and self.workers is not None:
            raise UsageError("workers is for a cluster that is started here; one with an address has its own")


@dataclass(frozen=True, kw_only=True)
class SlurmConfig:
    """An sbatch script: an array job with a task a shard, requeued where it must be, and then the merge."""

    time: str = "04:00:00"
    """Wall time of a task; one that needs more is requeued and resumes."""
    partition: str | None = None
    account: str | None = None
    cpus: int = 8
    """Cores of a task."""
    gpus: int = 0
    """GPUs of a task."""
    memory: str | None = None
    """Memory of a task, such as `32G`; the cluster's default when not given."""
    at_once: int | None = None
    """Tasks that may run at the same time; all when not given."""
    notice: int = 120
    """Seconds before the end of the wall time at which a task is told to save and be requeued."""
    setup: str = ""
    """A line that runs first on every node, such as `source venv/bin/activate`."""

    def __post_init__(self) -> None:
        check_at_least(0, gpus=self.gpus)
        check_at_least(1, cpus=self.cpus, notice=self.notice, at_once=self.at_once)
        if not re.fullmatch(r"(\d+-)?\d+(:\d{2}){0,2}", self.time):
            raise UsageError(f"time is as sbatch takes it, such as 04:00:00 or 2-00:00:00, got {self.time!r}")
        for name, value in (("partition", self.partition), ("account", self.account), ("memory", self.memory)):
            if value is not None and not re.fullmatch(r"[\w.,+-]+", value):
                raise UsageError(f"{name} is one word of letters, digits and .,+-, got {value!r}")
        if "\n" in self.setup:
            raise UsageError("setup is one line; put more into a script and name that")


@dataclass(frozen=True, kw_only=True)
class JobSetConfig:
    """A manifest for Kubernetes: a JobSet of one indexed job with a pod a shard, and a job that merges after it."""

    image: str
    """The container image, with `cnnviz` in it."""
    claim: str
    """The persistent volume claim that holds images and run folder, writable by many pods."""
    mount: str = "/data"
    """Where the claim is mounted; relative paths of the sweep are found from there."""
    namespace: str | None = None
    cpus: int = 8
    """Cores of a pod."""
    gpus: int = 0
    """GPUs (`nvidia.com/gpu`) of a pod."""
    memory: str = "32Gi"
    at_once: int | None = None
    """Pods that may run at the same time; all when not given."""
    grace: int = 120
    """Seconds between the signal to save and the kill."""

    def __post_init__(self) -> None:
        check_at_least(1, cpus=self.cpus)
        check_at_least(0, gpus=self.gpus)
        check_at_least(1, grace=self.grace)
        if self.at_once is not None:
            check_at_least(1, at_once=self.at_once)
        label = r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?"
        for name, value in (("claim", self.claim), ("namespace", self.namespace)):
            if value is not None and not re.fullmatch(label, value):
                raise UsageError(f"{name} is a name of lower-case letters, digits, dots and dashes, got {value!r}")
        if not re.fullmatch(r"\d+([KMGT]i?)?", self.memory):
            raise UsageError(f"memory is a size as Kubernetes takes it, such as 32Gi, got {self.memory!r}")
        if not self.mount.startswith("/"):
            raise UsageError(f"mount is a path from the root, such as /data, got {self.mount!r}")


@hookimpl
def cnnviz_launchers() -> Iterable[LauncherSpec]:
    """Yield the built-in launchers."""
    yield LauncherSpec(
        name="ray",
        summary="a Ray cluster, this machine's or one that runs",
        config=RayConfig,
        connect="cnnviz_plugins.launchers.ray_cluster:connect",
    )
    yield LauncherSpec(
        name="slurm",
        summary="an sbatch script: an array job, and the merge after it",
        config=SlurmConfig,
        script="cnnviz_plugins.launchers.slurm:script",
    )
    yield LauncherSpec(
        name="jobset",
        summary="a Kubernetes JobSet: an indexed job, and the merge after it",
        config=JobSetConfig,
        script="cnnviz_plugins.launchers.jobset:script",
    )
