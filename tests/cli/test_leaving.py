"""The end of a command while threads sit in FFmpeg."""

import socket
import subprocess
import sys

# FFmpeg asks each of them ten times a second whether it should go on waiting: with sixty there is
# hardly a moment of the interpreter's end in which none asks (19 of 20 such ends were faults).
PROGRAM = """
import atexit, sys, threading, time, av
from costream.cli.app import leave

def wait():
    av.open(sys.argv[1], timeout=60)

for _ in range(60):
    threading.Thread(target=wait, daemon=True).start()
    time.sleep(0.0017)
time.sleep(0.2)
atexit.register(print, "registered")
sys.stdout.write("buffered ")
leave(130)
"""


def test_threads_in_ffmpeg_do_not_turn_the_end_into_a_fault():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera"
        ended = [
            subprocess.run([sys.executable, "-c", PROGRAM, url], capture_output=True, timeout=60)
            for _ in range(3)
        ]
    assert [(end.returncode, end.stdout, end.stderr) for end in ended] == [
        (130, b"buffered registered\n", b"")
    ] * 3


def test_the_status_is_the_same_without_threads():
    program = "from costream.cli.app import leave; leave(3)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 3
