"""Standard input and FIFOs."""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from costream.errors import SourceError
from costream.video import Stream
from costream.video.source import (
    close_container,
    is_file,
    is_live,
    is_live_by_name,
    is_real_time,
    open_container,
)

DESCRIPTORS = Path("/proc/self/fd")
READ = "from costream.video import Stream; print(sum(1 for _ in Stream('-', timeout=1).frames()))"


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@contextmanager
def writing(path, *parts, pause=0.0, before=0.0):
    def write():
        time.sleep(before)
        with path.open("wb", buffering=0) as file:
            for part in parts:
                file.write(part)
                time.sleep(pause)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    thread.join()


def frames(source, timeout=5.0) -> int:
    with Stream(source, timeout=timeout) as stream:
        return sum(1 for _ in stream.frames())


def test_a_fifo_without_a_writer_times_out(fifo):
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"can't open .*fifo: no data for 0\.5 s$"):
        frames(fifo, timeout=0.5)
    assert time.monotonic() - started < 10
    assert not is_file(fifo)
    assert is_live_by_name(fifo) is False


def test_a_fifo_is_read_to_the_end_of_its_writer(fifo, transport):
    data = transport.read_bytes()
    half = len(data) // 2
    with writing(fifo, data[:half], data[half:], pause=0.3, before=0.3):
        assert frames(fifo) == 60


@pytest.mark.parametrize("kind", [str, Path])
def test_a_pipe_is_real_time_and_has_an_end(fifo, transport, kind):
    source = kind(fifo)
    with writing(fifo, transport.read_bytes()):
        container = open_container(source, 5, {})
        assert is_real_time(source, container)
        assert not is_live(source, container)
        assert sum(1 for packet in container.demux() if packet.size) == 60
        close_container(container)


def test_a_writer_that_pauses_for_too_long(fifo, transport):
    data = transport.read_bytes()
    with (
        writing(fifo, data[: len(data) * 3 // 4], b"", pause=1),
        pytest.raises(SourceError, match=r"fifo stopped: no data for 0\.5 s"),
    ):
        frames(fifo, timeout=0.5)


def test_a_fifo_is_closed_with_its_stream(fifo, transport):
    before = len(list(DESCRIPTORS.iterdir()))
    with writing(fifo, transport.read_bytes()):
        frames(fifo)
    assert len(list(DESCRIPTORS.iterdir())) == before


def from_standard_input(descriptor) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", READ], stdin=descriptor, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.strip(), done.stderr


def test_standard_input_may_be_a_file_or_a_socket(transport):
    with transport.open("rb") as file:
        assert from_standard_input(file)[:2] == (0, "60")
    here, there = socket.socketpair()
    with there, here, sending(here.makefile("wb"), transport, here):
        assert from_standard_input(there)[:2] == (0, "60")


@contextmanager
def sending(file, clip, connection=None):
    def send():
        with file:
            file.write(clip.read_bytes())
        if connection:
            connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


def test_standard_input_that_holds_no_video():
    own, terminal = pty.openpty()
    null = os.open(os.devnull, os.O_RDONLY)
    reader, writer = os.pipe()
    for descriptor, told in [
        (terminal, "it is a terminal"),
        (null, "it is a device"),
        (reader, "no data for 1 s"),
    ]:
        code, out, last = from_standard_input(descriptor)
        assert (code, out) == (1, "")
        assert "SourceError: can't" in last and "standard input: " in last and told in last
    for descriptor in (own, terminal, null, reader, writer):
        os.close(descriptor)


@pytest.mark.parametrize("half", [False, True])
def test_ctrl_c_while_waiting(fifo, transport, half):
    data = transport.read_bytes()
    program = (
        "import signal, sys; from costream.video import Stream\n"
        # Processes that are started in the background may ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: [print('.', flush=True) for _ in Stream(sys.argv[1], timeout=50).frames()]\n"
        "except KeyboardInterrupt: sys.exit(7)"
    )
    command = [sys.executable, "-c", program, fifo]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, fifo.open("wb") as file:
        if half:
            file.write(data[: len(data) * 3 // 4])
            file.flush()
            process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 7


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device(path):
    with pytest.raises(SourceError, match=f"can't open {path}: it is a device$"):
        frames(path)


def test_a_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(SourceError, match=r"it is a socket$"):
            frames(tmp_path / "socket")
