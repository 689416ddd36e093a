"""Shards that something else runs: lost ones are started again, and the result is that of one process to the last bit.

`benchmarks/ray_sweep.py` does it on a Ray cluster whose workers are killed.
"""

from concurrent.futures import Executor, Future

import jax
import pytest

from cnnviz_jax.progress.bars import silent
from cnnviz_jax.sweep.errors import DamagedRunError, Interrupted, SweepStop, SweepUsageError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.merge import merge
from cnnviz_jax.sweep.run import run_sweep
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.sharding import Ended, Sharding, prepare_shards, run_shards
from tests.sweep import fixtures, harness, small

OPTIONS = RunOptions(checkpoint_every="3steps")


class Inline(Executor):
    """Runs each call where it is submitted."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def run(attempt, folder, shards=3, retries=2, is_batch_open=False, progress=silent):
    """Run shards inline; return what was noted."""
    notes = []
    sharding = Sharding(shards=shards, retries=retries, is_batch_open=is_batch_open, first_wait_s=0.001)
    run_shards(attempt, Inline(), RunFolder(folder), OPTIONS, sharding, progress=progress, note=notes.append)
    return notes


def test_shards_that_are_lost_midway_end_with_the_bits_of_one_process(tmp_path, reference):
    tries, seen = [], []

    def attempt(options, device_batch):
        tries.append(options.shard)
        where = {"devices": jax.devices()[:1]}
        if tries.count(options.shard) == 1 and options.shard[0] != 0:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("cnnviz_jax.sweep.loop.Loop._agree", lambda self, number, asked: (number == 2, False))
                with pytest.raises(Interrupted):
                    run_sweep(harness.spec(), fixtures.net(), tmp_path, options, **where)
            raise ConnectionError("the worker died")
        run_sweep(harness.spec(), fixtures.net(), tmp_path, options, **where)
        return Ended(code=0)

    notes = run(attempt, tmp_path, progress=lambda done, total, what: seen.append((done, total, what)))
    assert sorted(tries) == [(0, 3), (1, 3), (1, 3), (2, 3), (2, 3)]
    assert notes == [
        f"shard {index}/3 is started again (1 of 2): its process was lost: the worker died" for index in (1, 2)
    ]
    merge([RunFolder(tmp_path).shard(i, 3) for i in range(3)], RunFolder(tmp_path), fixtures.net())
    harness.assert_equal(tmp_path, reference)
    assert seen[-1] == (fixtures.COUNT, fixtures.COUNT, "images")


def test_one_that_is_lost_for_good_is_told_once_the_others_are_done(tmp_path):
    ended = []

    def attempt(options, device_batch):
        if options.shard[0] == 0:
            raise ConnectionError("gone")
        ended.append(options.shard[0])
        return Ended(code=0)

    with pytest.raises(
        SweepStop, match=r"shard 0/3 was started 3 times, the last time its process was lost: gone"
    ) as e:
        run(attempt, tmp_path)
    assert e.value.code == Interrupted.code
    assert ended == [1, 2]


def test_a_code_that_starting_again_cannot_mend_ends_the_sweep_at_once(tmp_path):
    tries = []

    def attempt(options, device_batch):
        tries.append(options.shard)
        return Ended(code=DamagedRunError.code, sentence="a chunk is gone")

    with pytest.raises(SweepStop, match="shard 0/3: a chunk is gone") as raised:
        run(attempt, tmp_path)
    assert raised.value.code == DamagedRunError.code
    assert tries == [(0, 3), (1, 3), (2, 3)]


def test_a_lock_that_a_lost_process_still_holds_is_waited_for(tmp_path):
    ends = iter([Ended(code=1, sentence="lost"), Ended(code=7, sentence="in use"), Ended(code=0)])
    assert len(run(lambda options, device_batch: next(ends), tmp_path, shards=1)) == 2
    with pytest.raises(SweepStop, match="in use"):
        run(lambda options, device_batch: Ended(code=7, sentence="in use"), tmp_path, shards=1)


def test_where_the_device_batch_is_left_open_the_first_shard_chooses_it_for_all(tmp_path):
    told = []

    def attempt(options, device_batch):
        told.append((options.shard[0], device_batch))
        if options.shard[0] == 0:
            small.sweep(tmp_path, options={"shard": options.shard})
        return Ended(code=0)

    run(attempt, tmp_path, is_batch_open=True)
    assert told == [(0, None), (1, 4), (2, 4)]


def test_shards_of_another_number_are_refused_and_a_restart_removes_them(tmp_path):
    folder = RunFolder(tmp_path)
    folder.shard(0, 2).make()
    with pytest.raises(SweepUsageError, match="holds shards of another number, such as 0-of-2: --shards 2"):
        prepare_shards(folder, 3, restart=False)
    prepare_shards(folder, 3, restart=True)
    assert folder.shard_folders == []
