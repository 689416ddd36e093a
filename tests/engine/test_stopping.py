"""The first signal asks for the end, the second does what the caller says; before and after, nothing has changed."""

import signal
import threading

import pytest

from cnnviz_jax.engine.stopping import stoppable


def test_the_first_ctrl_c_is_noted_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT)

    def work():
        with stoppable() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.asked
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_signals_and_another_end_may_be_named():
    ended, before = [], [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stoppable(signals=(signal.SIGTERM, signal.SIGINT), second=lambda: ended.append("second")) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked
        assert not ended
        signal.raise_signal(signal.SIGINT)
    assert ended == ["second"]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_nobody_listens_where_nobody_can_or_should():
    before, seen = signal.getsignal(signal.SIGINT), []

    def elsewhere():
        with stoppable():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    with stoppable(listens=False):
        seen.append(signal.getsignal(signal.SIGINT))
    assert seen == [before, before]
