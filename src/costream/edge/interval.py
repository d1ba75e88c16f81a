"""What lies between two ticks: every native frame, and which of them are shown."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from costream.edge.numbers import LARGEST_REAL, Numbers, put, put_signed
from costream.errors import SettingsError
from costream.video.decode_count import DecodeCount
from costream.video.display import MAX_ASPECT, Display
from costream.video.record import FrameRecord
from costream.video.references import FrameType

MAX_FRAMES = 1 << 14
"""Native frames of an interval."""

_TYPES: tuple[FrameType, ...] = ("I", "P", "B")
_TYPE = 3
_DAMAGED, _SHOWN, _EXACT, _ON_BEAT = 4, 8, 16, 32
_MIRRORED, _STRETCHED = 4, 8
_TIME = struct.Struct(">d")
_DIGEST = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that the watcher has to see.

    Attributes:
        order: of its packet, in decoding order.
        display: how it is shown.
        digest: of its samples: see :meth:`~costream.video.picture.Picture.digest`.
    """

    order: int
    display: Display
    digest: int


@dataclass(frozen=True, slots=True)
class NativeFrame:
    """A native frame.

    Attributes:
        record: what is told about it.
        shown: its picture, if the watcher has to see it.
    """

    record: FrameRecord
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """The native frames behind one sampled frame up to the next, in display order.

    Attributes:
        frames: at least one; the last is the sampled one.
        counts: how the edge's frames were decoded since the interval before; a frame that is
            decoded late is counted otherwise than before, so that a count may be negative.
    """

    frames: tuple[NativeFrame, ...]
    counts: DecodeCount = field(default_factory=DecodeCount)

    @property
    def time(self) -> float:
        """Stream time of the sampled frame, in seconds."""
        return self.frames[-1].record.time

    @property
    def standing(self) -> Shown | None:
        """What was shown last in it, if anything was."""
        return next((f.shown for f in reversed(self.frames) if f.shown is not None), None)


class Beat:
    """Turns stream times into stamps and back, to the bit.

    Args:
        base: seconds of one unit of the stamps.
        zero: the stamp of the stream's first picture; None where it has none.
    """

    def __init__(self, base: Fraction, zero: int | None) -> None:
        self._base = float(base.numerator), float(base.denominator)
        self._offset = -((zero or 0) * self._base[0] / self._base[1])

    def time(self, stamp: int) -> float:
        """Returns a stamp's stream time, as a :class:`~costream.video.clock.StreamClock` has it."""
        return stamp * self._base[0] / self._base[1] + self._offset

    def stamp(self, time: float) -> int:
        """Returns the stamp nearest to a stream time."""
        return round((time - self._offset) * self._base[1] / self._base[0])


def encode_interval(interval: Interval, beat: Beat) -> bytes:
    """Returns the payload of an interval's record."""
    frames = interval.frames
    stamps = [beat.stamp(frame.record.time) for frame in frames]
    step = max(0, stamps[-1] - stamps[-2]) if len(frames) > 1 else 0
    target = bytearray()
    for number in (frames[0].record.index, len(frames), step):
        put(target, number)
    expected = 0
    for frame, stamp in zip(frames, stamps, strict=True):
        _encode_frame(target, frame, stamp, expected, exact=beat.time(stamp) == frame.record.time)
        expected = stamp + step
    _encode_counts(target, interval.counts)
    return bytes(target)


def _encode_counts(target: bytearray, counts: DecodeCount) -> None:
    found = counts.to_dict()
    put(target, len(found))
    for number, name in enumerate(DecodeCount.names()):
        if name in found:
            target.append(number)
            put_signed(target, found[name])


def _decode_counts(numbers: Numbers) -> DecodeCount:
    names = DecodeCount.names()
    found: dict[str, int] = {}
    for _ in range(numbers.number(len(names))):
        number = numbers.number(len(names) - 1)
        count = numbers.signed()
        if abs(count) > 2 * MAX_FRAMES:
            raise SettingsError("a record counts more frames than there are")
        found[names[number]] = count
    return DecodeCount(**found)


def _encode_frame(
    target: bytearray, frame: NativeFrame, stamp: int, expected: int, *, exact: bool
) -> None:
    record, shown = frame.record, frame.shown
    marks = _TYPES.index(record.type) | _DAMAGED * record.damaged
    marks |= _SHOWN * (shown is not None) | _EXACT * exact | _ON_BEAT * (stamp == expected)
    target.append(marks)
    if stamp != expected:
        put_signed(target, stamp - expected)
    if not exact:
        target += _TIME.pack(record.time)
    put(target, record.packet_bytes)
    if shown is not None:
        encode_shown(target, shown)


def encode_shown(target: bytearray, shown: Shown) -> None:
    """Appends what is told of a picture that is shown."""
    display = shown.display
    stretched = display.aspect != 1
    put(target, shown.order)
    target.append(display.rotation // 90 | _MIRRORED * display.mirrored | _STRETCHED * stretched)
    if stretched:
        put(target, display.aspect.numerator)
        put(target, display.aspect.denominator)
    target += _DIGEST.pack(shown.digest)


def decode_interval(payload: bytes, beat: Beat) -> Interval:
    """Reads an interval's record.

    Raises:
        SettingsError: it is none.
    """
    numbers = Numbers(payload)
    index, count, step = numbers.number(), numbers.number(MAX_FRAMES), numbers.number()
    frames: list[NativeFrame] = []
    expected = 0
    for number in range(count):
        stamp, frame = _decode_frame(numbers, beat, index + number, expected)
        frames.append(frame)
        expected = stamp + step
    counts = _decode_counts(numbers)
    times = [frame.record.time for frame in frames]
    if not frames or numbers.rest or any(b <= a for a, b in pairwise(times)):
        raise SettingsError("a record holds no interval of frames in display order")
    return Interval(tuple(frames), counts)


def _decode_frame(
    numbers: Numbers, beat: Beat, index: int, expected: int
) -> tuple[int, NativeFrame]:
    marks = numbers.take(1)[0]
    if marks & _TYPE == _TYPE:
        raise SettingsError(
            "a record holds a frame of no type: send I, P or B as docs/push.md says"
        )
    stamp = expected if marks & _ON_BEAT else expected + numbers.signed()
    if abs(stamp) >= 1 << 63:
        raise SettingsError("a record holds a stamp of more than 64 bits")
    time = beat.time(stamp) if marks & _EXACT else _TIME.unpack(numbers.take(_TIME.size))[0]
    if not 0 <= time <= LARGEST_REAL:
        raise SettingsError(
            f"a record holds a frame at no time: send 0 to {LARGEST_REAL:g} seconds"
        )
    size = numbers.number()
    shown = decode_shown(numbers) if marks & _SHOWN else None
    record = FrameRecord(
        index, time, _TYPES[marks & _TYPE], size, vectors=0, damaged=bool(marks & _DAMAGED)
    )
    return stamp, NativeFrame(record, shown)


def decode_shown(numbers: Numbers) -> Shown:
    """Reads what is told of a picture that is shown.

    Raises:
        SettingsError: it is not told.
    """
    order = numbers.number()
    marks = numbers.take(1)[0]
    aspect = Fraction(1)
    if marks & _STRETCHED:
        above, below = numbers.number(1 << 31), numbers.number(1 << 31)
        if not 0 < above <= MAX_ASPECT * below <= MAX_ASPECT**2 * above:
            raise SettingsError("a record holds a picture whose samples have no shape")
        aspect = Fraction(above, below)
    display = Display(90 * (marks & 3), bool(marks & _MIRRORED), aspect)
    return Shown(order, display, _DIGEST.unpack(numbers.take(_DIGEST.size))[0])
