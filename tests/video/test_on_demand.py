"""Pictures that nothing changed in are not decoded; what changes is seen as soon as ever."""

import itertools
import logging
from functools import cache

import av
import numpy as np
import pytest

from costream.video import Stream, on_demand, trust, unit_queue
from costream.video.decode_policy import FIRST
from costream.video.follower import BLIND
from costream.video.nal import UNKNOWN, Standing, UnitReader
from costream.video.on_demand import OnDemand
from tests.bitstream.h264_syntax import (
    PPS,
    SPS,
    Bits,
    PictureSet,
    Sequence,
    long_term_key_frames,
)
from tests.bitstream.h264_syntax import units as nal_units
from tests.video.encode import encode, filtered, panning, spoilt, texture

pytest.importorskip("costream._bitstream", reason="built without the bitstream readers")

RATE = 10
FPS = 2
X265 = {"x265-params": "log-level=error:pools=1:frame-threads=1"}


def hall(frames, visits=(), light=1.0, size=(240, 320), noise=0.5):
    """An empty hall in sensor noise; in each of ``visits`` somebody crosses it."""
    rng = np.random.default_rng(1)
    room = 60 + texture(*size) / 3.0
    figure = texture(96, 32, seed=5)
    pictures = []
    for i in range(frames):
        picture = room * (1 + (light - 1) * i / frames) + rng.normal(0, noise, size)
        for start, end in visits:
            if start <= i < end:
                x = 20 + 5 * (i - start)
                picture[100:196, x : x + 32] = figure
        pictures.append(picture.clip(0, 255).astype(np.uint8))
    return pictures


def read(source, **settings):
    """Returns the samples by full decoding and on demand, and the health of the latter."""
    with Stream(source, motion=False, decode="all") as stream:
        full = list(stream.samples(FPS))
    with Stream(source, motion=False, decode="auto", **settings) as stream:
        found = list(stream.samples(FPS))
    assert [(s.tick, s.time, s.change.frames) for s in found] == [
        (s.tick, s.time, s.change.frames) for s in full
    ]
    return full, found, stream.health


def difference(one, other):
    luma = [sample.picture.luma(24, 32).astype(float) for sample in (one, other)]
    return np.abs(luma[0] - luma[1]).max()


def assert_alike(full, found, steps=5):
    for one, other in zip(full, found, strict=True):
        assert difference(one, other) <= steps, one.time
        if not other.reused:
            assert (one.picture.luma(24, 32) == other.picture.luma(24, 32)).all()


def make(path, pictures, codec="libx264", gop=50, b_frames=0, **options):
    # Threads change what x264 makes of pictures: by default it takes as many as there are cores.
    x264 = {"sc_threshold": "0", "crf": "27", "threads": "3"}
    parameters = dict(X265) if codec == "libx265" else x264
    if codec == "libx265":
        scheme = f":keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}"
        parameters["x265-params"] += scheme + options.pop("x265", "")
    if codec == "libx264":
        parameters |= {"keyint_min": str(gop)}
    parameters |= options
    return encode(path, pictures, codec, rate=RATE, gop=gop, b_frames=b_frames, options=parameters)


@pytest.fixture(scope="module")
def stream_of(tmp_path_factory):
    """Encodes a hall, with a key frame every 25, once for all who read it."""
    folder = tmp_path_factory.mktemp("halls")

    @cache
    def encoded(codec, frames, visits, size):
        path = folder / f"{codec}-{frames}-{len(visits)}-{size[0]}.mp4"
        return make(path, hall(frames, visits, size=size), codec, gop=25)

    @cache
    def packed(suffix, frames, visits=(), codec="libx264", size=(240, 320)):
        whole = encoded(codec, frames, visits, size)
        return filtered(whole, whole.with_suffix(f".copy.{suffix}"), "null")

    return packed


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_a_quiet_stream_is_hardly_decoded(stream_of, codec, suffix):
    path = stream_of(suffix, 300, codec=codec)
    full, found, health = read(path)
    assert_alike(full, found)
    assert not found[0].reused
    assert sum(sample.reused for sample in found) > 0.75 * len(found)
    assert health.frames == 300
    assert health.undecoded > 0.75 * 300
    assert not health.damaged


def test_a_tick_without_a_picture_of_its_own_has_the_last_one(tmp_path):
    path = make(tmp_path / "quiet.mp4", hall(100))
    _, found, _ = read(path)
    reused = [(a, b) for a, b in itertools.pairwise(found) if b.reused]
    assert any(b.picture is a.picture for a, b in reused)
    with Stream(path, motion=False, decode="all") as stream:
        assert not any(sample.reused for sample in stream.samples(FPS))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_somebody_who_comes_in_is_seen_in_the_same_tick(tmp_path, codec, b_frames):
    visits = ((73, 100), (156, 180), (222, 240))
    path = make(tmp_path / "visits.mp4", hall(300, visits), codec, 40, b_frames)
    full, found, health = read(path)
    assert_alike(full, found)
    assert health.undecoded > 60
    empty = full[5]
    assert any(difference(sample, empty) > 30 for sample in full)
    for one, other in zip(full, found, strict=True):
        if difference(one, empty) > 30:
            assert not other.reused


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_an_open_group_of_pictures(tmp_path, codec):
    options = {"x265": ":open-gop=1"} if codec == "libx265" else {"x264-params": "open-gop=1"}
    pictures = hall(200, ((103, 130), (158, 175)))
    path = make(tmp_path / "open.mp4", pictures, codec, 30, 3, **options)
    full, found, health = read(path)
    assert_alike(full, found)
    assert health.undecoded > 50
    assert not health.damaged
    assert not health.errors


def test_frames_that_none_refers_to_are_not_decoded_between_ticks(tmp_path):
    options = {"x264-params": "b-adapt=0:b-pyramid=none:scenecut=0"}
    path = make(tmp_path / "busy.mp4", panning(100, (2, 1)), b_frames=3, **options)
    full, found, health = read(path)
    assert not any(sample.reused for sample in found)
    assert_alike(full, found, 0)
    assert 40 < health.undecoded < 75


def test_records_of_frames_come_in_display_order(tmp_path):
    path = make(tmp_path / "quiet.mp4", hall(120, ((60, 80),)), b_frames=2)
    records = []
    with Stream(path, motion=False, decode="auto") as stream:
        list(stream.samples(FPS, on_frame=records.append))
    assert [record.index for record in records] == list(range(120))
    assert [record.time for record in records] == pytest.approx([i / RATE for i in range(120)])
    assert all(record.packet_bytes > 0 for record in records)


def test_records_alone_are_all_decoded(tmp_path):
    path = make(tmp_path / "quiet.mp4", hall(60))
    with Stream(path, decode="auto") as stream:
        assert len(list(stream.frames())) == 60
        assert not stream.health.undecoded


def test_no_picture_is_followed_for_longer_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(on_demand, "MAX_AGE", 4.0)
    held = watch_held(monkeypatch)
    _, found, health = read(make(tmp_path / "quiet.mp4", hall(300), gop=1000))
    assert any(sample.reused for sample in found)
    assert 30 < max(held) <= (4 + 1 / FPS) * RATE
    # It would be the same again: no random access point comes.
    assert health.decoding.bound > 250
    assert not health.undecoded


def watch_held(monkeypatch):
    """Returns the list that the number of packets held is added to at each one that comes."""
    held = []
    file = OnDemand._file

    def watched(self, unit):
        held.append(len(self._queue.held))
        return file(self, unit)

    monkeypatch.setattr(OnDemand, "_file", watched)
    return held


def test_what_is_held_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_queue, "MAX_UNITS", 30)
    held = watch_held(monkeypatch)
    full, found, _ = read(make(tmp_path / "quiet.mp4", hall(200), gop=1000))
    assert_alike(full, found)
    assert 25 < max(held) <= 31


def test_a_key_frame_lets_go_of_what_was_held_before(stream_of, monkeypatch):
    held = watch_held(monkeypatch)
    read(stream_of("mp4", 300))
    assert 20 < max(held) <= 26


def test_a_false_alarm_after_a_key_frame_costs_that_frame_alone(tmp_path, monkeypatch):
    """Coding noise of key frames that were not decoded looks like change in what follows."""
    path = make(tmp_path / "quiet.mp4", hall(600, noise=1.7), gop=25, crf="23")
    full, found, health = read(path)
    assert_alike(full, found)
    monkeypatch.setattr(OnDemand, "_check", lambda self, key: False)
    _, _, without = read(path)
    assert health.undecoded > without.undecoded


def test_what_changes_in_a_key_frame_alone_is_seen_at_one_of_the_next(tmp_path):
    pictures = hall(400)
    pictures[100:] = [np.clip(p.astype(int) + 40, 0, 255).astype(np.uint8) for p in pictures[100:]]
    full, found, health = read(make(tmp_path / "switched.mp4", pictures, gop=25))
    late = 10 + trust.AUDIT + 25 / RATE
    pairs = [(a, b) for a, b in zip(full, found, strict=True) if not 10 <= a.time < late]
    assert_alike(*zip(*pairs, strict=True))
    assert health.undecoded > 80


def test_slow_light_is_followed(tmp_path):
    pictures = hall(400, light=1.5)
    full, found, _ = read(make(tmp_path / "dawn.mp4", pictures, gop=25))
    assert_alike(full, found, 7)


def test_damage_is_decoded(stream_of, tmp_path):
    data = bytearray(stream_of("ts", 300).read_bytes())
    # Transport packets that are lost: the demuxer marks what they were part of.
    start = 188 * (len(data) // 188 // 2)
    del data[start : start + 3 * 188]
    (tmp_path / "lost.ts").write_bytes(data)
    with Stream(tmp_path / "lost.ts", motion=False, decode="auto") as stream:
        found = list(stream.samples(FPS))
    assert len(found) >= 58
    assert all(b.tick > a.tick for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_truncated_file_gives_the_ticks_that_there_are(stream_of, tmp_path, codec, share):
    data = stream_of("ts", 120, ((60, 80),), codec).read_bytes()
    (tmp_path / "cut.ts").write_bytes(data[: int(len(data) * share)])
    with Stream(tmp_path / "cut.ts", motion=False, decode="all") as stream:
        full = [sample.tick for sample in stream.samples(FPS)]
    with Stream(tmp_path / "cut.ts", motion=False, decode="auto") as stream:
        found = [sample.tick for sample in stream.samples(FPS)]
    assert found == full


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_never_break_it(stream_of, tmp_path, seed):
    path = stream_of("ts", 120, ((60, 80),))
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    at = rng.integers(len(data) // 5, len(data), 40)
    data[at] ^= 1 << rng.integers(0, 8, 40).astype(np.uint8)
    (tmp_path / "bad.ts").write_bytes(data.tobytes())
    with Stream(tmp_path / "bad.ts", motion=False, decode="auto") as stream:
        found = list(stream.samples(FPS))
    assert all(b.tick > a.tick for a, b in itertools.pairwise(found))
    assert found[-1].picture.luma(4, 4).shape == (4, 4)


def test_a_camera_that_restarts_is_decoded_on(stream_of, tmp_path):
    one = stream_of("ts", 100).read_bytes()
    (tmp_path / "two.ts").write_bytes(one * 2)
    _, found, health = read(tmp_path / "two.ts")
    assert health.undecoded > 50
    assert len(found) == 40


def test_a_change_of_size_is_seen(stream_of, tmp_path):
    one = stream_of("ts", 100).read_bytes()
    two = stream_of("ts", 100, size=(120, 160)).read_bytes()
    (tmp_path / "both.ts").write_bytes(one + two)
    full, found, _ = read(tmp_path / "both.ts")
    widths = [[sample.picture.width for sample in samples] for samples in (full, found)]
    assert widths[0] == widths[1]


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("mjpeg", "avi", {}),
        ("mpeg4", "mp4", {}),
        ("libx264", "mp4", {"flags": "+ilme+ildct", "x264-params": "tff=1:bf=0"}),
        ("libx264", "h264", {}),
    ],
)
def test_other_streams_are_decoded_whole_and_it_is_said_once(
    tmp_path, caplog, codec, suffix, options
):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = encode(
        tmp_path / f"other.{suffix}", hall(60), codec, rate=RATE, pixels=pixels, options=options
    )
    with caplog.at_level(logging.INFO, logger="costream"):
        full, found, health = read(path)
    known = FIRST + BLIND  # until then ticks may be passed that were decoded, and had not changed
    assert not any(sample.reused for sample in found[known:])
    assert_alike(full[:known], found[:known])
    assert_alike(full[known:], found[known:], 0)
    assert health.undecoded <= 2 * RATE
    assert len([r for r in caplog.records if "is decoded whole" in r.message]) == 1


def test_pictures_of_another_format_are_decoded_whole_by_name(tmp_path):
    path = encode(tmp_path / "wide.mp4", hall(60), rate=RATE, pixels="yuv422p")
    with Stream(path, motion=False, decode="auto") as stream:
        assert not any(sample.reused for sample in stream.samples(FPS))
        assert stream.why_whole == "its pictures are yuv422p"


def test_after_a_visit_a_stream_is_followed_again_at_once(tmp_path):
    visits = [(start, start + 20) for start in range(83, 600, 80)]
    full, found, health = read(make(tmp_path / "visits.mp4", hall(600, visits), gop=10))
    assert_alike(full, found)
    # Somebody is there in a quarter of the frames.
    assert health.decoding.share < 0.45


def test_evidence_is_whole_though_pictures_are_not_decoded(tmp_path):
    path = make(tmp_path / "quiet.mp4", hall(150, ((90, 110),)))
    with Stream(path, decode="all") as stream:
        full = [sample.change for sample in stream.samples(FPS)]
    with Stream(path, decode="auto") as stream:
        found = list(stream.samples(FPS))
        assert stream.health.undecoded > 30
    for one, other in zip(full, (sample.change for sample in found), strict=True):
        assert (one.peak == other.peak).all()
        assert (one.intra == other.intra).all()
        assert (one.packet_bytes, one.keyframes) == (other.packet_bytes, other.keyframes)


def units(path):
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        reader = UnitReader(video.codec_context.name, video.codec_context.extradata)
        packets = [packet for packet in container.demux(video) if packet.size]
        return [reader.standing(memoryview(p)) for p in packets], packets, reader


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_where_decoding_can_start_is_told_by_the_header(tmp_path, codec, suffix):
    path = make(tmp_path / f"clip.{suffix}", panning(20), codec, gop=10)
    standings, packets, reader = units(path)
    assert [standing.restart for standing in standings] == [p.is_keyframe for p in packets]
    assert reader.parameters(memoryview(packets[0])) or suffix != "ts"
    assert not reader.parameters(memoryview(packets[1]))


def test_hostile_units_tell_nothing():
    reader = UnitReader("hevc", None)
    for data in (b"", b"\0\0\1", b"\0\0\1\xff", b"\0" * 9, b"\xff" * 9):
        assert reader.standing(data) in (UNKNOWN, Standing(False, True))
        assert reader.parameters(data) == b""
    prefixed = UnitReader("h264", b"\1" + b"\0" * 3 + b"\3" + b"\0" * 2)
    for data in (b"", b"\0\0\0\0", b"\0\0\0\0\0", b"\xff\xff\xff\xff\x65", b"\0\0\0\1"):
        assert prefixed.standing(data).reference


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_somebody_who_stands_and_what_is_left_behind_are_shown(tmp_path, codec):
    """Nothing moves after it: what was shown has to be the end of the change, not its midst."""
    figure, bag = texture(96, 32, seed=5), texture(24, 24, seed=6) // 2
    pictures = hall(300, ((80, 110),))
    for i in range(110, 300):
        pictures[i][170:194, 200:224] = bag
    for i in range(150, 260):
        x = min(20 + 4 * (i - 150), 140)
        pictures[i][100:196, x : x + 32] = figure
    full, found, health = read(make(tmp_path / "stands.mp4", pictures, codec, 25))
    assert_alike(full, found)
    assert health.undecoded > 50


def test_long_term_references_are_followed(tmp_path):
    """No encoder at hand makes any: key frames are marked as such in a stream of several."""
    options = {"profile": "main", "refs": "3", "x264-params": "weightp=0"}
    pictures = hall(300, ((80, 110), (200, 230)))
    plain = make(tmp_path / "plain.ts", pictures, gop=50, **options)
    parts = [Bits(unit) for unit in nal_units(first_packet(plain))]
    (sequence,) = (Sequence.read(bits) for bits in parts if bits.kind == SPS)
    (picture,) = (PictureSet.read(bits) for bits in parts if bits.kind == PPS)
    path = tmp_path / "long.ts"
    spoilt(plain, path, lambda packet: long_term_key_frames(packet, sequence, picture), every=1)
    assert first_packet(path) != first_packet(plain)
    full, found, health = read(path)
    assert health.errors == health.damaged == 0
    assert_alike(full, found)
    assert health.undecoded > 50


def first_packet(path):
    with av.open(str(path)) as source:
        return bytes(next(source.demux(video=0)))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_slow_walker_is_seen_though_bits_are_short(tmp_path, codec):
    options = {"x265": ":qp=33"} if codec == "libx265" else {"qp": "33"}
    pictures = hall(300, noise=1.6)
    figure = 70 + texture(64, 20, seed=5) / 4.0
    for i in range(90, 290):
        x = 30 + (i - 90)
        pictures[i][120:184, x : x + 20] = figure.astype(np.uint8)
    full, found, _ = read(make(tmp_path / "slow.mp4", pictures, codec, 10, **options))
    assert_alike(full, found, 6)


def test_dusk_adds_up_though_every_audit_agrees(tmp_path):
    pictures = [*hall(60), *hall(600, light=0.6)]
    full, found, health = read(make(tmp_path / "dusk.mp4", pictures, gop=10))
    assert_alike(full, found, 6)
    assert health.decoding.audit > 10
    # It was shown in steps: as often as it had changed by the limit.
    shown = [sample for sample in found[8:] if not sample.reused]
    assert 5 <= len(shown) < len(found) / 3


def test_an_audit_that_agrees_shows_no_picture(tmp_path):
    path = make(tmp_path / "quiet.mp4", hall(400), gop=20)
    _, found, health = read(path)
    assert health.decoding.audit >= 4
    assert not health.decoding.change
    assert all(sample.reused for sample in found[8:])
    assert len({id(sample.picture) for sample in found[8:]}) == 1


def test_intra_refresh_is_handed_to_the_decoder_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_queue, "MAX_UNITS", 40)
    path = make(tmp_path / "columns.mp4", hall(200), gop=30, **{"x264-params": "intra-refresh=1"})
    full, found, health = read(path)
    assert_alike(full, found)
    assert health.undecoded < 10
    assert health.decoding.bound + health.decoding.change + health.decoding.busy > 150
