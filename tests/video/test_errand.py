"""Ctrl-C while FFmpeg waits for the network."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from costream.video.errand import awaited
from tests.video.silent import silent_url

# Whoever starts the tests in the background may have SIGINT ignored, which processes inherit.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from costream.cli import main; main()"
)


@pytest.fixture
def interrupts():
    """Has SIGINT raise KeyboardInterrupt, however the tests were started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_result_and_the_error_reach_who_waits():
    assert awaited(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        awaited(lambda: 1 // 0)


def test_other_threads_make_the_call_themselves():
    found = []
    thread = threading.Thread(target=lambda: found.append(awaited(threading.current_thread)))
    thread.start()
    thread.join()
    assert found == [thread]


def test_what_comes_after_an_interrupt_is_discarded(interrupts):
    go, discarded = threading.Event(), threading.Event()

    def late():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        go.wait(10)
        return "late"

    def discard(result):
        if result == "late":
            discarded.set()

    with pytest.raises(KeyboardInterrupt):
        awaited(late, discard)
    assert not discarded.is_set()
    go.set()
    assert discarded.wait(10)


@pytest.mark.parametrize("command", [["run", "--ask", "Is it?"], ["inspect"]])
def test_an_interrupt_ends_the_wait_for_a_silent_camera(command):
    with silent_url() as (url, connected):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *command, url, "--timeout", "60"], stderr=subprocess.PIPE
        )
        with process:
            assert connected.wait(60)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert process.stderr.read() == b""
