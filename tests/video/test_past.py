"""What was sampled comes back to the bit as long as its packets are kept, and is refused after."""

import threading
from dataclasses import replace
from functools import partial

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.errors import ForgottenError, SettingsError
from costream.video import DeferredSource, Gap, Sample, Stream, backoff
from costream.video.packet_ring import RingLimits
from tests.engine.camera_file import ConnectPaced
from tests.video.encode import encode, panning, popping, spoilt, texture

AMPLE = RingLimits(seconds=1000, max_bytes=1 << 30)


def watched(path, limits=AMPLE, fps=5, **options):
    """Returns a source that was read to its end, and what was sampled of it."""
    source = DeferredSource(
        partial(Stream, path, motion=False, **options), patience=0, backlog=1, keep=limits
    )
    return source, [(sample, sample.picture.rgb()) for sample in source.samples(fps)]


def assert_same(frames, samples):
    assert [(frame.tick, frame.time) for frame in frames] == [(s.tick, s.time) for s, _ in samples]
    for frame, (_, rgb) in zip(frames, samples, strict=True):
        assert (frame.picture.rgb() == rgb).all()


def between(samples, start, end):
    return [(sample, rgb) for sample, rgb in samples if start <= sample.tick < end]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Clips of one scene by kind of coding, made when they are asked for."""
    folder, made = tmp_path_factory.mktemp("clips"), {}

    def clip(codec, gop, b_frames, extra=""):
        key = codec, gop, b_frames, extra
        if key not in made:
            name = f"{codec}-{gop}-{b_frames}-{extra.replace('=', '')}.mkv"
            parameters = f"scenecut=0:bframes={b_frames}:keyint={gop}:min-keyint={gop}{extra}"
            option = "x265-params" if codec == "libx265" else "x264-params"
            quiet = ":log-level=none" if codec == "libx265" else ""
            made[key] = watched(
                encode(
                    folder / name,
                    panning(80, (2, 1), size=(96, 128)),
                    codec,
                    options={"preset": "veryfast", option: parameters + quiet},
                )
            )
        return made[key]

    return clip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    codec=st.sampled_from(["libx264", "libx265"]),
    gop=st.sampled_from([8, 25, 100]),
    b_frames=st.sampled_from([0, 3]),
    open_gop=st.sampled_from(["", ":open-gop=1"]),
    start=st.integers(0, 15),
    length=st.integers(1, 16),
)
def test_any_window_comes_back_to_the_bit(clips, codec, gop, b_frames, open_gop, start, length):
    source, samples = clips(codec, gop, b_frames, open_gop)
    assert len(samples) == 16
    assert_same(source.past.frames(start, start + length), between(samples, start, start + length))


@pytest.mark.parametrize("refresh", [":intra-refresh=1"])
def test_a_stream_that_refreshes_bit_by_bit_is_right_or_refused(clips, refresh):
    source, samples = clips("libx264", 20, 0, refresh)
    assert_same(source.past.frames(0, 16), samples)


def test_pictures_that_stand_for_others_come_back_too(tmp_path):
    path = encode(tmp_path / "x.mp4", popping(150, at=90), gop=25, b_frames=2)
    source, samples = watched(path, decode="auto")
    assert any(sample.reused for sample, _ in samples)
    assert_same(source.past.frames(0, 30), samples)


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("mjpeg", "avi", {"pixels": "yuvj420p"}),
        ("mpeg4", "mp4", {"b_frames": 2}),
        ("libvpx-vp9", "webm", {"options": {"cpu-used": "8"}}),
        ("huffyuv", "avi", {"pixels": "yuv422p"}),
        ("libx264", "mp4", {"rotation": 90}),
        ("libx264", "mkv", {"pixels": "yuv420p10le"}),
        ("png", "mov", {"pixels": "rgb24"}),
    ],
)
def test_every_kind_of_picture_comes_back(tmp_path, codec, suffix, options):
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    path = encode(tmp_path / f"x.{suffix}", panning(40, size=(96, 128)), codec, **options)
    source, samples = watched(path)
    assert_same(source.past.frames(2, 7), between(samples, 2, 7))


def test_what_left_the_ring_is_refused_and_what_did_not_is_there(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(250, (1, 0), size=(96, 128)), gop=25, b_frames=2)
    source, samples = watched(path, RingLimits(seconds=3, max_bytes=1 << 30))
    groups = source.past.ring.groups()
    # Three seconds, and the group of pictures in which the three seconds begin.
    assert 3 <= len(groups) <= 5
    kept = [sample.tick for sample, _ in samples if sample.stored >= groups[0][0].number]
    assert len(kept) >= 15
    assert_same(source.past.frames(kept[0], 50), between(samples, kept[0], 50))
    for start in (0, kept[0] - 1):
        with pytest.raises(ForgottenError, match="are not kept, or not any more"):
            source.past.frames(start, start + 5)
        with pytest.raises(ForgottenError, match="are not kept, or not any more"):
            source.past.packets(start, start + 5)
    with pytest.raises(ForgottenError, match="ticks 50 to 54"):
        source.past.frames(50, 55)


def test_the_bound_in_bytes_holds_at_every_packet(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(200, (3, 1), size=(96, 128)), gop=10)
    whole = watched(path)[0].past.ring.size
    assert whole > 20_000
    limit = whole // 4
    source = DeferredSource(
        partial(Stream, path), patience=0, backlog=1, keep=RingLimits(1000, limit)
    )
    sizes = [source.past.ring.size for _ in source.samples(25)]
    assert max(sizes) <= limit and sizes[-1] > limit // 4
    assert len(source.past.frames(198, 200)) == 2


def test_a_group_that_is_larger_than_the_bound_is_not_kept(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(60, (3, 1), size=(96, 128)), gop=100)
    source, samples = watched(path, RingLimits(1000, 5_000))
    assert samples and source.past.ring.size == 0
    with pytest.raises(ForgottenError):
        source.past.frames(0, 10)


def test_packets_are_a_clip_that_begins_with_a_key_frame(tmp_path):
    path = encode(tmp_path / "x.ts", panning(100, size=(96, 128)), gop=20, b_frames=2)
    source, samples = watched(path)
    packets = source.past.packets(10, 15)  # 2 to 3 s: frames 50 to 70
    assert packets[0].key and packets[0].number == 40
    assert [p.number for p in packets] == list(range(40, packets[-1].number + 1))
    assert {p.parameters for p in packets} == {packets[0].parameters}
    assert packets[0].parameters.codec == "h264"
    clip = tmp_path / "clip.h264"
    clip.write_bytes(b"".join(packet.data for packet in packets))
    with Stream(clip, motion=False) as stream:
        pictures = [sample.picture.rgb() for sample in stream.samples(25)]
    last = between(samples, 10, 15)[-1]
    assert last[0].tick == 14 and any((picture == last[1]).all() for picture in pictures)


def test_what_was_damaged_comes_back_as_it_was_or_is_refused(tmp_path):
    whole = encode(tmp_path / "x.mkv", panning(120, (2, 0), size=(96, 128)), gop=30)
    broken = tmp_path / "broken.mkv"
    spoilt(whole, broken, lambda data: data[: len(data) // 2] + bytes(len(data) // 3), every=11)
    source, samples = watched(broken)
    assert any(sample.change.damaged for sample, _ in samples)
    returned = 0
    for sample, rgb in samples:
        try:
            (frame,) = source.past.frames(sample.tick, sample.tick + 1)
        except ForgottenError:
            continue
        assert (frame.picture.rgb() == rgb).all()
        returned += 1
    assert returned > len(samples) // 2


def test_it_may_be_asked_while_the_source_is_read(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(150, (1, 1), size=(96, 128)), gop=25)
    source = DeferredSource(
        partial(Stream, path, motion=False), patience=0, backlog=1, keep=RingLimits(2, 1 << 20)
    )
    samples: dict[int, np.ndarray] = {}
    done, errors = threading.Event(), []

    def ask():
        while not done.is_set():
            latest = max(samples, default=-1)
            try:
                for frame in source.past.frames(latest, latest + 1):
                    if not (frame.picture.rgb() == samples[frame.tick]).all():
                        errors.append(frame.tick)
            except ForgottenError:
                pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    for item in source.samples(5):
        assert isinstance(item, Sample)
        samples[item.tick] = item.picture.rgb()
    done.set()
    thread.join(20)
    assert not errors


def test_without_a_ring_nothing_is_kept_and_limits_are_checked(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(10, size=(96, 128)))
    source = DeferredSource(partial(Stream, path), patience=0, backlog=1)
    assert all(sample.stored is None for sample in source.samples(5))
    with pytest.raises(ForgottenError, match="open the source with a ring"):
        _ = source.past
    for limits in ((0, 1), (1, 0), (-1, 5)):
        with pytest.raises(SettingsError, match="keeps nothing"):
            RingLimits(*limits)


def test_a_camera_that_was_lost_has_a_past_on_both_sides_of_the_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    path = encode(tmp_path / "x.ts", panning(30, size=(96, 128)), rate=25, gop=10, b_frames=2)
    source = DeferredSource(ConnectPaced(path), patience=10, backlog=10, keep=AMPLE)
    samples, losses = [], 0
    for item in source.samples(10):
        if isinstance(item, Gap):
            losses += item.kind == "lost"
            if losses == 2:
                break
            continue
        samples.append((item, item.picture.rgb()))
    source.close()
    assert len(samples) == 24
    ticks = [sample.tick for sample, _ in samples]
    assert ticks == sorted(set(ticks))
    assert_same(source.past.frames(0, ticks[-1] + 1), samples)
    packets = source.past.packets(0, ticks[-1] + 1)
    assert len({packet.parameters for packet in packets}) == 2


def test_what_comes_out_otherwise_than_it_was_sampled_is_refused(tmp_path):
    pictures = panning(25, (3, 1), size=(96, 128))
    path = encode(tmp_path / "x.avi", pictures, "mjpeg", pixels="yuvj420p")
    source, samples = watched(path)
    groups = source.past.ring._groups
    # One picture is replaced by another one: nothing that a decoder would notice.
    groups[10].packets[0] = replace(groups[10].packets[0], data=groups[3].packets[0].data)
    assert_same(source.past.frames(0, 2), between(samples, 0, 2))
    assert_same(source.past.frames(3, 5), between(samples, 3, 5))
    with pytest.raises(ForgottenError, match="frames of ticks 0 to 4 can't be decoded"):
        source.past.frames(0, 5)


@pytest.mark.parametrize(("codec", "gop", "b_frames"), [("libx264", 8, 3), ("libx265", 100, 0)])
def test_windows_are_recalled_as_they_were_sampled(clips, codec, gop, b_frames):
    source, samples = clips(codec, gop, b_frames)
    for every in (False, True):
        # All was decoded at the time: it is the same either way.
        assert_same(list(source.past.recall(3, 9, every=every)), between(samples, 3, 9))


def test_pictures_that_were_not_decoded_are_recalled_as_they_are(tmp_path):
    """A light that rises too slowly to be noticed, as the followed stream has it and as it is."""
    base = texture(96, 128).astype(int)
    frames = [np.clip(base + n // 40, 0, 255).astype(np.uint8) for n in range(400)]
    clip = encode(tmp_path / "dusk.mp4", frames, options={"crf": "16", "g": "250", "bf": "0"})
    source, samples = watched(clip)
    _, decoded = watched(clip, decode="all")
    assert any(sample.reused for sample, _ in samples)
    end = samples[-1][0].tick + 1
    assert_same(list(source.past.recall(0, end, every=False)), samples)
    assert_same(list(source.past.recall(0, end, every=True)), decoded)
    assert any((one != other).any() for (_, one), (_, other) in zip(samples, decoded, strict=True))


def test_what_can_t_be_recalled_is_refused(tmp_path):
    clip = encode(tmp_path / "x.mp4", panning(100, (2, 1), size=(96, 128)), options={"g": "10"})
    source, samples = watched(clip, RingLimits(seconds=1, max_bytes=1 << 30))
    last = samples[-1][0].tick
    assert len(list(source.past.recall(last - 4, last + 1, every=True))) == 5
    with pytest.raises(ForgottenError):
        list(source.past.recall(0, 4, every=True))


def test_a_picture_that_is_freed_takes_nothing_from_a_decoder_beside(clips):
    """PyAV keeps what goes with a packet under its address: one number is one object to all."""
    source, samples = clips("libx264", 12, 2)
    frames = source.past.recall(0, len(samples), every=True)
    found = [next(frames)]
    # The first decoder has pictures that are still to come while these are made and freed.
    for _ in source.past.recall(0, len(samples), every=True):
        pass
    found += frames
    assert_same(found, samples)
