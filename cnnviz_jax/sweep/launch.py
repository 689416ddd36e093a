"""Before JAX starts: simulated devices; and then the processes that find each other.

The first is an environment variable because JAX reads it when it is imported; nothing here imports it before that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnviz_jax.sweep.errors import SweepUsageError


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Where this process stands among others."""

    coordinator: str | None = None
    """HOST:PORT of process 0."""
    processes: int | None = None
    """How many processes there are."""
    process: int | None = None
    """Which of them this is, from 0."""
    heartbeat_s: int = 100
    """Seconds after which a silent process is given up, and with it the run."""
    init_timeout_s: int = 300
    """Seconds to wait for all processes at the start."""

    @classmethod
    def resolved(cls, *, environment: Mapping[str, str] | None = None, **fields: Any) -> Launch:
        """Return these fields, or where they are missing the variables CNNVIZ_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID.

        Raises:
            SweepUsageError: Some of the three are given, but not all, or they make no sense.
        """
        given = os.environ if environment is None else environment
        fields.setdefault("coordinator", given.get("CNNVIZ_COORDINATOR"))
        fields.setdefault("processes", _whole(given.get("CNNVIZ_NUM_PROCESSES"), "CNNVIZ_NUM_PROCESSES"))
        fields.setdefault("process", _whole(given.get("CNNVIZ_PROCESS_ID"), "CNNVIZ_PROCESS_ID"))
        launch = cls(**fields)
        processes, process = launch.processes, launch.process
        three = {"--coordinator": launch.coordinator, "--num-processes": processes, "--process-id": process}
        missing = [name for name, value in three.items() if value is None]
        if missing and len(missing) < 3:
            raise SweepUsageError(
                f"{' and '.join(missing)} missing: --coordinator, --num-processes and --process-id go together"
            )
        if processes is not None and process is not None and not 0 <= process < processes:
            raise SweepUsageError(f"process {process} of {processes}: ids run from 0 to {processes - 1}")
        return launch


def simulate_devices(count: int) -> None:
    """Split this machine's CPU into so many devices; before JAX is imported.

    Raises:
        SweepUsageError: JAX is already there.
    """
    if "jax" in sys.modules:
        raise SweepUsageError("--devices must be resolved before JAX starts, and a plugin has already imported it")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JAX_NUM_CPU_DEVICES"] = str(count)


def start_processes(launch: Launch) -> None:
    """Join the other processes, if this is one of several; call it before anything touches a device.

    In order: the three flags or variables; SLURM, Open MPI, a Cloud TPU slice or a JobSet if their environment says
    that there is more than one process; otherwise this process is alone. What was asked for and fails is an error.
    """
    import jax

    timeouts: dict[str, Any] = {
        "heartbeat_timeout_seconds": launch.heartbeat_s,
        "initialization_timeout": launch.init_timeout_s,
        "shutdown_timeout_seconds": launch.heartbeat_s,
    }
    if launch.coordinator is not None:
        jax.distributed.initialize(launch.coordinator, launch.processes, launch.process, **timeouts)
    elif several_announced(os.environ):
        jax.distributed.initialize(**timeouts)


def several_announced(environment: Mapping[str, str]) -> bool:
    """Return whether a launcher's environment says that this is one process of several."""
    # What the launcher of each task sets, not what an allocation does: inside sbatch without srun there is one process.
    slurm = "SLURM_STEP_NODELIST" in environment and _count(environment.get("SLURM_NTASKS")) > 1
    mpi = "OMPI_MCA_orte_hnp_uri" in environment and _count(environment.get("OMPI_COMM_WORLD_SIZE")) > 1
    tpu = len([host for host in environment.get("TPU_WORKER_HOSTNAMES", "").split(",") if host]) > 1
    return slurm or mpi or tpu or "MEGASCALE_COORDINATOR_ADDRESS" in environment or "JOBSET_NAME" in environment


def _count(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _whole(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise SweepUsageError(f"{name} is a whole number, got {text!r}")
    return int(text)
