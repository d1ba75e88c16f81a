"""Records: whole ones come through in any pieces, and hostile ones end in a sentence."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.edge.interval import (
    Beat,
    Interval,
    NativeFrame,
    Shown,
    decode_interval,
    encode_interval,
)
from costream.edge.messages import (
    Begun,
    Left,
    SentPacket,
    Session,
    decode_lost,
    decode_parameters,
)
from costream.edge.rebuilt import RebuiltStream
from costream.edge.wire import (
    CAMERA,
    INTERVAL,
    LARGEST,
    PACKED,
    PACKET,
    PARAMETERS,
    SESSION,
    STANDING,
    packed,
    record,
    records,
)
from costream.errors import CoStreamError, SettingsError, SourceError
from costream.video.decode_count import DecodeCount
from costream.video.display import Display
from costream.video.record import FrameRecord

KINDS = st.sampled_from([SESSION, CAMERA, PARAMETERS, STANDING, INTERVAL])


@given(st.lists(st.tuples(KINDS, st.binary(min_size=1, max_size=50))), st.data())
def test_records_come_through_in_any_pieces_and_packed(told, data) -> None:
    stream = b"".join(record(kind, payload) for kind, payload in told)
    stream = packed(stream) if stream else stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert list(records(pieces)) == told


@pytest.mark.parametrize(
    "body",
    [
        record(99, b"x"),
        record(SESSION),
        record(INTERVAL, b"x")[:-1],
        record(PACKED, b"no zlib"),
        record(PACKED, zlib.compress(record(PACKED, zlib.compress(b"")))),
        record(PACKED, zlib.compress(record(PACKET, b"x"))),
        record(PACKED, zlib.compress(bytes(2 * LARGEST))),
        record(PACKED, zlib.compress(b"") + b"more"),
        b"\x08\xff\xff\xff\xff",
    ],
)
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(SettingsError):
        list(records([body]))


FRAMES = st.builds(
    lambda kind, size, damaged, shown: (kind, size, damaged, shown),
    st.sampled_from(["I", "P", "B"]),
    st.integers(0, 1 << 24),
    st.booleans(),
    st.none()
    | st.builds(
        Shown,
        st.integers(0, 1 << 40),
        st.builds(
            Display,
            st.sampled_from([0, 90, 180, 270]),
            st.booleans(),
            st.sampled_from([Fraction(1), Fraction(4, 3), Fraction(10, 11)]),
        ),
        st.integers(0, (1 << 32) - 1),
    ),
)


@given(
    st.lists(FRAMES, min_size=1, max_size=30),
    st.lists(st.floats(0.001, 0.2), min_size=30, max_size=30),
    st.sampled_from([Fraction(1, 12800), Fraction(1, 90000), Fraction(1, 1000)]),
    st.integers(-(1 << 33), 1 << 33),
)
def test_an_interval_comes_through_to_the_bit(told, steps, base, zero) -> None:
    time, frames = 0.0, []
    for number, ((kind, size, damaged, shown), step) in enumerate(zip(told, steps, strict=False)):
        time += step
        frames.append(NativeFrame(FrameRecord(number + 7, time, kind, size, 0, damaged), shown))
    interval = Interval(tuple(frames), DecodeCount(change=3, still=-2))
    beat = Beat(base, zero)
    assert decode_interval(encode_interval(interval, beat), beat) == interval


def test_a_steady_camera_takes_few_bytes_a_frame() -> None:
    beat = Beat(Fraction(1, 12800), 4000)
    frames = tuple(
        NativeFrame(FrameRecord(n, beat.time(4000 + 512 * n), "P", 60, 0, False))
        for n in range(100, 112)
    )
    assert len(encode_interval(Interval(frames), beat)) < 3 * len(frames)


@given(st.binary(max_size=200))
def test_what_makes_no_sense_is_refused_in_a_sentence(payload: bytes) -> None:
    beat = Beat(Fraction(1, 90000), 0)
    for read in (
        Session.decode,
        lambda found: Begun.decode(found, "door"),
        decode_parameters,
        SentPacket.decode,
        lambda found: decode_interval(found, beat),
        Left.decode,
        decode_lost,
    ):
        try:
            read(payload)
        except SettingsError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "told",
    [
        b'{"frames":1,"start":1%s,"last":1,"end":1}' % (b"0" * 400),
        b'{"frames":1,"start":1e300,"last":1e300,"end":1e300}',
        b'{"frames":1,"start":NaN,"last":1,"end":1}',
        b'{"frames":1,"start":2,"last":1,"end":3}',
        b'{"frames":-1,"start":1,"last":1,"end":3}',
    ],
)
def test_frames_left_out_at_no_time_are_refused(told: bytes) -> None:
    with pytest.raises(SettingsError):
        Left.decode(told)


def test_a_frame_in_a_million_years_is_refused() -> None:
    beat = Beat(Fraction(1), 0)
    frame = NativeFrame(FrameRecord(0, 3e13, "P", 60, 0, False))
    with pytest.raises(SettingsError, match="at no time"):
        decode_interval(encode_interval(Interval((frame,)), beat), beat)


class Given:
    """Records of a list, and then none."""

    def __init__(self, told) -> None:
        self.told = list(told)

    def next(self):
        return self.told.pop(0) if self.told else None

    def give_back(self, record) -> None:
        self.told.insert(0, record)

    def restart(self) -> None:
        self.told.clear()


BEGUN = (
    b'{"codec":"h264","profile":null,"width":320,"height":240,"rotation":0,"mirrored":false,'
    b'"aspect":[1,1],"rate":25.0,"motion":"unused","evidence":"unused","fps":2.0,'
    b'"base":[1,12800],"zero":0,"away":null}'
)
DECODER = (
    b'{"codec":"h264","decoder":"h264","tag":"avc1","width":320,"height":240,"base":[1,12800],'
    b'"extradata":false}'
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([CAMERA, PARAMETERS, PACKET, STANDING, INTERVAL]),
            st.binary(min_size=1, max_size=60),
        ),
        max_size=12,
    )
)
def test_a_hostile_edge_ends_in_a_sentence_of_its_camera(told) -> None:
    sound = [(CAMERA, BEGUN), (PARAMETERS, bytes((len(DECODER),)) + DECODER)]
    stream = RebuiltStream(Given([*sound, *told]), name="door")
    with pytest.raises(CoStreamError):
        list(stream.samples(2.0))


@pytest.mark.parametrize("begun", [b"?", BEGUN.replace(b"null}", b"1e300}"), BEGUN[:-1]])
def test_a_camera_that_can_t_be_described_is_asked_for_again(begun: bytes) -> None:
    source = Given([(CAMERA, begun), (CAMERA, BEGUN)])
    with pytest.raises(SourceError, match="door can't be read"):
        RebuiltStream(source, name="door").open()
    assert not source.told, "it was not asked for again"


def test_pictures_larger_than_any_camera_s_are_not_decoded() -> None:
    parameters = DECODER.replace(b"h264", b"png")
    frame = NativeFrame(FrameRecord(0, 0.0, "I", 60, 0, False), Shown(0, Display(), 0))
    interval = encode_interval(Interval((frame,)), Beat(Fraction(1, 12800), 0))
    packet = SentPacket(0, _black_png(9000), 0, 0, key=True, restart=True).encode()
    sound = [(CAMERA, BEGUN), (PARAMETERS, bytes((len(parameters),)) + parameters)]
    stream = RebuiltStream(Given([*sound, (PACKET, packet), (INTERVAL, interval)]), name="door")
    with pytest.raises(SourceError, match="the packets do not give"):
        stream.open()


def _black_png(side: int) -> bytes:
    """A picture of one bit a pixel: 80 megapixels are some kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        told = kind + data
        return struct.pack(">I", len(data)) + told + struct.pack(">I", zlib.crc32(told))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + side // 8)), 1)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
