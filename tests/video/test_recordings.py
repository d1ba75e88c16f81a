"""Several recordings in one file, one behind the other."""

import logging
import os
from dataclasses import replace

import av
import numpy as np
import pytest

from costream.errors import SourceError
from costream.video import DecodeCount, Stream, StreamHealth
from costream.video.recordings import Recordings
from tests.video.encode import encode, panning
from tests.video.joined import join_flv, join_mp4

SIZE = (128, 160)
FIRST = {"bf": "0", "x264-params": "8x8dct=1:weightp=0"}
SECOND = {"bf": "0", "qp": "34", "x264-params": "8x8dct=0:weightp=0"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
STREAMED = {"live": "1"}

JOINED = [
    ("mp4", "libx264", {}),
    ("mp4", "libx264", {"movflags": "faststart"}),
    ("mp4", "libx264", FRAGMENTED),
    ("mov", "libx264", {}),
    ("flv", "libx264", {}),
    ("mkv", "libx264", {}),
    ("mkv", "libx264", STREAMED),
    ("webm", "libvpx", {}),
    ("ivf", "libvpx", {}),
    ("asf", "mpeg4", {}),
    ("avi", "mpeg4", {}),
    ("ts", "libx264", {}),
    ("mpg", "mpeg2video", {}),
    ("h264", "libx264", {}),
]


def halves(folder, suffix="mp4", codec="libx264", muxer=None, second=None):
    """A pan to the right by two pixels a frame, and one to the left, of other parameter sets."""
    x264 = codec == "libx264"
    fast = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
    return [
        encode(
            folder / f"{name}.{suffix}",
            panning(50, (step, 0), size=SIZE if x264 else (48, 64)),
            codec,
            muxer=muxer,
            options=options if x264 else fast,
        )
        for name, step, options in (("a", 2, FIRST), ("b", -2, second or SECOND))
    ]


def drift(samples):
    """Movement to the right in each interval but those that a seam lies in."""
    told = [sample.change.drift[2:-2, 2:-2, 0] for sample in samples]
    return [round(float(np.median(each))) for each in (*told[1:10], *told[11:])]


@pytest.mark.parametrize(
    ("suffix", "codec", "muxer", "decode"),
    [(*each, "all") for each in JOINED]
    + [(*each, "auto") for each in JOINED if each[2] or each[0] in ("flv", "ts")],
)
def test_all_recordings_in_a_file_are_read(tmp_path, caplog, suffix, codec, muxer, decode):
    one, two = halves(tmp_path, suffix, codec, muxer)
    path = tmp_path / f"both.{suffix}"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    caplog.set_level(logging.WARNING)
    with Stream(path, decode=decode) as stream:
        samples = list(stream.samples(5))
    assert stream.health.frames == 100
    assert not stream.health.ended_early
    assert samples[-1].time == pytest.approx(3.8, abs=0.05)
    assert [sample.tick for sample in samples] == list(range(20))
    if codec == "libx264":
        assert drift(samples) == [10] * 9 + [-10] * 9
    assert not [record for record in caplog.records if "decoded whole" not in record.message]


@pytest.mark.parametrize("decode", ["all", "auto"])
@pytest.mark.parametrize("join", [join_flv, join_mp4])
@pytest.mark.parametrize("second", [FIRST, SECOND, {**SECOND, "x264-params": "cabac=0"}])
def test_parameter_sets_that_come_beside_the_packets(tmp_path, caplog, join, second, decode):
    one, two = halves(tmp_path, second=second)
    path = join(tmp_path / f"both.{join.__name__[5:]}", one, two)
    caplog.set_level(logging.WARNING)
    with Stream(path, decode=decode) as stream:
        samples = list(stream.samples(5))
    assert stream.info.motion == "bitstream"
    assert (stream.health.frames, stream.health.damaged, stream.health.errors) == (100, 0, 0)
    assert drift(samples) == [10] * 9 + [-10] * 9
    assert not caplog.records


def test_parameter_sets_that_are_repeated_change_nothing(tmp_path):
    """As many writers do, also between key frames, where references would be lost."""
    still = [panning(1, size=SIZE)[0]] * 100
    whole = encode(tmp_path / "a.mp4", still, options=FIRST)
    seen = {}
    for repeat in (None, 7):
        path = join_flv(tmp_path / f"{repeat}.flv", whole, repeat=repeat)
        with Stream(path, decode="auto") as stream:
            assert len(list(stream.samples(5))) == 20
        seen[repeat] = stream.health
    assert seen[7] == seen[None]
    assert seen[7].undecoded > 60


@pytest.mark.parametrize("decode", ["all", "auto"])
def test_h265_s_parameter_sets_that_come_beside_the_packets(tmp_path, caplog, decode):
    parts = []
    for name, step, told in (("a", 2, "ctu=64:amp=1"), ("b", -2, "ctu=32:amp=0:qp=36")):
        options = {"x265-params": f"log-level=none:bframes=0:pools=1:{told}"}
        path, pictures = tmp_path / f"{name}.mp4", panning(50, (step, 0), size=SIZE)
        parts.append(encode(path, pictures, "libx265", options=options))
    path = join_mp4(tmp_path / "both.mp4", *parts)
    caplog.set_level(logging.WARNING)
    with Stream(path, decode=decode) as stream:
        samples = list(stream.samples(5))
    assert stream.health.frames == 100
    assert drift(samples) == [10] * 9 + [-10] * 9
    assert not caplog.records


def test_decoding_on_changes_takes_parameter_sets_in_a_still_scene(tmp_path):
    """What is shown is what full decoding shows; where they change, what was held is decoded."""
    parts = []
    for name, options in (("a", FIRST), ("b", SECOND)):
        picture = panning(1, size=SIZE)[0] // 2 + (60 if name == "b" else 0)
        # So much brighter all at once, and the light is not trusted for 16 s.
        still = [picture] * (100 if name == "a" else 600)
        parts.append(encode(tmp_path / f"{name}.mp4", still, options=options, gop=25))
    path = join_flv(tmp_path / "both.flv", *parts)
    shown = {}
    for decode in ("all", "auto"):
        with Stream(path, decode=decode) as stream:
            shown[decode] = [sample.picture.luma(4, 4) for sample in stream.samples(5)]
    assert stream.health.undecoded > 90
    for seen, right in zip(shown["auto"], shown["all"], strict=True):
        assert np.abs(seen.astype(float) - right).max() < 4


def test_parameter_sets_that_nobody_gave_the_reader_are_never_read_by_others(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("costream.video.reading.Extradata.renew", lambda self, packet: None)
    path = join_flv(tmp_path / "both.flv", *halves(tmp_path))
    caplog.set_level(logging.WARNING)
    with Stream(path) as stream:
        samples = list(stream.samples(5))
    assert all(sample.change.intra.all() for sample in samples[11:])
    assert [record.message for record in caplog.records] == [
        f"{path} holds pictures that the bitstream reader can't read (damaged): what changed in "
        "them is unknown"
    ]


@pytest.mark.parametrize("own", [True, False])
def test_transport_streams_of_other_tracks(tmp_path, own):
    """With a table of programmes of their own, or of other tracks in the same programme."""
    data = b""
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        table = {"mpegts_pmt_start_pid": str(4000 + number), "mpegts_service_id": str(1 + number)}
        muxer = {"mpegts_start_pid": str(700 + number), **(table if own else {})}
        data += halves(folder, "ts", muxer=muxer)[number % 2].read_bytes()
    path = tmp_path / "all.ts"
    path.write_bytes(data)
    with Stream(path) as stream:
        samples = list(stream.samples(5))
    assert replace(stream.health, decoding=DecodeCount()) == StreamHealth(frames=150)
    assert drift(samples[:20]) == [10] * 9 + [-10] * 9
    assert samples[-1].time == pytest.approx(5.8, abs=0.1)


def test_another_programme_of_a_transport_stream_is_no_recording(tmp_path):
    one, two = halves(tmp_path)
    path = tmp_path / "programmes.ts"
    with av.open(str(one)) as left, av.open(str(two)) as right, av.open(str(path), "w") as out:
        sources = [container.streams.video[0] for container in (left, right)]
        tracks = [out.add_stream_from_template(source) for source in sources]
        demuxed = zip(left.demux(video=0), right.demux(video=0), strict=True)
        for number, packets in enumerate(demuxed):
            for packet, track in zip(packets, tracks, strict=True):
                # The first programme ends before the other.
                if packet.size and (track is tracks[1] or number < 40):
                    packet.stream = track
                    out.mux(packet)
    with Stream(path) as stream:
        assert len(list(stream.frames())) == 40


def test_a_long_recording_whose_header_is_taken_for_a_packet(tmp_path):
    """FFmpeg takes the header of an FLV for a tag of five megabytes; if they are there, it resumes
    behind the header, else it ends."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 360, 640), np.uint8)
    parts = [
        encode(tmp_path / "a.mp4", panning(30, size=(360, 640)), options={"bf": "0"}),
        encode(tmp_path / "b.mp4", noise, options={"bf": "0", "qp": "4", "preset": "ultrafast"}),
    ]
    one, two = (join_flv(part.with_suffix(".flv"), part) for part in parts)
    assert two.stat().st_size > 6_000_000
    path = tmp_path / "both.flv"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    with Stream(path) as stream:
        assert len(list(stream.frames())) == 60
    assert (stream.health.damaged, stream.health.errors) == (0, 0)


def test_a_second_index_of_the_same_data_is_no_recording(tmp_path):
    one, _ = halves(tmp_path)
    data = one.read_bytes()
    path = tmp_path / "twice.mp4"
    path.write_bytes(data + data[data.index(b"moov") - 4 :])
    assert Recordings(path).is_alone
    with Stream(path) as stream:
        assert len(list(stream.frames())) == 50


def test_frames_times_and_health_go_on(tmp_path):
    parts = halves(tmp_path)
    path = tmp_path / "three.mp4"
    path.write_bytes(b"".join(part.read_bytes() for part in (*parts, parts[0])))
    with Stream(path) as stream:
        records = list(stream.frames())
    assert [record.index for record in records] == list(range(150))
    assert [record.time for record in records] == pytest.approx([n / 25 for n in range(150)])
    assert stream.health.frames == 150
    assert stream.info.duration is None


def test_a_recording_that_is_cut_off_behind_another(tmp_path):
    one, two = halves(tmp_path, muxer={"movflags": "faststart"})
    path = tmp_path / "cut.mp4"
    path.write_bytes(one.read_bytes() + two.read_bytes()[:-3000])
    with Stream(path) as stream:
        frames = len(list(stream.frames()))
    assert 50 < frames < 100
    assert stream.health.ended_early


def test_rubbish_that_looks_like_a_recording_is_told_of(tmp_path, caplog):
    one, _ = halves(tmp_path)
    path = tmp_path / "rubbish.mp4"
    path.write_bytes(one.read_bytes() + b"\0\0\0\x10ftypisom\0\0\2\0\0\0\0\x10moov" + bytes(8))
    with caplog.at_level(logging.WARNING), Stream(path) as stream:
        assert len(list(stream.frames())) == 50
    assert "holds more behind its first recording that is not read" in caplog.text


def test_a_file_of_one_recording_is_read_as_it_is(tmp_path):
    for muxer in ({}, FRAGMENTED):
        recordings = Recordings(halves(tmp_path, muxer=muxer)[0])
        assert recordings.is_alone
        assert recordings.part() is None
        assert not recordings.advance(None)


def test_what_is_no_file_holds_no_recordings(tmp_path):
    for path in (tmp_path / "missing.mp4", tmp_path):
        assert Recordings(path).is_alone
        with pytest.raises(SourceError):
            Stream(path).open()


def test_a_named_pipe_is_left_to_who_reads_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    recordings = Recordings(path)
    assert recordings.is_alone
    assert not recordings.advance(0)


def test_another_codec_behind_the_first_is_said_to_be_missing(tmp_path, caplog):
    """H.265 behind H.264 on the same track of a transport stream: FFmpeg goes on with H.264."""
    first = encode(tmp_path / "a.ts", panning(30))
    second = encode(tmp_path / "b.ts", panning(40), "libx265")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with Stream(both) as stream, caplog.at_level("WARNING"):
        frames = list(stream.frames())
    assert len(frames) < 70
    assert [
        m for m in caplog.messages if "packets that can't be decoded" in m and "is missing" in m
    ]


def test_a_sound_end_is_not_said_to_be_missing(tmp_path, caplog):
    with Stream(encode(tmp_path / "a.ts", panning(30))) as stream, caplog.at_level("WARNING"):
        assert len(list(stream.frames())) == 30
    assert not caplog.messages
