"""Sources that are opened late, and closed at any moment, by any thread."""

import pickle
import threading
import time
from functools import partial

import pytest

from costream.errors import SettingsError, SourceError
from costream.video import DeferredSource, Stream
from tests.video.encode import encode, panning


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("clip") / "pan.ts", panning(50, size=(96, 128)), rate=25)


def test_it_is_opened_when_somebody_wants_to_know_of_it_and_once(clip):
    made = []
    source = DeferredSource(lambda: made.append(Stream(clip)) or made[-1], patience=0, backlog=1)
    assert not made
    assert source.health.frames == source.decode_seconds == 0
    assert source.info.width == 128
    assert len(list(source.samples(5))) == 10
    assert source.health.frames == 50 and source.decode_seconds > 0
    assert len(made) == 1
    source.close()


def test_it_is_pickled_without_what_is_open(clip):
    source = DeferredSource(partial(Stream, clip), patience=3, backlog=2)
    assert source.info.width == 128
    copy = pickle.loads(pickle.dumps(source))
    source.close()
    assert len(list(copy.samples(5))) == 10
    copy.close()


def test_a_patience_that_can_t_be_kept_is_told_at_once():
    with pytest.raises(SettingsError, match="a patience of -1 s"):
        DeferredSource(lambda: None, patience=-1, backlog=1)


def test_closed_while_it_is_opened_it_is_closed_by_whoever_opens_it(clip):
    opening, go, errors = threading.Event(), threading.Event(), []

    class Slow(Stream):
        def open(self):
            opening.set()
            assert go.wait(10)
            return super().open()

    stream = Slow(clip)
    source = DeferredSource(lambda: stream, patience=0, backlog=1)

    def ask():
        with pytest.raises(SourceError) as caught:
            _ = source.info
        errors.append(str(caught.value))

    thread = threading.Thread(target=ask)
    thread.start()
    assert opening.wait(10)
    source.close()
    go.set()
    thread.join(10)
    assert errors == ["the source was closed before it was open: make a new one to read it"]
    assert stream._container is None
    with pytest.raises(SourceError, match="was closed before"):
        _ = source.info


def test_closing_ends_the_wait_for_a_camera_that_is_absent():
    asked = threading.Event()

    class Absent(Stream):
        def open(self):
            asked.set()
            raise SourceError("refused")

    source = DeferredSource(lambda: Absent("rtsp://127.0.0.1:9/x"), patience=1e9, backlog=1)
    ended = threading.Event()

    def ask():
        with pytest.raises(SourceError):
            _ = source.info
        ended.set()

    threading.Thread(target=ask, daemon=True).start()
    assert asked.wait(10)
    time.sleep(0.05)
    begun = time.monotonic()
    source.close()
    assert ended.wait(10)
    assert time.monotonic() - begun < 0.4  # the next attempt would be half a second away at least


class Held:
    """A file whose reading waits, from some byte on, until it is let go."""

    def __init__(self, path, size):
        self.file, self.left = path.open("rb"), size
        self.waits, self.go = threading.Event(), threading.Event()

    def read(self, size):
        if self.left <= 0:
            self.waits.set()
            assert self.go.wait(10)
        self.left -= size
        return self.file.read(size)


def test_a_stream_that_another_thread_reads_is_closed_by_that_thread(clip):
    held = Held(clip, clip.stat().st_size // 2)
    stream = Stream(held)
    found = []
    thread = threading.Thread(target=lambda: found.extend(stream.samples(25)))
    thread.start()
    assert held.waits.wait(10)
    stream.close()
    assert stream._container is not None
    held.go.set()
    thread.join(10)
    assert not thread.is_alive() and stream._container is None
    assert 0 < len(found) < 50
    held.file.close()
