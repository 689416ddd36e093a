"""A quick share of the attacks: each is refused in one sentence or does what it should, in bounded memory and time."""

from collections.abc import Iterator

import pytest

from tests.hostile.family import families
from tests.hostile.worker import Worker

_CASES = {
    "images": 40,
    "weights": 70,
    "downloads": 45,
    "plugins": 12,
    "command_lines": 30,
    "results": 25,
    "arrays": 25,
}
_FIRST = 1_000_000
"""Seeds from here on are the suite's; the benchmark's begin at 0."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One process for all families, under a limit of memory and watched from here."""
    with Worker() as started:
        yield started


@pytest.mark.parametrize("name", sorted(families().keys() - {"runs"}))  # test_run_folders.py has those
def test_what_is_hostile_is_refused_in_a_sentence_and_leaves_nothing(worker: Worker, name: str) -> None:
    outcomes = [worker.attack(name, seed) for seed in range(_FIRST, _FIRST + _CASES.get(name, 10))]
    ill = [outcome for outcome in outcomes if outcome.verdict not in ("refused well", "accepted")]
    assert ill == []
    assert any(outcome.verdict == "refused well" for outcome in outcomes)
