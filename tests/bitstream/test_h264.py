"""The H.264 reader: slices end at their ends, and vectors are the decoder's, to the sample."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from av.sidedata.sidedata import SideDataContainer

from . import streams
from .h264_syntax import (
    IDR,
    PPS,
    SLICE,
    SPS,
    B,
    Bits,
    P,
    PictureSet,
    Sequence,
    SliceHeader,
    long_term_key_frames,
    read_weights,
    rewrite,
    units,
    weighted_b_slices,
)
from .prediction_h264 import half_planes, predict

_bitstream = pytest.importorskip(
    "costream._bitstream", reason="built without the bitstream readers"
)

NOT_CODED, SKIP, INTER, INTRA = range(4)
EXPORT = {"export_side_data": "+mvs+venc_params"}


def x264(
    preset: str = "medium",
    pixel_format: str = "yuv420p",
    frames: int = 10,
    pictures: list[np.ndarray] | None = None,
    **options: int | str,
) -> streams.Stream:
    """The scene (or other pictures) through libx264; ``options`` are its own, with underscores."""
    parameters = {
        "threads": "1",
        "scenecut": "0",
        **{name.replace("_", "-"): str(value) for name, value in options.items()},
    }
    joined = ":".join(f"{name}={value}" for name, value in parameters.items())
    settings = {"preset": preset, "x264-params": joined}
    return streams.encode(
        "libx264", settings, pixel_format=pixel_format, frames=frames, pictures=pictures
    )


def read(stream: streams.Stream) -> list:
    reader = _bitstream.H264Reader()
    reader.configure(stream.extradata)
    return [p for i, data in enumerate(stream.packets) for p in reader.read(data, i)]


def decode(stream: streams.Stream) -> Iterator[av.VideoFrame]:
    """Frames with FFmpeg's vectors and QPs; their time is their packet's number."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.options = EXPORT
    decoder.thread_count = 1
    for number, data in enumerate(stream.packets):
        packet = av.Packet(data)
        packet.pts = packet.dts = number
        yield from decoder.decode(packet)
    yield from decoder.decode(None)


def assert_equal_vectors(frame: av.VideoFrame, picture) -> int:
    """FFmpeg tells what it has in partitions of 8x8 at least, by their first 4x4 block."""
    exported = SideDataContainer(frame).get("MOTION_VECTORS")
    used = picture.reference >= 0
    if exported is None:
        assert not used.any()
        return 0
    vectors = exported.to_ndarray()
    width, height = vectors["w"] // 4, vectors["h"] // 4
    column, row = vectors["dst_x"] // 4 - width // 2, vectors["dst_y"] // 4 - height // 2
    at = (vectors["source"] > 0).astype(int)
    ours = np.where(used[row, column, at, None], picture.motion[row, column, at], 0)
    assert (ours[:, 0] == vectors["motion_x"]).all()
    assert (ours[:, 1] == vectors["motion_y"]).all()
    told = np.zeros_like(used)
    for y in range(4):
        for x in range(4):
            inside = (x < width) & (y < height)
            told[(row + y)[inside], (column + x)[inside], at[inside]] = True
    assert not (used & ~told).any()
    return len(vectors)


def assert_equal_qps(frame: av.VideoFrame, picture) -> None:
    parameters = np.frombuffer(SideDataContainer(frame).get("VIDEO_ENC_PARAMS"), np.uint8)
    count = parameters[:4].view(np.uint32)[0]
    offset, size = parameters[8:24].view(np.uint64)
    base = parameters[28:32].view(np.int32)[0]
    blocks = parameters[offset : offset + count * size].view(np.int32).reshape(count, -1)
    rows, columns = blocks[:, 1] // 4, blocks[:, 0] // 4
    for y in range(4):
        for x in range(4):
            ours = picture.qp[rows + y, columns + x]
            assert (ours == base + blocks[:, 4]).all()


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("ultrafast", {}),
        ("superfast", {"bframes": 2, "b_adapt": 0, "slices": 3}),
        ("veryfast", {"cabac": 0, "bframes": 3, "b_adapt": 0}),
        ("medium", {"bframes": 8, "b_adapt": 0, "direct": "temporal", "ref": 8}),
        ("medium", {"bframes": 8, "b_adapt": 0, "direct": "temporal", "ref": 8, "cabac": 0}),
        ("slow", {"bframes": 3, "b_adapt": 0, "direct": "spatial", "b_pyramid": "strict"}),
        ("slow", {"bframes": 4, "b_adapt": 0, "partitions": "all", "weightp": 2, "slices": 4}),
        ("slower", {"8x8dct": 0, "partitions": "all", "cabac": 0, "bframes": 2, "b_adapt": 0}),
        ("placebo", {"direct": "auto", "keyint": 4, "bframes": 3}),
        ("medium", {"keyint": 4, "open_gop": 1, "bframes": 2, "b_adapt": 0}),
        ("medium", {"cqm": "jvt", "qp": 18, "slice_max_mbs": 7}),
        ("medium", {"qp": 1, "partitions": "all", "cabac": 0}),  # has PCM macroblocks
        ("medium", {"qp": 1}),
        ("medium", {"qp": 0}),  # lossless
        ("medium", {"intra_refresh": 1, "aud": 1, "nal_hrd": "vbr", "vbv_maxrate": 900,
                    "vbv_bufsize": 300}),
        ("medium", {"fake_interlaced": 1}),
    ],
)  # fmt: skip
def test_vectors_and_qps_are_ffmpegs(preset, options):
    stream = x264(preset, **options)
    pictures = read(stream)
    assert [p.packet for p in pictures] == list(range(len(stream.packets)))
    frames = list(decode(stream))
    assert len(frames) == len(pictures)
    vectors = 0
    for frame in frames:
        picture = pictures[frame.pts]
        assert picture.unsupported == []
        assert picture.slices >= options.get("slices", 1)
        assert picture.type == av.video.frame.PictureType(frame.pict_type).name
        assert (picture.width, picture.height) == (frame.width, frame.height)
        assert picture.bits <= 8 * len(stream.packets[picture.packet])
        vectors += assert_equal_vectors(frame, picture)
        assert_equal_qps(frame, picture)
        coded = picture.reference.max(axis=2) >= 0
        assert (coded == np.isin(picture.mode, (SKIP, INTER))).all()
        assert not picture.energy[picture.mode == SKIP].any()
    assert vectors > 1000
    assert pictures[0].key


def strips(frames: int) -> list[np.ndarray]:
    """Most columns of 4x4 blocks move down, some stand, so that 8x8 blocks aren't of one motion."""
    draw = np.random.default_rng(3)
    height, width = streams.SIZE
    noise = np.clip(draw.normal(128, 40, (height + 60, width)), 0, 255)
    ground = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, 1, (0, 1))) / 4
    moves = np.arange(width) // 4 % 4 != 3
    return [np.where(moves, ground[t : t + height], ground[:height]) for t in range(frames)]


@pytest.mark.parametrize("direct", ["spatial", "temporal"])
@pytest.mark.parametrize("cabac", [0, 1])
def test_direct_prediction_by_4x4_blocks(direct, cabac):
    """No encoder at hand clears direct_8x8_inference_flag; without 8x8 transforms, the same slices
    can be read under an SPS that does."""
    coded = x264(
        "slower", pictures=strips(6), direct=direct, cabac=cabac, bframes=1, b_adapt=0, ref=1,
        qp=24, partitions="all", **{"8x8dct": 0},
    )  # fmt: skip

    def clear_inference(bits: Bits) -> None:
        assert Sequence.read(bits).frames_only
        assert bits.bits[bits.at] == "1"
        bits.flip()

    first = rewrite(coded.packets[0], (SPS,), clear_inference)
    stream = streams.Stream("h264", [first, *coded.packets[1:]], b"")
    pictures = read(stream)
    differ = [
        (ours.motion != theirs.motion).any()
        for ours, theirs in zip(pictures, read(coded), strict=True)
        if ours.type == "B"
    ]
    assert all(differ)
    for frame in decode(stream):
        assert pictures[frame.pts].unsupported == []
        assert assert_equal_vectors(frame, pictures[frame.pts]) or frame.pts == 0


def parameter_sets(stream: streams.Stream) -> tuple[Sequence, PictureSet]:
    """Of a stream of the Main profile, which sends them once."""
    parts = [Bits(unit) for unit in units(stream.packets[0])]
    (sequence,) = (Sequence.read(bits) for bits in parts if bits.kind == SPS)
    (picture,) = (PictureSet.read(bits) for bits in parts if bits.kind == PPS)
    return sequence, picture


def weights(stream: streams.Stream, kind: int) -> int:
    """How many references have a luma weight in the slices of a kind."""
    sequence, picture = parameter_sets(stream)
    found = 0
    for bits in (Bits(unit) for packet in stream.packets for unit in units(packet)):
        if bits.kind not in (SLICE, IDR):
            continue
        header = SliceHeader.read(bits, sequence, picture)
        if header.type == kind:
            found += read_weights(bits, header)
    return found


@pytest.mark.parametrize("direct", ["spatial", "temporal"])
@pytest.mark.parametrize("cabac", [0, 1])
@pytest.mark.parametrize("slices", [1, 3])
def test_vectors_are_ffmpegs_in_a_fade(direct, cabac, slices):
    """Weighted prediction, explicit in P and implicit in B slices; over all cases of this test
    every number of B-frames meets every number of references."""
    case = 4 * cabac + 2 * (slices == 3) + (direct == "temporal")
    pictures = streams.fade(12)
    weighted = 0
    for bframes in range(9):
        references = 1 + (bframes + case) % 8
        stream = x264(
            "fast", pictures=pictures, direct=direct, cabac=cabac, slices=slices, ref=references,
            bframes=bframes, b_adapt=0, weightp=2, weightb=1, **{"8x8dct": 0},
        )  # fmt: skip
        _, sets = parameter_sets(stream)
        assert (sets.cabac, sets.weighted) == (cabac == 1, True)
        assert sets.weighted_bi == (2 if bframes else 0)
        weighted += weights(stream, P) > 0
        read_ones = read(stream)
        vectors = 0
        for frame in decode(stream):
            picture = read_ones[frame.pts]
            assert (picture.slices, picture.unsupported) == (slices, [])
            vectors += assert_equal_vectors(frame, picture)
        assert vectors > 1000
        assert ("B" in {picture.type for picture in read_ones}) == (bframes > 0)
    # Far from its reference, x264 may find that weights don't help.
    assert weighted >= 6


@pytest.mark.parametrize("direct", ["spatial", "temporal"])
@pytest.mark.parametrize("cabac", [0, 1])
def test_explicit_weights_of_b_slices(direct, cabac):
    """No encoder at hand writes them: a stream into whose B slices they are put reads alike."""
    plain = x264(
        direct=direct, cabac=cabac, slices=3, ref=4, bframes=3, b_adapt=0, b_pyramid="none",
        weightp=0, weightb=0, **{"8x8dct": 0},
    )  # fmt: skip
    sets = parameter_sets(plain)
    packets = [weighted_b_slices(packet, *sets) for packet in plain.packets]
    stream = streams.Stream("h264", packets, b"")
    assert parameter_sets(stream)[1].weighted_bi == 1
    assert weights(stream, B) > 20
    expected, pictures = read(plain), read(stream)
    for frame, unweighted in zip(decode(stream), plain.luma(), strict=True):
        picture = pictures[frame.pts]
        assert (picture.slices, picture.unsupported) == (3, [])
        assert_equal_vectors(frame, picture)
        assert (picture.motion == expected[frame.pts].motion).all()
        assert (picture.energy == expected[frame.pts].energy).all()
        darker = streams.luma_of(frame).mean() < 0.9 * unweighted.mean()
        assert darker == (picture.type == "B")


@pytest.mark.parametrize("direct", ["spatial", "temporal"])
@pytest.mark.parametrize("bframes", [0, 3])
def test_long_term_references(direct, bframes):
    """No encoder at hand makes any: the key frames of a stream are marked as such."""
    plain = x264(
        frames=14, direct=direct, ref=3, bframes=bframes, b_adapt=0, b_pyramid="none", weightp=0,
        weightb=0, keyint=9, **{"8x8dct": 0},
    )  # fmt: skip
    sets = parameter_sets(plain)
    packets = [long_term_key_frames(packet, *sets) for packet in plain.packets]
    stream = streams.Stream("h264", packets, b"")
    pictures, expected = read(stream), read(plain)
    others = vectors = 0
    for frame, before in zip(decode(stream), plain.luma(), strict=True):
        picture = pictures[frame.pts]
        assert picture.unsupported == []
        vectors += assert_equal_vectors(frame, picture)
        others += not (streams.luma_of(frame) == before).all()
    assert vectors > 1000
    # They are predicted from others than before, and told so.
    assert others > 3
    assert [p.references for p in pictures] != [p.references for p in expected]


def test_field_pictures_are_recognised():
    """No encoder at hand makes them: a slice that says that it is of one."""
    coded = x264(tff=1, frames=1, **{"8x8dct": 0})
    sequence, _ = parameter_sets(coded)
    assert not sequence.frames_only

    def say_so(bits: Bits) -> None:
        bits.codes(3)  # first_mb_in_slice, slice_type, pic_parameter_set_id
        bits.read(sequence.frame_num_bits)
        assert bits.bits[bits.at] == "0"  # field_pic_flag
        bits.flip()

    reader = _bitstream.H264Reader()
    (picture,) = reader.read(rewrite(coded.packets[0], (IDR,), say_so), 0)
    assert picture.unsupported == ["field pictures"]
    assert not picture.mode.any()


def test_baseline_profile():
    stream = streams.encode("libx264", {"profile": "baseline", "preset": "slow"}, frames=8)
    pictures = read(stream)
    assert {p.type for p in pictures} == {"I", "P"}
    for frame in decode(stream):
        assert_equal_vectors(frame, pictures[frame.pts])


@pytest.mark.parametrize("pixel_format", ["gray", "yuv420p10le"])
@pytest.mark.parametrize("cabac", [0, 1])
def test_other_sample_formats(pixel_format, cabac):
    try:
        stream = x264("medium", pixel_format, cabac=cabac, bframes=2)
    except (av.error.FFmpegError, ValueError):
        pytest.skip(f"libx264 was built without {pixel_format}")
    pictures = read(stream)
    for frame in decode(stream):
        assert pictures[frame.pts].unsupported == []
        assert_equal_vectors(frame, pictures[frame.pts])


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("medium", {"bframes": 3, "b_adapt": 0, "partitions": "all"}),
        ("slower", {"bframes": 5, "b_adapt": 0, "direct": "temporal", "ref": 5, "cabac": 0}),
        ("fast", {"bframes": 0, "slices": 3, "cqm": "jvt"}),
    ],
)
def test_vectors_give_the_decoded_samples(preset, options):
    """Without the loop filter, what has no residual is its prediction, bit for bit."""
    stream = x264(preset, no_deblock=1, weightp=0, weightb=0, qp=26, aq_mode=0, **options)
    pictures = sorted(read(stream), key=lambda picture: picture.order)
    decoded = {p.order: luma for p, luma in zip(pictures, stream.luma(), strict=True)}
    planes = {order: half_planes(luma) for order, luma in decoded.items()}
    counts = np.zeros(3, int)
    for picture in pictures:
        samples = decoded[picture.order].astype(np.int32)
        samples = samples.reshape(picture.rows, 4, picture.columns, 4).swapaxes(1, 2)
        blocks = np.argwhere(picture.reference.max(axis=2) >= 0)
        predicted = predict(picture.motion, picture.reference, picture.references, planes, blocks)
        row, column = blocks.T
        same = (samples[row, column] == predicted).all(axis=(1, 2))
        still = picture.energy[row, column] == 0
        assert same[still].all()
        counts += still.sum(), (~still).sum(), (~same).sum()
    assert counts[0] > 2000
    # A residual shows, but for a few that rounding loses and those of a 16x16 or 8x8 transform
    # that are zero in one of its 4x4 blocks.
    assert counts[2] > 0.9 * counts[1]


def test_qp_follows_a_constant_one():
    for qp in (20, 33):
        pictures = read(x264(qp=qp, aq_mode=0, ipratio=1, pbratio=1, bframes=2))
        for picture in pictures:
            assert (picture.qp == qp).all()


def test_energy_falls_with_the_qp():
    sums = [
        sum(int(p.energy.astype(np.int64).sum()) for p in read(x264(qp=qp))) for qp in (16, 26, 36)
    ]
    assert sums[0] > sums[1] > sums[2] > 0


def test_length_prefixed_packets_read_like_start_codes():
    stream = x264(bframes=2, slices=2)
    file = io.BytesIO()
    with av.open(file, "w", "mp4") as container:
        output = container.add_stream("libx264", rate=25)
        output.codec_context.height, output.codec_context.width = streams.SIZE
        output.options = {"x264-params": "threads=1:scenecut=0:bframes=2:slices=2"}
        for luma in streams.scene(10):
            grey = np.full((streams.SIZE[0] * 3 // 2, streams.SIZE[1]), 128, np.uint8)
            grey[: streams.SIZE[0]] = luma
            container.mux(output.encode(av.VideoFrame.from_ndarray(grey, "yuv420p")))
        container.mux(output.encode())
    file.seek(0)
    with av.open(file) as container:
        video = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(video) if packet.size]
        prefixed = streams.Stream("h264", packets, bytes(video.codec_context.extradata))
    assert prefixed.extradata[0] == 1
    ours, theirs = read(prefixed), read(stream)
    assert [(p.type, p.order, p.slices) for p in ours] == [
        (p.type, p.order, p.slices) for p in theirs
    ]
    assert all(p.unsupported == [] and p.slices == 2 for p in ours)


@pytest.mark.parametrize(
    ("pixel_format", "options", "reason"),
    [
        ("yuv420p", {"tff": 1}, "MBAFF"),
        ("yuv422p", {}, "4:2:2 chroma"),
        ("yuv444p", {}, "4:4:4 chroma"),
    ],
)
def test_says_what_it_does_not_read(pixel_format, options, reason):
    pictures = read(x264("medium", pixel_format, frames=4, **options))
    assert pictures
    for picture in pictures:
        assert picture.unsupported == [reason]
        assert picture.slices == 0
        assert not picture.mode.any()


def test_goes_on_after_a_reset():
    stream = x264(frames=16, keyint=8, bframes=2, b_adapt=0)
    whole = read(stream)
    keys = [p.packet for p in whole if p.key]
    assert len(keys) == 2
    reader = _bitstream.H264Reader()
    reader.configure(stream.extradata)
    reader.read(stream.packets[0], 0)
    reader.reset()
    for number in range(2, len(stream.packets)):
        (picture,) = reader.read(stream.packets[number], number)
        if number >= keys[1]:
            assert picture.unsupported == []
            assert (picture.motion == whole[number].motion).all()
            assert (picture.energy == whole[number].energy).all()


def test_without_parameter_sets_it_says_so():
    stream = x264(frames=3)
    reader = _bitstream.H264Reader()
    (picture,) = reader.read(stream.packets[1], 1)
    assert picture.unsupported == ["missing parameter sets"]
    assert picture.rows == 0


@pytest.mark.parametrize("unit", [b"\x67\x64\0\x0d\x80", b"\x68\xc0"], ids=["sps", "pps"])
def test_a_parameter_set_that_cannot_be_read_ends_the_one_before_it(unit):
    """The slices that need it would be read by what may no longer hold."""
    stream = x264(frames=4, keyint=2, bframes=0)
    reader = _bitstream.H264Reader()
    assert not reader.read(stream.packets[0], 0)[0].unsupported
    (picture,) = reader.read(b"\0\0\0\1" + unit + stream.packets[1], 1)
    assert picture.unsupported == ["missing parameter sets"]
    assert not reader.read(stream.packets[2], 2)[0].unsupported


@pytest.mark.parametrize("cabac", [0, 1])
def test_damage_is_told_and_passes(cabac):
    """Whatever the bytes, pictures come back whole, and say where they are damaged."""
    stream = x264(frames=12, keyint=6, cabac=cabac, slices=3, bframes=2)
    draw = np.random.default_rng(cabac)
    damaged = intact = 0
    for _ in range(12):
        reader = _bitstream.H264Reader()
        for number, packet in enumerate(stream.packets):
            data = bytearray(packet)
            if number and draw.random() < 0.5:
                for at in draw.integers(4, len(data), draw.integers(1, 6)):
                    data[at] ^= 1 << draw.integers(8)
                if draw.random() < 0.2:
                    del data[draw.integers(len(data)) :]
            for picture in reader.read(bytes(data), number):
                damaged += "damaged" in picture.unsupported
                intact += picture.slices
                lost = picture.mode == NOT_CODED
                assert (picture.reference[lost] == -1).all()
                assert not picture.energy[lost].any()
                assert picture.reference.max(initial=-1) < max(len(picture.references), 1)
    assert damaged > 20
    assert intact > 100


@pytest.mark.parametrize("cabac", [0, 1])
def test_a_damaged_slice_leaves_nothing_behind(cabac):
    """A slice that comes again, whole, reads as if its damaged copy had never been."""
    stream = x264(frames=6, cabac=cabac, bframes=2, b_adapt=0)
    whole = read(stream)
    reader = _bitstream.H264Reader()
    for number, packet in enumerate(stream.packets):
        slices = max(packet.rfind(b"\x00\x00\x01" + bytes([kind])) for kind in (1, 33, 65, 97, 101))
        half = bytearray(packet[: slices + (len(packet) - slices) * 2 // 3])
        half[slices + 24 :] = bytes(byte ^ 90 for byte in half[slices + 24 :])
        (picture,) = reader.read(bytes(half) + packet[slices:], number)
        expected = whole[number]
        assert picture.unsupported == ["damaged"]
        assert picture.slices == expected.slices == 1
        for name in ("motion", "reference", "mode", "qp", "energy"):
            assert (getattr(picture, name) == getattr(expected, name)).all()
