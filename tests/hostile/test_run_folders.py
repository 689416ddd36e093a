"""A share of the damaged and edited run folders; `cases` goes on for as long as one likes."""

import gc
import itertools
import signal

import pytest

from tests.hostile import run_folders

# Orbax leaves coroutines and event loops behind when a restore fails; harmless, and not ours.
# It goes at the end of each test, not in another one.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")
LIMIT_S = 120


@pytest.fixture(autouse=True)
def in_time():
    """Fail what hangs, such as on a named pipe."""

    def late(number, frame):
        raise AssertionError(f"no end after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    gc.collect()


@pytest.mark.parametrize("seed", range(3))
def test_finding_9_a_run_folder_of_any_form_ends_in_a_sentence(seed, tmp_path):
    for number, (what, prepare) in enumerate(itertools.islice(run_folders.cases(seed), 12)):
        words = prepare(tmp_path / f"run-{number}")
        signal.alarm(LIMIT_S)
        fault = run_folders.fault(words)
        signal.alarm(0)
        assert fault is None, f"{what}: {fault}"


def test_the_same_seed_yields_the_same_folders(tmp_path):
    found = []
    for again in "ab":
        what, prepare = next(run_folders.cases(7))
        prepare(tmp_path / again)
        found.append(
            (
                what,
                sorted(
                    (p.relative_to(tmp_path / again), p.stat().st_size)
                    for p in (tmp_path / again).rglob("*")
                    if p.is_file()
                ),
            )
        )
    assert found[0] == found[1]
