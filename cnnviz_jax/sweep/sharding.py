"""The shards of a sweep on an executor: each started, started again where its process was lost, and watched."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cnnviz_jax.engine.stopping import stoppable
from cnnviz_jax.progress.bars import Progress
from cnnviz_jax.sweep.errors import FINAL_CODES, Interrupted, LockedError, SweepStop, SweepUsageError, one_line
from cnnviz_jax.sweep.layout import Lock, RunFolder, remove
from cnnviz_jax.sweep.resuming import discard
from cnnviz_jax.sweep.run_file import is_run, read_run
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.status import run_status

_LOOKS_EVERY_S = 1.0
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the process of a shard ended by itself."""

    code: int
    """As `cnnviz sweep` exits."""
    sentence: str = ""
    """Why, where it is not 0."""


Attempt = Callable[[RunOptions, int | None], Ended]
"""`attempt(options, device_batch)`: run the shard that `options` name, in another process, with that device batch where
the specification leaves it open. Picklable."""


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How a sweep is cut up and carried on."""

    shards: int
    retries: int
    is_batch_open: bool
    """Whether the first shard to start chooses the device batch, which the others must share."""
    first_wait_s: float = 1.0
    """Wait before a shard is started again; doubled from time to time."""


def run_shards(
    attempt: Attempt,
    executor: Executor,
    folder: RunFolder,
    options: RunOptions,
    sharding: Sharding,
    *,
    progress: Progress,
    note: Callable[[str], None],
) -> list[RunFolder]:
    """Run every shard to its end and return their folders, in order.

    Args:
        attempt: What runs a shard.
        executor: Where.
        folder: The run's folder.
        options: How each is run.
        sharding: How many there are, and how often each is started again.
        progress: Called as `progress(done, total, "images")`, by what the run folders say.
        note: Told each shard that is started again, and why.

    Raises:
        SweepStop: A shard ended with a code after which starting again changes nothing, at once; or was lost too
            often, once the others have come to their end.
        Interrupted: A signal asked for the end.
    """
    running = _Shards(attempt, executor, folder, replace(options, restart=False), sharding, progress, note)
    signals = (signal.SIGTERM, signal.SIGINT)
    try:
        with stoppable(signals=signals) as stop:
            while running.is_busy:
                running.look()
                if stop.asked:
                    raise Interrupted(f"stopped by a signal; the same command resumes the shards of {folder.root}")
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    if running.given_up is not None:
        raise running.given_up
    return [folder.shard(index, sharding.shards) for index in range(sharding.shards)]


def prepare_shards(folder: RunFolder, shards: int, *, restart: bool) -> None:
    """Refuse a folder whose shards are of another number, or with `restart` remove all that lies there.

    Raises:
        SweepUsageError: There are shards of another number.
        LockedError: A live process writes in it.
    """
    if restart:
        for each in (*folder.shard_folders, folder):
            if each.root.exists():
                lock = Lock(each.lock)
                discard(each)
                lock.release()
        remove(folder.shards)
    names = {folder.shard(index, shards).root.name for index in range(shards)}
    others = sorted(each.root.name for each in folder.shard_folders if each.root.name not in names)
    if others:
        count = others[0].rpartition("-")[2]
        raise SweepUsageError(
            f"{folder.root} holds shards of another number, such as {others[0]}: --shards {count}, or --restart"
        )


@dataclass
class _Shards:
    """What runs, what waits and what has been given up."""

    attempt: Attempt
    executor: Executor
    folder: RunFolder
    options: RunOptions
    sharding: Sharding
    progress: Progress
    note: Callable[[str], None]
    running: dict[Future[Ended], int] = field(default_factory=dict)
    given_up: SweepStop | None = None

    def __post_init__(self) -> None:
        self.due_s = dict.fromkeys(range(self.sharding.shards), 0.0)
        self.tries = dict.fromkeys(range(self.sharding.shards), 0)
        self._looked_s = 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self.due_s or self.running)

    def look(self) -> None:
        """Start what is due, take what has ended, and tell how far all are; lasts a second at most."""
        self._start()
        if self.running:
            ended = wait(self.running, timeout=_LOOKS_EVERY_S, return_when=FIRST_COMPLETED).done
            for future in sorted(ended, key=lambda each: self.running[each]):
                self._take(self.running.pop(future), future)
        else:
            time.sleep(min(_LOOKS_EVERY_S, self.sharding.first_wait_s))
        if time.monotonic() - self._looked_s >= _LOOKS_EVERY_S or not self.is_busy:
            self._looked_s = time.monotonic()
            self._tell()

    def _start(self) -> None:
        device_batch = self._device_batch()
        due = sorted(index for index, due_s in self.due_s.items() if due_s <= time.monotonic())
        if self.sharding.is_batch_open and device_batch is None:
            # One shard alone, until its run.json tells what it chose: the bits of all rest on the device batch.
            due = due[: 0 if self.running else 1]
        for index in due:
            del self.due_s[index]
            self.tries[index] += 1
            options = replace(self.options, shard=(index, self.sharding.shards))
            self.running[self.executor.submit(self.attempt, options, device_batch)] = index

    def _device_batch(self) -> int | None:
        """Return what the first shard chose: machines that choose by their own free memory might not agree."""
        if not self.sharding.is_batch_open:
            return None
        for index in range(self.sharding.shards):
            shard = self.folder.shard(index, self.sharding.shards)
            if is_run(shard):
                return int(read_run(shard)["identity"]["device_batch"])
        return None

    def _take(self, index: int, future: Future[Ended]) -> None:
        name = f"shard {index}/{self.sharding.shards}"
        try:
            ended = future.result()
        except Exception as error:  # each engine has its own for a process that is gone
            ended = Ended(code=Interrupted.code, sentence=f"its process was lost: {one_line(error, 160)}")
        if ended.code == 0:
            return
        # Who was lost may not be dead yet, and holds the lock until it is.
        is_final = ended.code in FINAL_CODES and not (ended.code == LockedError.code and self.tries[index] > 1)
        if is_final:
            raise _stop(f"{name}: {ended.sentence}", ended.code)
        if self.tries[index] > self.sharding.retries:
            self.note(f"{name} is given up after {self.tries[index]} starts: {ended.sentence}")
            # The others go on: what they finish need not be done again, and the same command resumes this one.
            self.given_up = _stop(
                f"{name} was started {self.tries[index]} times, the last time {ended.sentence}; the same command "
                f"resumes it, --retries allows more",
                ended.code,
            )
            return
        self.note(f"{name} is started again ({self.tries[index]} of {self.sharding.retries}): {ended.sentence}")
        wait_s = min(self.sharding.first_wait_s * 2 ** (self.tries[index] - 1), _LONGEST_WAIT_S)
        self.due_s[index] = time.monotonic() + wait_s

    def _tell(self) -> None:
        with suppress(SweepStop):  # none has begun yet, or one is damaged, which its process will say
            found = [each for each in run_status(self.folder) if each.shard[1] == self.sharding.shards]
            if found:
                images = read_run(RunFolder(self.folder.shard(*found[0].shard).root))["identity"]["images"]
                self.progress(sum(each.counted for each in found), int(images), "images")


def _stop(sentence: str, code: int) -> SweepStop:
    stop = SweepStop(sentence)
    stop.code = code
    return stop
