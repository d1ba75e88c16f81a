"""What the bitstream says about movement, judged on movement that is known."""

from dataclasses import replace

import av
import numpy as np
import pytest

from costream.video import BLOCK, ChangeMap, Stream, decoder
from costream.video.agreement import neighbour_agreement
from costream.video.bitstream import open_reader
from costream.video.display import Display
from costream.video.evidence import Evidence
from costream.video.field import MotionField
from costream.video.nal import is_reference
from costream.video.record import DecodedFrame, FrameRecord
from costream.video.references import Coded, References, Span
from costream.video.sample import TOLD
from costream.video.vectors import WORDS, FrameVectors, Vectors
from tests.video.encode import SIZE, encode, panning, popping, still

EXPORTING = {
    "h264 without B-frames": ("libx264", "mp4", {"options": {"bf": "0"}}),
    "h264 with a pyramid": ("libx264", "mp4", {"options": {"preset": "medium"}}),
    "h264 with flat B-frames": ("libx264", "mp4", {"options": {"x264-params": "b-pyramid=none"}}),
    "h264 in a transport stream": ("libx264", "ts", {}),
    "mpeg4": ("mpeg4", "mp4", {"b_frames": 0}),
    "mpeg2": ("mpeg2video", "ts", {"b_frames": 0}),
    "mpeg2 with B-frames": ("mpeg2video", "ts", {"b_frames": 2}),
    "mpeg1": ("mpeg1video", "mpg", {"b_frames": 0}),
    "flv1": ("flv", "flv", {}),
    "h263": ("h263p", "avi", {}),
}
QUIET = {"x265-params": "log-level=none"}
READ = {
    **{label: how for label, how in EXPORTING.items() if label.startswith("h264")},
    "hevc": ("libx265", "mp4", {"options": QUIET}),
    "hevc without B-frames": (
        "libx265",
        "ts",
        {"options": {"x265-params": "log-level=none:bframes=0"}},
    ),
}
"""What our own reader reads."""

TELLING = [*((label, "codec") for label in EXPORTING), *((label, "bitstream") for label in READ)]
SETTLED = {
    "h264": ("bitstream", "unused"), "hevc": ("bitstream", "unused"),
    "mpeg1video": ("codec", "unused"), "mpeg2video": ("codec", "unused"),
    "mpeg4": ("codec", "unused"), "h263": ("codec", "unused"), "flv1": ("codec", "unused"),
}  # fmt: skip
"""What docs/structure.md promises, with and without asking for motion; of others it is none."""

ENCODERS = {
    "libx264": "mkv", "libx265": "mkv", "mpeg1video": "mkv", "mpeg2video": "mkv", "mpeg4": "mkv",
    "h263": "avi", "h263p": "avi", "flv": "flv", "libvpx": "mkv", "libvpx-vp9": "mkv",
    "libsvtav1": "mkv", "mjpeg": "mkv", "ffv1": "mkv", "h261": "avi", "msmpeg4": "avi",
    "msmpeg4v2": "avi", "wmv1": "asf", "wmv2": "asf", "rv10": "rm", "rv20": "rm", "snow": "avi",
    "svq1": "mov", "huffyuv": "avi", "utvideo": "avi", "magicyuv": "avi", "cinepak": "avi",
    "rawvideo": "avi", "prores": "mov", "png": "mov", "gif": "gif",
}  # fmt: skip
FORMATS = {
    "mjpeg": "yuvj420p", "huffyuv": "yuv422p", "prores": "yuv422p10le", "svq1": "yuv410p",
    "png": "rgb24", "cinepak": "rgb24", "gif": "rgb8",
}  # fmt: skip
SILENT = {
    "vp8": ("libvpx", "webm", {}),
    "vp9": ("libvpx-vp9", "webm", {"options": {"cpu-used": "8"}}),
    "av1": ("libsvtav1", "mp4", {"options": {"preset": "12"}}),
    "mjpeg": ("mjpeg", "avi", {"pixels": "yuvj420p"}),
}


def make(folder, label, pictures):
    codec, suffix, settings = {**EXPORTING, **READ, **SILENT}[label]
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    return encode(folder / f"clip.{suffix}", pictures, codec, **settings)


def changes(path, fps=5.0, **settings) -> list[ChangeMap]:
    with Stream(path, **settings) as stream:
        return [sample.change for sample in stream.samples(fps)]


def middle(field):
    return np.median(field[2:-2, 2:-2].reshape(-1, *field.shape[2:]), axis=0)


@pytest.fixture
def told_by(request, monkeypatch):
    """Has the evidence come from our own reader or from what FFmpeg exports."""
    if request.param == "codec":
        monkeypatch.setattr(decoder, "open_reader", lambda codec, extradata: None)
    elif open_reader("h264", None) is None:
        pytest.skip("built without the bitstream readers")
    return request.param


@pytest.mark.parametrize(("label", "told_by"), TELLING, indirect=["told_by"])
@pytest.mark.parametrize("step", [(3, 0), (-2, 1)])
def test_drift_is_the_distance_that_content_moved(tmp_path, label, told_by, step):
    maps = changes(make(tmp_path, label, panning(26, step)))
    assert [each.frames for each in maps] == [1, 5, 5, 5, 5, 5]
    for each in maps[1:]:
        if each.keyframes:
            continue
        assert each.motion == told_by
        assert np.isnan(each.residual).all() == (told_by == "codec")
        assert middle(each.drift) == pytest.approx(5 * np.array(step), rel=0.1, abs=0.3)
        assert middle(each.peak) == pytest.approx(np.hypot(*step), rel=0.5)
        assert each.activity.mean() > 0.9


def test_a_stream_that_our_reader_cannot_read_goes_on_with_what_is_exported(tmp_path):
    path = encode(tmp_path / "x.mp4", panning(11), "libx264", options={"x264-params": "tff=1"})
    with Stream(path) as stream:
        assert stream.info.motion == "codec"
        last = list(stream.samples(5))[-1].change
    assert middle(last.peak) > 0


@pytest.mark.parametrize(("label", "told_by"), TELLING, indirect=["told_by"])
def test_a_still_scene_is_still(tmp_path, label, told_by):
    # The last frame of MPEG-1 and MPEG-2 has no vectors: FFmpeg drains it without.
    for each in changes(make(tmp_path, label, still(26)))[1:-1]:
        # Encoders spend a few vectors on the noise of their own keyframes.
        assert each.peak.mean() < 0.1
        assert np.abs(each.drift).mean() < 0.1
        assert each.activity.mean() < 0.1
        assert each.intra.mean() < 0.02


@pytest.mark.parametrize(("label", "told_by"), TELLING, indirect=["told_by"])
def test_uncovered_content_is_intra(tmp_path, label, told_by):
    # Frame 6 lies in the second interval, of frames 6 to 10.
    before, after = changes(make(tmp_path, label, popping(16, at=6)))[1:3]
    assert after.intra[4:8, 4:8].mean() > 0.5
    assert after.activity[4:8, 4:8].mean() > 0
    outside = np.ones(after.intra.shape, bool)
    outside[3:9, 3:9] = False
    assert after.intra[outside].mean() < 0.02
    assert before.intra[outside].mean() < 0.02


def test_mpeg4_b_frames_are_never_taken_for_stillness(tmp_path):
    """FFmpeg exports zeros for them, whatever moved."""
    path = encode(tmp_path / "b.avi", panning(16), "mpeg4", b_frames=2)
    for each in changes(path)[1:]:
        assert each.intra.all()
        assert (each.activity > 0).all()


@pytest.mark.parametrize("label", SILENT)
def test_codecs_without_vectors_say_so(tmp_path, label):
    path = make(tmp_path, label, panning(11))
    with Stream(path) as stream:
        assert stream.info.motion == "none"
        assert stream.info.codec == label
        for sample in stream.samples(5):
            assert_nothing_known(sample.change, (15, 20))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_motion_is_what_the_table_promises_for_every_codec(tmp_path, encoder):
    if encoder not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no encoder {encoder}")
    options = {"libx265": QUIET, "snow": {"strict": "-2"}, "libvpx": {"deadline": "realtime"}}
    path = encode(
        tmp_path / f"clip.{ENCODERS[encoder]}",
        panning(4, size=(144, 176)),
        encoder,
        pixels=FORMATS.get(encoder, "yuv420p"),
        options=options.get(encoder, {}),
    )
    for asked in (True, False):
        with Stream(path, motion=asked) as stream:
            maps = [sample.change for sample in stream.samples(25)]
            promised = SETTLED.get(stream.info.codec, ("none", "none"))[not asked]
            # Our reader says what is decoded, though nobody looks at the vectors.
            followed = stream.info.codec in ("h264", "hevc")
            assert stream.info.motion == ("bitstream" if followed else promised)
        assert {each.motion for each in maps} == {promised}
        moved = any(np.abs(each.drift).max() > 0 for each in maps)
        assert moved == (promised in TOLD)


def test_motion_can_be_left_out(pan):
    with Stream(pan, motion=False, decode="all") as stream:
        assert stream.info.motion == "unused"
        maps = [sample.change for sample in stream.samples(5)]
    assert sum(each.frames for each in maps) <= 50
    for each in maps:
        assert_nothing_known(each, (15, 20))
    assert all(record.vectors == 0 for record in Stream(pan, motion=False).frames())


@pytest.mark.parametrize("label", [name for name in EXPORTING if name.startswith("h264")])
def test_a_pan_is_straight_side_by_side_and_the_camera_s(tmp_path, label):
    for each in changes(make(tmp_path, label, panning(26, (3, 1))))[1:]:
        if each.keyframes:
            continue
        assert middle(each.steadiness()) > 0.9
        assert middle(each.agreement()) > 0.9
        camera = each.camera()
        assert camera.moved
        assert (camera.x, camera.y) == pytest.approx((15, 5), abs=1)


def test_motion_to_and_fro_cancels(tmp_path):
    there, back = panning(2, (3, 0))
    settings = {"options": {"bf": "0", "refs": "1"}}
    change = changes(encode(tmp_path / "x.mp4", [there, back] * 13, **settings))[2]
    assert middle(change.path) == pytest.approx(15, abs=2)
    assert middle(change.steadiness()) < 0.4


def test_one_thing_that_moves_is_not_the_camera(tmp_path):
    pictures = [each.copy() for each in still(26)]
    for each, moving in zip(pictures, panning(26, (3, 0)), strict=True):
        each[80:160, 80:160] = moving[80:160, 80:160]
    camera = changes(encode(tmp_path / "x.mp4", pictures))[2].camera()
    assert not camera.moved
    assert camera.length < 0.5


def test_a_block_that_moves_alone_has_no_agreement():
    drift = np.zeros((5, 6, 2), np.float32)
    drift[2, 3] = 4, 3
    assert neighbour_agreement(drift)[2, 3] == pytest.approx(1 / 9)
    drift[:, :] = 4, 3
    assert neighbour_agreement(drift) == pytest.approx(np.ones((5, 6)))


def test_agreement_and_steadiness_are_shares(pan):
    for each in changes(pan):
        for field in (each.agreement(), each.steadiness()):
            assert field.dtype == np.float32
            assert field.min() >= 0 and field.max() <= 1


def assert_nothing_known(change, shape):
    assert change.motion != "codec"
    assert change.peak.shape == change.activity.shape == change.intra.shape == shape
    assert change.drift.shape == (*shape, 2)
    for field in (change.peak, change.drift, change.path, change.activity, change.intra):
        assert not field.any()
    assert np.isnan(change.qp).all()
    assert change.qp.shape == shape
    assert change.camera() is None


def test_fields_have_their_types(pan):
    change = changes(pan)[1]
    assert change.peak.dtype == change.drift.dtype == change.activity.dtype == np.float32
    assert change.intra.dtype == np.bool_
    assert change.peak.shape == tuple(-(-side // BLOCK) for side in SIZE)
    assert ((change.activity >= 0) & (change.activity <= 1)).all()


def test_keyframes_between_samples_are_counted(tmp_path):
    path = encode(tmp_path / "keys.mp4", panning(31), gop=4, options={"bf": "0"})
    maps = changes(path)
    assert [each.keyframes for each in maps] == [1, 1, 1, 1, 2, 1, 1]


def test_packet_bytes_are_those_of_the_file(pan):
    with av.open(str(pan)) as container:
        coded = sum(packet.size for packet in container.demux(video=0))
    with Stream(pan) as stream:
        assert sum(record.packet_bytes for record in stream.frames()) == coded


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_vectors_turn_with_the_picture(tmp_path, rotation):
    path = encode(tmp_path / "turned.mp4", panning(11, (3, 1)), rotation=rotation)
    with Stream(path) as stream:
        assert stream.info.rotation == rotation
        turned = (stream.info.width, stream.info.height)
        assert turned == ((240, 320) if rotation != 180 else (320, 240))
        _, sample, *_ = stream.samples(5)
    x, y = 15.0, 5.0
    expected = {90: (-y, x), 180: (-x, -y), 270: (y, -x)}[rotation]
    assert middle(sample.change.drift) == pytest.approx(expected, abs=0.5)
    assert sample.change.peak.shape == (-(-turned[1] // 16), -(-turned[0] // 16))
    assert sample.picture.rgb().shape == (turned[1], turned[0], 3)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [(48, 64), (41, 50)])
def test_a_turned_map_misses_no_changed_pixel(rotation, size):
    """Blocks start at the coded picture's corner, the map's at the displayed one's."""
    height, width = size
    for row in range(-(-height // BLOCK)):
        for col in range(-(-width // BLOCK)):
            changed = np.zeros(size, bool)
            changed[row * 16 : row * 16 + 16, col * 16 : col * 16 + 16] = True
            shown = np.rot90(changed, -rotation // 90)
            peak = one_block(size, rotation, row, col).peak
            for y in range(peak.shape[0]):
                for x in range(peak.shape[1]):
                    tile = shown[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16]
                    assert (peak[y, x] > 0) == tile.any()


def one_block(size, rotation, row, col):
    vectors = vector_array([(-1, 16, 16, col * 16 + 8, row * 16 + 8, 4, 0)])
    evidence = Evidence("codec")
    frame = av.VideoFrame(size[1], size[0], "gray")
    record = FrameRecord(0, 0.0, "P", 1, 1, False)
    rows = FrameVectors(vectors, Span(1, 1))
    evidence.add(DecodedFrame(record, frame, rows, display=Display(rotation)))
    return evidence.emit()


def vector_array(rows) -> Vectors:
    names = ("source", "w", "h", "dst_x", "dst_y", "motion_x", "motion_y")
    fields = [
        ("source", "i4"), ("w", "u1"), ("h", "u1"), ("src_x", "i2"), ("src_y", "i2"),
        ("dst_x", "i2"), ("dst_y", "i2"), ("flags", "u8"), ("motion_x", "i4"),
        ("motion_y", "i4"), ("motion_scale", "u2"),
    ]  # fmt: skip
    vectors = np.zeros(len(rows), np.dtype(fields, align=True))
    for i, row in enumerate(rows):
        for name, value in zip(names, row, strict=True):
            vectors[name][i] = value
    vectors["motion_scale"] = 4
    return vectors.view(np.uint64).reshape(-1, WORDS)


def gather(vectors, rows, cols, span) -> MotionField:
    field = MotionField(rows, cols)
    field.add(FrameVectors(vectors, span))
    return field


def test_vectors_weigh_by_area_and_unused_directions_by_nothing():
    vectors = vector_array(
        [
            (-1, 16, 8, 8, 4, -8, 0), (-1, 16, 8, 8, 12, 0, 0),  # upper half moves right by 2 px
            (-1, 16, 16, 24, 8, -16, 0), (1, 16, 16, 24, 8, 0, 0),  # second direction is unused
            (-1, 16, 16, 40, 8, -8, 0), (1, 16, 16, 40, 8, 16, 0),  # both agree on 2 px a frame
        ]
    )  # fmt: skip
    field = gather(vectors, 1, 4, Span(past=1.0, future=0.5))
    assert field.drift()[0, :, 0] == pytest.approx([1, 4, 2, 0])
    assert field.peak()[0] == pytest.approx([2, 4, 2, 0])
    assert field.intra()[0].tolist() == [False, False, False, True]
    assert field.activity()[0].tolist() == [1, 1, 1, 1]


def test_vectors_outside_the_picture_are_dropped():
    field = gather(vector_array([(-1, 16, 16, 72, 8, 4, 0)]), 1, 4, Span(1, 1))
    assert field.intra().all()
    assert not field.peak().any()


def spans(order, kinds):
    """Spans in display order for frames that decode in ``order``, one time unit apart."""
    references = References()
    coded = {shown: Coded(i, shown, 0, False) for i, shown in enumerate(order)}
    sent = iter(order)
    got = []
    for shown, kind in enumerate(kinds):
        # The decoder holds a frame back until all that are shown before it are decoded.
        while coded[shown].order >= len(references._sent):
            references.send(coded[next(sent)])
        got.append(references.span(coded[shown], kind))
    return got


def test_spans_of_a_pyramid():
    got = spans([0, 4, 2, 1, 3], "IBBBP")
    assert got[1] == Span(1.0, 1.0)
    assert got[2] == Span(1 / 2, 1 / 2)
    assert got[3] == Span(1.0, 1.0)
    assert got[4].past == 1 / 4


def test_spans_of_flat_b_frames():
    got = spans([0, 3, 1, 2], "IBBP")
    assert got[1] == Span(1.0, 1 / 2)
    assert got[2] == Span(1 / 2, 1.0)
    assert got[3].past == 1 / 3


def test_the_bitstream_tells_which_b_frame_is_a_reference():
    references = References()
    order = {0: 0, 3: 1, 1: 2, 2: 3}
    for shown in order:
        references.send(Coded(order[shown], shown, 0, False, shown in (0, 3, 1)))
    sent = {c.pts: c for c in references._sent}
    got = [references.span(sent[shown], kind) for shown, kind in enumerate("IBBP")]
    assert got[2] == Span(1.0, 1.0)


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_reference_pictures_of_h264(tmp_path, suffix):
    """x264 makes one of two adjacent B-frames a reference."""
    path = encode(tmp_path / f"clip.{suffix}", panning(24), options={"bf": "2", "b-adapt": "0"})
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    told = [is_reference(memoryview(packet)) for packet in packets]
    assert None not in told
    assert 6 <= told.count(False) <= 9


@pytest.mark.parametrize("size", [5, 255, 256, 300, 511, 512, 70_000])
@pytest.mark.parametrize(("header", "told"), [(0x01, False), (0x41, True)])
def test_a_length_that_looks_like_a_start_code_is_a_length(size, header, told):
    message = (40).to_bytes(4, "big") + bytes([6, *range(39)])
    unit = size.to_bytes(4, "big") + bytes([header, *[7] * (size - 1)])
    assert is_reference(message + unit) is told
    assert is_reference(unit) is told


def test_spans_without_times_count_frames():
    references = References()
    got = [references.span(None, kind) for kind in "IPBBP"]
    assert [span.past for span in got] == [1, 1, 1, 1 / 2, 1 / 3]


@pytest.mark.parametrize("label", ["h264 with B-frames", "h265"])
def test_maps_of_two_intervals_make_that_of_both(tmp_path, label):
    clip = encode(
        tmp_path / "clip.mp4",
        panning(60, (3, 1)),
        "libx265" if label == "h265" else "libx264",
        b_frames=2,
        gop=25,
    )
    fine, coarse = changes(clip, fps=10), changes(clip, fps=5)
    assert [map.frames for map in coarse[1:3]] == [5, 5]
    for number, whole in enumerate(coarse[1:], 1):
        both = fine[2 * number].after(fine[2 * number - 1])
        for name in ("motion", "frames", "keyframes", "packet_bytes", "damaged"):
            assert getattr(both, name) == getattr(whole, name)
        for name in ("peak", "drift", "path", "activity", "qp", "residual"):
            np.testing.assert_allclose(
                getattr(both, name), getattr(whole, name), rtol=1e-4, atol=1e-4, err_msg=name
            )
        assert (both.intra == whole.intra).all()
    assert any(each.keyframes for each in coarse[1:])


def test_what_one_interval_can_t_tell_is_unknown_of_both(pan):
    told = changes(pan)[1]
    unknown = replace(told, motion="none")
    assert told.after(unknown).motion == unknown.after(told).motion == "none"
    assert told.after(told).motion == "bitstream"
    assert told.after(replace(told, damaged=True)).damaged and not told.after(told).damaged
    smaller = replace(told, peak=told.peak[1:], damaged=False)
    assert told.after(smaller).damaged
    assert told.after(smaller).frames == told.frames
