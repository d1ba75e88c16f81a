"""The end of a program that a reader outlives."""

import subprocess
import sys

import pytest

pytest.importorskip("costream._bitstream", reason="built without the bitstream readers")

PROGRAM = """
import threading, time
from costream._bitstream import H264Reader

def wait():
    reader = H264Reader()
    begun.set()
    time.sleep(60)

begun = threading.Event()
threading.Thread(target=wait, daemon=True).start()
begun.wait()
"""


def test_a_thread_that_still_reads_leaves_no_word():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
