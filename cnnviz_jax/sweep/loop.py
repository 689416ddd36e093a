"""The loop: feed, step, store; now and then a flush, which makes everything so far durable and counted."""

import contextlib
import functools
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, cast

import jax
import numpy as np

from cnnviz_jax.engine import Progress, root_key
from cnnviz_jax.engine.chunk_planning import is_exhausted
from cnnviz_jax.engine.stopping import stoppable
from cnnviz_jax.files import append_json
from cnnviz_jax.sweep.checking import require_whole
from cnnviz_jax.sweep.checkpoint import Checkpoints, State
from cnnviz_jax.sweep.errors import BadImagesError, Interrupted, OutOfMemoryError
from cnnviz_jax.sweep.feed import Extent, batches
from cnnviz_jax.sweep.identity import environment
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.processes import from_first, gather, gather_deltas, lost_peer
from cnnviz_jax.sweep.resolved import ResolvedSweep
from cnnviz_jax.sweep.result import facts_of, write_results
from cnnviz_jax.sweep.run_file import read_run
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.step import COUNTS, UNREADABLE, empty_deltas
from cnnviz_jax.sweep.store import ExampleStore, storing

# While the devices compute a step, the host stores the one before and loads the one after; more only hold memory.
_IN_FLIGHT = 2
# Agreeing is a round trip between all processes, milliseconds on a network; a step may take as little.
_AGREE_EVERY_S = 1.0


class Loop:
    """One start of a run, on one process."""

    def __init__(
        self,
        resolved: ResolvedSweep,
        folder: RunFolder,
        options: RunOptions,
        state: State,
        stop: int,
        checkpoints: Checkpoints | None,
        progress: Progress,
    ) -> None:
        self.resolved, self.folder, self.options = resolved, folder, options
        self.step, self.work = resolved.step, resolved.work
        self.totals, self.checkpoints, self.progress = state.totals, checkpoints, progress
        own = jax.process_index()
        places = tuple(i for i, device in enumerate(self.step.mesh.devices.flat) if device.process_index == own)
        self.extent = Extent(
            first=state.next_index,
            stop=stop,
            device_batch=self.step.device_batch,
            devices=self.step.mesh.size,
            places=places,
        )
        self.is_first = own == 0
        self._waiting: deque[tuple[int, dict[str, Any], Any]] = deque()
        self._flushed_step = 0

    def run(self) -> None:
        """Run to the end, or until something asks to stop."""
        self.store = self._open_store()
        model = jax.device_put(self.work.model, self.step.replicated)
        numbers = np.asarray(jax.random.key_data(root_key(self.resolved.spec.seed)))
        seed = jax.make_array_from_callback(numbers.shape, self.step.replicated, lambda index: numbers[index])
        fields = tuple(self.work.fields)
        feed = batches(
            self.resolved.source, self.extent, self.work.model.input_shape, fields, workers=self.options.workers
        )
        # Deltas stay on the devices and are merged on the host only at a flush: no step waits for another device.
        deltas = self._fresh_deltas()
        self._begun_s = self._flushed_s = time.monotonic()
        self._agree_at = 1
        # A launcher sends SIGTERM before it kills; who sends a second signal does not want to wait for a step.
        listening = stoppable(
            signals=(signal.SIGTERM, signal.SIGINT), second=functools.partial(os._exit, Interrupted.code)
        )
        with listening as stop, contextlib.closing(cast(Generator[Any, None, None], feed)):
            for number, local in enumerate(feed, 1):
                with computing(self.step.device_batch, self.step.need_bytes):
                    deltas, outputs = self.step.run(model, deltas, self._placed(local), seed)
                self._waiting.append((number, local, outputs))
                while len(self._waiting) >= _IN_FLIGHT:
                    self._keep(*self._waiting.popleft())
                if self.checkpoints is not None:
                    self.checkpoints.check()
                self.progress(self.extent.next_index(number), self.extent.stop, "images")
                # A flush gathers from all processes, so all must flush after the same step, or they wait for ever: what
                # depends on clocks and signals is agreed; what depends on the step's number alone needs no agreement.
                stopping, flushing = self._agree(number, stop.asked)
                if stopping or flushing or self._is_full(number):
                    deltas = self._flush(number, deltas)
                if stopping:
                    self._close()
                    raise Interrupted(
                        f"stopped by a signal at image {self.extent.next_index(number)} of {self.extent.stop}; "
                        f"the same command resumes there"
                    )
        self._flush(self.extent.steps, deltas)
        self._close()
        self._finish()

    def _open_store(self) -> ExampleStore:
        create = (self.folder.examples, self.step.arrays, self.resolved.count, self.step.device_batch)
        if self.is_first:
            store = ExampleStore.create(*create)
        gather([0])  # a barrier: the others open what process 0 has made
        return store if self.is_first else ExampleStore.create(*create)

    def _placed(self, local: dict[str, Any]) -> Any:
        """Return this process's rows as its part of global arrays."""
        sharding, rows = self.step.sharded, self.extent.rows

        def place(leaf: np.ndarray) -> Any:
            return jax.make_array_from_process_local_data(sharding, leaf, (rows, *leaf.shape[1:]))

        return jax.tree.map(place, local)

    def _fresh_deltas(self) -> Any:
        def place(leaf: np.ndarray) -> Any:
            return jax.make_array_from_callback(
                leaf.shape, self.step.sharded, lambda index: np.ascontiguousarray(leaf[index])
            )

        return jax.tree.map(place, empty_deltas(self.work, self.extent.devices))

    def _keep(self, number: int, local: dict[str, Any], outputs: Any) -> None:
        """Hand a step's results to the store once the devices have them."""
        with computing(self.step.device_batch, self.step.need_bytes):
            rows = {name: _local_rows(leaf) for name, leaf in outputs.items()}
        device_batch = self.extent.device_batch
        begin = self.extent.first + (number - 1) * self.extent.rows
        for i, place in enumerate(self.extent.places):
            own = slice(i * device_batch, (i + 1) * device_batch)
            start = begin + place * device_batch
            if start < self.extent.stop:
                self.store.put(start, {name: leaf[own] for name, leaf in rows.items()})
        # Read once more, for its error alone: what the feed hands over has arrays only, of one shape for all images.
        broken = local["id"][local["inside"] & ~local["readable"]]
        for index in broken.tolist():
            error = self.resolved.source[index].error or "could not be read"
            line = {"id": index, "path": self.resolved.source.name(index), "error": error}
            with storing("the list of unreadable images"):
                append_json(self.folder.errors(jax.process_index()), line)

    def _is_full(self, number: int) -> bool:
        """Return whether one more step could overflow a device's counters."""
        # Asked before the step is fed: with room for 9 images per device and a device batch of 4, two steps are held.
        held = (number - self._flushed_step) * self.extent.device_batch
        return held + self.extent.device_batch > self.work.capacity

    def _agree(self, number: int, asked: bool) -> tuple[bool, bool]:
        """Return whether to stop and whether to flush; the same on every process."""
        if jax.process_count() == 1:
            return asked, self._is_due(number)
        if number < self._agree_at:
            return False, False
        # About once a second; process 0 says when next, so that all wait at the same step.
        # The next step for it is a forecast from the mean pace: 0.2 s a step makes it every fifth.
        pace_s = max((time.monotonic() - self._begun_s) / number, 1e-6)
        ahead = max(1, int(_AGREE_EVERY_S / pace_s))
        kind, every = self.options.interval
        if kind == "steps":
            ahead = max(1, min(ahead, self._flushed_step + int(every) - number))
        rows = gather([int(asked), int(self._is_due(number)), number + ahead])
        self._agree_at = int(rows[0][2])
        return any(int(row[0]) for row in rows), bool(int(rows[0][1]))

    def _is_due(self, number: int) -> bool:
        kind, every = self.options.interval
        if kind == "steps":
            return number - self._flushed_step >= every
        return time.monotonic() - self._flushed_s >= every

    def _flush(self, number: int, deltas: Any) -> Any:
        """Make everything up to this step durable and counted, and return empty deltas."""
        # In this order: examples durable on this process; on all of them (`gather_deltas` waits for all); then the
        # checkpoint that counts them. A kill after the first two leaves examples that are not counted: they are
        # computed again and written over with the same bytes. The other way round, a checkpoint at image 48 with
        # image 47 lost would never be noticed, as a resume begins at 48.
        if number == self._flushed_step:
            return deltas
        while self._waiting:
            self._keep(*self._waiting.popleft())
        jax.block_until_ready(deltas)
        begun_s = time.monotonic()
        self.store.flush()
        with computing(self.step.device_batch, self.step.need_bytes):
            gathered = gather_deltas(deltas)  # also a barrier: everybody's examples are durable
        next_index = self.extent.next_index(number)
        code = 0  # what process 0 decides, told to all below: they must leave the loop together
        if self.checkpoints is not None:
            self._merge(gathered)
            self.checkpoints.save(State(next_index, self.totals))
            code = BadImagesError.code if self._bad > self.resolved.spec.allowed_bad(self.resolved.count) else 0
        self._report(number, next_index, time.monotonic() - begun_s)
        self._flushed_step, self._flushed_s = number, time.monotonic()
        if from_first([code])[0]:
            self._close()
            raise BadImagesError(
                f"{self._bad if self.is_first else 'too many'} images could not be read, more than max_bad = "
                f"{self.resolved.spec.max_bad} allows; errors/ in the run folder lists them"
            )
        return self._fresh_deltas()

    def _merge(self, gathered: Any) -> None:
        for name, reducer in self.work.reducers.items():
            each = [jax.tree.map(lambda leaf, d=d: leaf[d], gathered[name]) for d in range(self.extent.devices)]
            self.totals[name] = reducer.merge([self.totals[name], *(reducer.lift(delta) for delta in each)])
        counted = gathered[COUNTS]["count"].astype(np.int64).sum(0)
        self.totals[COUNTS] = {"count": self.totals[COUNTS]["count"] + counted}

    @property
    def _bad(self) -> int:
        return int(self.totals[COUNTS]["count"][UNREADABLE])

    def _report(self, number: int, next_index: int, flush_s: float) -> None:
        now_s = time.monotonic()
        images = (number - self._flushed_step) * self.extent.rows
        line = {
            "time": time.time(),
            "step": number,
            "next_index": next_index,
            "images_per_s": images / max(now_s - self._flushed_s, 1e-9),
            "flush_s": flush_s,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "device": jax.local_devices()[0].memory_stats(),
            "devices": self.extent.devices,
        }
        with storing("the log"):
            append_json(self.folder.log(jax.process_index()), line)

    def _close(self) -> None:
        if self.checkpoints is not None:
            self.checkpoints.finish()

    def _finish(self) -> None:
        """Check every example against its digest, and write the results; process 0 does, the others wait."""
        if self.is_first:
            first, _ = self.resolved.part(self.options.shard)
            counts = self.totals[COUNTS]["count"]
            require_whole(self.store, first, self.extent.stop, counted=self.extent.stop, counts=counts)
            run, now = read_run(self.folder), environment()
            changed = "" if now == run["environment"] else "changed during the run"
            facts = facts_of(run, self.extent.stop - first, self.options.shard, self.totals, now, changed)
            write_results(self.folder, self.work.reducers, self.totals, facts)
        gather([0])


def _local_rows(leaf: Any) -> np.ndarray:
    """Return this process's rows of a global array, in order."""
    # By place in the array: JAX does not say in which order it lists shards.
    shards = sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return np.concatenate([np.asarray(shard.data) for shard in shards])


@contextlib.contextmanager
def computing(device_batch: int, need_bytes: int) -> Iterator[None]:
    """Turn what devices raise into why the sweep stops."""
    try:
        yield
    except Exception as error:
        if is_exhausted(error):
            raise OutOfMemoryError(
                f"memory ran out at a device batch of {device_batch}, needs about {need_bytes / 2**20:.0f} MiB per "
                f"device; try --device-batch {max(1, device_batch // 2)} in a new run folder"
            ) from error
        if lost_peer(error):
            raise Interrupted(f"another process of this run was lost: {str(error).splitlines()[0][:200]}") from error
        raise
