import gc
import math
import threading
import time

import pytest

from costream.errors import SettingsError, SourceError, SourceLostError, SourceRefusedError
from costream.video import Gap, LiveStream, Stream, backoff, open_source

FPS = 5


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Tries again at once."""
    monkeypatch.setattr(backoff, "FIRST", 0.02)


class Camera:
    """Connections by turns: a file that stands for one, or an error. The last turn stays."""

    def __init__(self, *turns):
        self.turns = list(turns)
        self.connections = 0

    def __call__(self):
        self.connections += 1
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        return turn() if callable(turn) else Stream(turn, name="door")


class Absent(Stream):
    """A connection that can't be had."""

    def __init__(self, error):
        super().__init__("door")
        self.error = error

    def open(self):
        raise self.error


def absent(error):
    return lambda: Absent(error)


AWAY = absent(SourceError("can't open door: connection refused"))


def watch(camera, patience=0.3, backlog=60.0):
    items = []
    with LiveStream(camera, patience=patience, backlog=backlog) as live:
        try:
            for item in live.samples(FPS):
                items.append(item)
        except SourceLostError as error:
            return live, items, str(error)
    raise AssertionError("a live source has no end")


def kinds(items):
    return "".join({"lost": "L", "back": "B", "skipped": "S"}[i.kind]
                   if isinstance(i, Gap) else "." for i in items)  # fmt: skip


def test_samples_go_on_after_a_loss(pan):
    """Two seconds of video, a loss, two attempts in vain, two seconds more, and no return."""
    live, items, message = watch(Camera(pan, AWAY, AWAY, pan, AWAY))
    assert kinds(items) == "." * 10 + "LB" + "." * 10 + "L"
    lost, back = items[10:12]
    assert (lost.start, lost.end, lost.cause) == (items[9].time, None, "door ended")
    assert (back.start, back.end, back.attempts) == (items[9].time, items[12].time, 3)
    assert message.startswith("the camera was lost: no frame for ")
    assert message.endswith("can't open door: connection refused")
    assert live.losses == 2
    assert live.health.frames == 100


def test_stream_time_goes_on_as_the_clock_does(pan):
    pause = 0.7

    def later():
        time.sleep(pause)
        return Stream(pan, name="door")

    _, items, _ = watch(Camera(pan, later, AWAY))
    samples = [item for item in items if not isinstance(item, Gap)]
    ticks = [sample.tick for sample in samples]
    assert ticks == sorted(set(ticks))
    before, after = samples[9], samples[10]
    away = after.received - before.received
    assert away >= pause
    assert after.time - before.time == pytest.approx(away, abs=1.5 / FPS)
    assert math.floor(after.time * FPS + 1e-6) == after.tick


def test_evidence_does_not_reach_across_a_gap(pan):
    _, items, _ = watch(Camera(pan, pan, AWAY))
    samples = [item for item in items if not isinstance(item, Gap)]
    told = [sample.change.motion != "none" for sample in samples]
    assert told == [True] * 10 + [False] + [True] * 9


def test_absent_at_the_start_is_waited_for(pan):
    camera = Camera(AWAY, AWAY, pan)
    with LiveStream(camera, patience=5) as live:
        assert live.info.codec == "h264"
    assert camera.connections == 3


def test_absent_for_longer_than_patience_is_lost():
    begun = time.monotonic()
    with pytest.raises(SourceLostError, match=r"lost: .* connection refused"):
        LiveStream(Camera(AWAY), patience=0.2).open()
    assert 0.2 <= time.monotonic() - begun < 10


def test_who_is_turned_away_does_not_ask_again():
    camera = Camera(absent(SourceRefusedError("can't open door: 401 Unauthorized")))
    with pytest.raises(SourceRefusedError, match="401"):
        LiveStream(camera, patience=5).open()
    assert camera.connections == 1


def test_who_was_let_in_once_asks_again(pan):
    refused = absent(SourceRefusedError("can't open door: 401 Unauthorized"))
    _, items, _ = watch(Camera(pan, refused, pan, AWAY))
    assert kinds(items) == "." * 10 + "LB" + "." * 10 + "L"


def test_without_patience_a_loss_is_the_end(pan):
    _, items, message = watch(Camera(pan), patience=0)
    assert kinds(items) == "." * 10 + "L"
    assert message == "the camera was lost: door ended"


def test_who_is_behind_gets_the_newest_and_hears_of_the_rest(faststart):
    """Four seconds of video come while nobody looks; one second of it is left."""
    with LiveStream(Camera(faststart), patience=0, backlog=1.0) as live:
        items = live.samples(FPS)
        first = next(items)
        for thread in threading.enumerate():
            if thread.name == "costream-live":
                thread.join(30)
        rest = []
        with pytest.raises(SourceLostError):
            rest.extend(items)
    if isinstance(first, Gap):  # the reader was faster than the first look
        first, rest = rest[0], [first, *rest[1:]]
    gap, *rest = rest
    samples = [item for item in rest if not isinstance(item, Gap)]
    assert kinds(rest) == "." * 5 + "L"
    assert [sample.tick for sample in samples] == [15, 16, 17, 18, 19]
    assert gap.kind == "skipped"
    assert gap.end == samples[0].time
    assert live.skipped == gap.frames >= 13
    assert samples[0].change.motion == "none"
    assert samples[1].change.motion != "none"


def test_what_breaks_in_the_thread_reaches_the_watcher(pan):
    with (
        LiveStream(Camera(pan), patience=1) as live,
        pytest.raises(SettingsError, match="sampling rate"),
    ):
        list(live.samples(math.inf))


def test_a_stream_is_read_once(pan):
    with LiveStream(Camera(pan), patience=1) as live:
        live.samples(FPS)
        with pytest.raises(SourceError, match="was read before"):
            live.samples(FPS)


def test_closing_ends_the_thread(pan):
    with LiveStream(Camera(pan, AWAY), patience=math.inf) as live:
        next(live.samples(FPS))
        assert any(thread.name == "costream-live" for thread in threading.enumerate())
    assert not any(thread.name == "costream-live" for thread in threading.enumerate())


def test_who_is_forgotten_lets_the_camera_go(pan):
    def forget():
        next(LiveStream(Camera(pan, AWAY), patience=math.inf).samples(FPS))

    forget()
    gc.collect()
    left = [thread for thread in threading.enumerate() if thread.name == "costream-live"]
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)


def test_the_attempts_are_counted_in_words(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 1.0)
    with pytest.raises(SourceLostError, match=r"and 1 attempt: can't open"):
        LiveStream(Camera(AWAY), patience=0.1).open()


def test_a_connection_that_waited_is_made_afresh(pan, monkeypatch):
    monkeypatch.setattr("costream.video.live._FRESH", 0.0)
    camera = Camera(pan, pan, AWAY)
    with LiveStream(camera, patience=0) as live, pytest.raises(SourceLostError):
        live.open()
        list(live.samples(FPS))
    assert camera.connections == 2


def test_records_come_with_their_sample_and_go_on_behind_a_gap(pan):
    records = []
    with (
        LiveStream(Camera(pan, pan, AWAY), patience=0.3) as live,
        pytest.raises(SourceLostError),
    ):
        for item in live.samples(FPS, on_frame=records.append):
            if not isinstance(item, Gap):
                assert records[-1].time == pytest.approx(item.time)
    assert threading.current_thread() is threading.main_thread()
    assert 90 < len(records) <= 100
    for what in ("index", "time"):
        values = [getattr(record, what) for record in records]
        assert values == sorted(set(values))
    assert [record.index for record in records[-46:]] == list(range(50, 96))


@pytest.mark.parametrize("patience", [-1.0, math.nan])
def test_a_patience_that_is_none_is_told_of_any_source(pan, patience):
    with pytest.raises(SettingsError, match="can't be kept"):
        open_source(Camera(pan), patience=patience)
