"""Means followed through packets that are not decoded are those of the decoded pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from . import streams

_bitstream = pytest.importorskip(
    "costream._bitstream", reason="built without the bitstream readers"
)

SIZE = (192, 320)
NEVER = 1e9
READERS = {"libx264": _bitstream.H264Reader, "libx265": _bitstream.H265Reader}


def room(frames, *, noise=1.6, light=0.0, visitor=None):
    """A room that stands still; from frame ``visitor`` on somebody crosses it."""
    draw = np.random.default_rng(3)
    ground = 0.6 * streams._texture(draw, *SIZE, 60) + 40
    ground[60:130, 100:104] = 220  # an edge
    figure = streams._texture(draw, 72, 24, 8)
    for t in range(frames):
        picture = ground * (1 + light * t / frames)
        if visitor is not None and t >= visitor:
            x = 20 + 3 * (t - visitor)
            picture[96:168, x : x + 24] = figure
        yield np.clip(picture + draw.normal(0, noise, SIZE), 0, 255)


def make(codec, pictures, preset="veryfast", **options):
    pictures = list(pictures)
    given = {"keyint": 250, "scenecut": 0, "bframes": 0, **options}
    if codec == "libx264":
        given |= {"threads": 1}
    else:
        given |= {"log-level": "none", "pools": "none", "frame-threads": 1}
    joined = ":".join(f"{name.replace('_', '-')}={value}" for name, value in given.items())
    settings = {"preset": preset, f"{codec[3:]}-params": joined}
    return streams.encode(codec, settings, frames=len(pictures), pictures=pictures)


def cells(luma):
    """Means of 8x8 samples."""
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    parts = luma[: 8 * rows, : 8 * columns].astype(float).reshape(rows, 8, columns, 8)
    return parts.mean(axis=(1, 3))


def follow(codec, stream):
    """Yields, packet by packet, the tracker and the decoded change of 8x8 means since the first."""
    decoded = stream.luma()
    reader, tracker = make_reader(codec, stream), _bitstream.Tracker()
    tracker.start(decoded[0])
    first = cells(decoded[0])
    for packet, luma in zip(stream.packets[1:], decoded[1:], strict=True):
        reader.track([packet], tracker, NEVER)
        yield tracker, cells(luma) - first


def make_reader(codec, stream):
    """A reader that knows the stream's parameter sets, which may be in its first packet."""
    reader = READERS[codec]()
    reader.configure(stream.extradata)
    reader.read(stream.packets[0], 0)
    reader.reset()
    return reader


def told(tracker):
    deltas = tracker.deltas
    rows, columns = deltas.shape[0] // 2, deltas.shape[1] // 2
    return deltas[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


@pytest.mark.parametrize("codec", READERS)
@pytest.mark.parametrize("light", [0.0, 0.15])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crf": 18},
        {"crf": 34},
        {"preset": "medium", "ref": 3, "weightp": 0},
        {"preset": "ultrafast"},
        {"weightp": 0, "crf": 26, "aq_mode": 0},
    ],
    ids=str,
)
def test_means_are_those_of_decoded_pictures(codec, light, options):
    stream = make(codec, room(24, light=light), **options)
    for tracker, real in follow(codec, stream):
        assert np.abs(told(tracker) - real).max() < 5
        assert np.abs(told(tracker) - real).mean() < 2
        assert np.abs(told(tracker)).max() <= tracker.worst + 1e-3
        assert tracker.difference <= tracker.worst


@pytest.mark.parametrize("codec", READERS)
def test_cavlc_and_transforms(codec):
    if codec == "libx265":
        options = [{"tskip": 1, "crf": 12}, {"sao": 0}, {"ctu": 16, "limit-tu": 0}]
    else:
        options = [{"cabac": 0}, {"8x8dct": 0}, {"cabac": 0, "8x8dct": 1, "crf": 16}]
    for each in options:
        for tracker, real in follow(codec, make(codec, room(12), **each)):
            assert np.abs(told(tracker) - real).max() < 5


@pytest.mark.parametrize("codec", READERS)
@pytest.mark.parametrize("crf", [23, 28, 33])
def test_what_is_told_to_stand_still_does(codec, crf):
    """Up to the frame in which somebody comes in, and no further."""
    stream = make(codec, room(40, visitor=20), crf=crf)
    calm = 0
    for tracker, real in follow(codec, stream):
        if tracker.worst > 5:
            assert np.abs(real).max() > 5
            break
        assert np.abs(real).max() < 8
        calm += 1
    assert 15 <= calm <= 20


@pytest.mark.parametrize("codec", READERS)
def test_it_stops_at_the_limit_and_at_intra_pictures(codec):
    stream = make(codec, room(30, visitor=1), keyint=10)
    decoded = stream.luma()
    reader, tracker = make_reader(codec, stream), _bitstream.Tracker()
    assert tracker.worst == np.inf
    tracker.start(decoded[0])
    assert tracker.worst == 0
    reader.track(stream.packets[1:9], tracker, 5.0)
    assert 5 < tracker.worst < 255
    before = tracker.deltas.copy()
    reader.track(stream.packets[1:9], tracker, 5.0)
    assert (tracker.deltas == before).all()
    tracker.start(decoded[9])
    reader.reset()
    reader.track([stream.packets[10]], tracker, NEVER)
    assert tracker.worst == np.inf


@pytest.mark.parametrize("codec", READERS)
def test_a_later_picture_is_compared_with_the_first_one(codec):
    stream = make(codec, room(30, light=0.3), keyint=10)
    decoded = stream.luma()
    reader, tracker = make_reader(codec, stream), _bitstream.Tracker()
    tracker.start(decoded[0])
    reader.track(stream.packets[1:10], tracker, NEVER)
    reader.reset()
    tracker.carry()
    # Not told of the intra picture: by its mean alone it is taken to look like the one before.
    tracker.restart(decoded[10])
    assert tracker.worst == 0
    real = np.abs(cells(decoded[10]) - cells(decoded[0])).max()
    assert tracker.difference == pytest.approx(real, abs=1e-3)
    for packet, luma in zip(stream.packets[11:20], decoded[11:20], strict=True):
        reader.track([packet], tracker, NEVER)
        real = np.abs(cells(luma) - cells(decoded[0])).max()
        assert tracker.difference == pytest.approx(real, abs=2.5)
    tracker.restart(np.zeros((64, 64), np.uint8))
    assert tracker.worst == tracker.difference == np.inf


def test_the_last_rows_and_columns_count():
    for height, width in ((36, 44), (32, 44), (36, 48), (6, 10)):
        first = np.full((height, width), 100, np.uint8)
        for row, column in ((0, 0), (height - 1, 0), (0, width - 1), (height - 1, width - 1)):
            tracker = _bitstream.Tracker()
            tracker.start(first)
            assert tracker.difference == 0
            later = first.copy()
            top, left = row // 8 * 8, column // 8 * 8
            later[top : top + 8, left : left + 8] = 117
            tracker.restart(later)
            assert tracker.difference == pytest.approx(17)


@pytest.mark.parametrize("codec", READERS)
def test_another_size_and_no_picture_tell_nothing(codec):
    stream = make(codec, room(4))
    reader, tracker = make_reader(codec, stream), _bitstream.Tracker()
    for luma in (np.zeros((64, 64), np.uint8), np.zeros((192, 318), np.uint8)):
        tracker.start(luma)
        reader.track(stream.packets[1:], tracker, NEVER)
        assert tracker.worst == np.inf
    for packet in (b"", b"\0\0\0\1", b"\xff" * 40):
        tracker.start(np.zeros(SIZE, np.uint8))
        reader.track([packet], tracker, NEVER)
        assert tracker.worst == np.inf
    with pytest.raises(ValueError, match="contiguous"):
        tracker.start(np.zeros((64, 128), np.uint8)[:, ::2])


@pytest.mark.parametrize("codec", READERS)
def test_reading_goes_on_after_tracking(codec):
    stream = make(codec, room(8, visitor=2))
    reader, fresh = make_reader(codec, stream), make_reader(codec, stream)
    tracker = _bitstream.Tracker()
    tracker.start(stream.luma()[0])
    reader.track(stream.packets[1:4], tracker, NEVER)
    reader.reset()
    for number, packet in enumerate(stream.packets):
        one, other = reader.read(packet, number)[0], fresh.read(packet, number)[0]
        assert (one.motion == other.motion).all()
        assert (one.mode == other.mode).all()
        assert (one.energy == other.energy).all()


@pytest.mark.parametrize("codec", READERS)
@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits_are_survived(codec, seed):
    stream = make(codec, room(10, visitor=2), bframes=2)
    draw = np.random.default_rng(seed)
    reader, tracker = make_reader(codec, stream), _bitstream.Tracker()
    luma = stream.luma()[0]
    for _ in range(20):
        tracker.start(luma)
        for packet in stream.packets[1:]:
            data = np.frombuffer(packet, np.uint8).copy()
            at = draw.integers(4, len(data), 1 + len(data) // 200)
            data[at] ^= (1 << draw.integers(0, 8, len(at))).astype(np.uint8)
            reader.track([data.tobytes()], tracker, NEVER)
        assert tracker.worst >= 0


def lit_room(gain, spot=0.0):
    """An even slope of 64 to 192 in some light, with one cell that is brighter by so much."""
    room = np.tile(np.linspace(64, 192, 160), (96, 1)) * gain
    room[40:48, 80:88] += spot
    return room.round().astype(np.uint8)


@pytest.mark.parametrize(
    ("gain", "spot", "told"),
    [(1.03, 0, 0.8 * 5.7), (0.97, 0, 0.8 * 5.7), (1.03, 10, 0.8 * 14), (1, 3, 3)],
)
def test_light_counts_for_less_than_what_changes_besides(gain, spot, told):
    tracker, first = _bitstream.Tracker(), lit_room(1)
    tracker.see(first, 5.0, 4.0)
    tracker.start(first)
    later = lit_room(gain, spot)
    assert tracker.change(later) == pytest.approx(told, abs=0.7)
    tracker.restart(later)
    assert tracker.difference == pytest.approx(told, abs=0.7)


def test_light_is_told_from_picture_to_picture_whatever_changes_besides():
    tracker = _bitstream.Tracker()
    for gain, spot, by in ((1, 0, 0), (1.01, 0, 1.28), (1.02, 90, 1.28), (1, 0, -2.56), (1, 90, 0)):
        tracker.see(lit_room(gain, spot), 5.0, 4.0)
        assert tracker.lit == pytest.approx(by, abs=0.15)
    tracker.see(lit_room(0.8), 5.0, 4.0)
    assert tracker.lit == math.inf
    tracker.see(lit_room(0.8), 5.0, 4.0)
    assert tracker.lit == 0


def test_where_most_of_a_picture_changes_by_much_it_is_no_light():
    tracker, first = _bitstream.Tracker(), lit_room(1)
    tracker.see(first, 5.0, 4.0)
    tracker.start(first)
    assert tracker.change(lit_room(1.2)) == pytest.approx(0.2 * 192, abs=1)
