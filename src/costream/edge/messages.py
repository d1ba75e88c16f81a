"""What an edge and its receiver tell each other beside pictures, as records hold it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast, get_args

from costream.edge.numbers import LARGEST_REAL, Numbers, put, put_signed
from costream.edge.wire import VERSION
from costream.errors import SettingsError
from costream.video.packet_ring import CodecParameters, StoredPacket
from costream.video.sample import TOLD, MotionSource, StreamInfo

MAX_SIDE = 1 << 14
"""Pixels of a coded picture's longer side."""

MAX_TAG = 16
"""Bytes of a container's name of a codec."""

MAX_TEXT = 1000
"""Characters of a name or a cause."""

LARGEST_WISH = (1 << 32) - 1
"""The id of a wish takes four bytes."""

_KEY, _RESTART, _PTS, _DTS = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stretch of the camera's stream that the receiver wants in full.

    Attributes:
        id: of the wish, up to :data:`LARGEST_WISH`.
        seconds: back from when the edge reads it.
    """

    id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Session:
    """Comes first in every request.

    Attributes:
        session: drawn at random where the edge starts.
        instance: of the receiver, as it named itself last; empty where it did not yet.
        first: number of the record that follows, counted from 0 for an instance.
    """

    session: str
    instance: str
    first: int

    def encode(self) -> bytes:
        """Returns the record's payload."""
        return _dump(
            version=VERSION, session=self.session, instance=self.instance, first=self.first
        )

    @classmethod
    def decode(cls, payload: bytes) -> Session:
        """Reads one.

        Raises:
            SettingsError: it is none, or of another version.
        """
        fields = _Fields(payload)
        version = fields.whole("version")
        if version != VERSION:
            raise SettingsError(
                f"an edge speaks version {version} and this service version {VERSION}: install "
                "the same release of costream on both"
            )
        return cls(fields.text("session"), fields.text("instance"), fields.whole("first"))


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection to the camera begins.

    Attributes:
        info: what is known of the stream.
        evidence: why its change maps are empty: ``unused`` or ``none``.
        fps: at which it is sampled.
        base: seconds of one unit of the packets' stamps.
        zero: the stamp of its first picture; None where it has none.
        away: seconds since the last frame of the connection before; None where there was none.
    """

    info: StreamInfo
    evidence: MotionSource
    fps: float
    base: Fraction
    zero: int | None
    away: float | None

    def encode(self) -> bytes:
        """Returns the record's payload."""
        info = self.info
        return _dump(
            codec=info.codec,
            profile=info.profile,
            width=info.width,
            height=info.height,
            rotation=info.rotation,
            mirrored=info.mirrored,
            aspect=_pair(info.sample_aspect),
            rate=info.frame_rate,
            motion=info.motion,
            evidence=self.evidence,
            fps=self.fps,
            base=_pair(self.base),
            zero=self.zero,
            away=self.away,
        )

    @classmethod
    def decode(cls, payload: bytes, source: str) -> Begun:
        """Reads one, of a source that is called so.

        Raises:
            SettingsError: it is none.
        """
        fields = _Fields(payload)
        evidence, motion = fields.text("evidence"), fields.text("motion")
        if evidence in TOLD or not {evidence, motion} <= set(get_args(MotionSource)):
            raise SettingsError("an edge sends no evidence of motion, and says that it does")
        info = StreamInfo(
            source=source,
            codec=fields.text("codec"),
            profile=fields.optional("profile", fields.text),
            width=fields.side("width"),
            height=fields.side("height"),
            rotation=fields.rotation("rotation"),
            frame_rate=fields.optional("rate", fields.positive),
            duration=None,
            motion=cast(MotionSource, motion),
            mirrored=fields.truth("mirrored"),
            sample_aspect=fields.ratio("aspect"),
            live=True,
            awaited=True,
        )
        return cls(
            info,
            cast(MotionSource, evidence),
            fields.positive("fps"),
            fields.ratio("base"),
            fields.optional("zero", fields.any_whole),
            fields.optional("away", fields.not_negative),
        )


def encode_parameters(parameters: CodecParameters) -> bytes:
    """Returns the payload of a record of what it takes to decode the packets that follow."""
    told = _dump(
        codec=parameters.codec,
        decoder=parameters.decoder,
        tag=parameters.tag,
        width=parameters.width,
        height=parameters.height,
        base=_pair(parameters.time_base),
        extradata=parameters.extradata is not None,
    )
    target = bytearray()
    put(target, len(told))
    return bytes(target) + told + (parameters.extradata or b"")


def decode_parameters(payload: bytes) -> CodecParameters:
    """Reads what it takes to decode the packets that follow.

    Raises:
        SettingsError: it is no such record.
    """
    numbers = Numbers(payload)
    fields = _Fields(numbers.take(numbers.number(len(payload))))
    return CodecParameters(
        codec=fields.text("codec"),
        decoder=fields.text("decoder"),
        extradata=numbers.rest if fields.truth("extradata") else None,
        tag=fields.tag("tag"),
        width=fields.side("width"),
        height=fields.side("height"),
        time_base=fields.ratio("base"),
    )


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A packet of the camera.

    Attributes:
        order: its place in decoding order among all packets of the connection to the camera.
        data: its bytes, as the camera sent them; none of the packet that the group began with,
            which is decoded once more.
        pts: when it is shown, in units of the connection's stamps; None where unknown.
        dts: when it is decoded, likewise.
        key: a group of pictures begins with it.
        restart: nothing that was decoded before may be referred to: the decoder begins again.
    """

    order: int
    data: bytes
    pts: int | None
    dts: int | None
    key: bool
    restart: bool = False

    def encode(self) -> bytes:
        """Returns the record's payload."""
        told = self.pts is not None, self.dts is not None
        marks = _KEY * self.key | _RESTART * self.restart | _PTS * told[0] | _DTS * told[1]
        target = bytearray((marks,))
        put(target, self.order)
        for stamp in (self.pts, self.dts):
            if stamp is not None:
                put_signed(target, stamp)
        return bytes(target) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> SentPacket:
        """Reads one.

        Raises:
            SettingsError: it is none.
        """
        numbers = Numbers(payload)
        marks = numbers.take(1)[0]
        order = numbers.number()
        pts, dts = (numbers.signed() if marks & mark else None for mark in (_PTS, _DTS))
        return cls(order, numbers.rest, pts, dts, bool(marks & _KEY), bool(marks & _RESTART))

    def stored(self, number: int, parameters: CodecParameters, received: float) -> StoredPacket:
        """Returns it as a ring keeps it."""
        return StoredPacket(number, self.data, self.pts, self.dts, self.key, parameters, received)


@dataclass(frozen=True, slots=True)
class Left:
    """Sampled frames that the edge had to leave out.

    Attributes:
        frames: how many.
        start: stream time of the first one, in seconds.
        last: stream time of the last one.
        end: stream time of the first one after them.
    """

    frames: int
    start: float
    last: float
    end: float

    def encode(self) -> bytes:
        """Returns the record's payload."""
        return _dump(frames=self.frames, start=self.start, last=self.last, end=self.end)

    @classmethod
    def decode(cls, payload: bytes) -> Left:
        """Reads one.

        Raises:
            SettingsError: it is none.
        """
        fields = _Fields(payload)
        start, last, end = (fields.not_negative(name) for name in ("start", "last", "end"))
        if not start <= last <= end:
            raise SettingsError("a record tells of frames that end before they begin")
        return cls(fields.whole("frames"), start, last, end)


def encode_lost(cause: str) -> bytes:
    """Returns the payload of a record that says why the camera is gone."""
    return _dump(cause=cause[:MAX_TEXT])


def decode_lost(payload: bytes) -> str:
    """Returns why the camera is gone.

    Raises:
        SettingsError: it is no such record.
    """
    return _Fields(payload).text("cause")


def _dump(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _pair(ratio: Fraction) -> tuple[int, int]:
    return ratio.numerator, ratio.denominator


class _Fields:
    """The fields of an object of JSON that somebody else wrote."""

    def __init__(self, payload: bytes) -> None:
        try:
            found = json.loads(payload)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, Mapping):
            raise SettingsError("a record holds no object of JSON where docs/push.md has one")
        self._found: Mapping[str, Any] = found

    def optional(self, name: str, read: Callable[[str], Any]) -> Any:
        return None if self._found.get(name) is None else read(name)

    def text(self, name: str) -> str:
        found = self._found.get(name)
        if not isinstance(found, str) or len(found) > MAX_TEXT or not found.isprintable():
            raise _wrong(name)
        return found

    def tag(self, name: str) -> str:
        found = self._found.get(name)
        if not isinstance(found, str) or len(found.encode(errors="replace")) > MAX_TAG:
            raise _wrong(name)
        return found

    def truth(self, name: str) -> bool:
        found = self._found.get(name)
        if not isinstance(found, bool):
            raise _wrong(name)
        return found

    def any_whole(self, name: str) -> int:
        found = self._found.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or abs(found) >= 1 << 63:
            raise _wrong(name)
        return found

    def whole(self, name: str) -> int:
        found = self.any_whole(name)
        if found < 0:
            raise _wrong(name)
        return found

    def side(self, name: str) -> int:
        found = self.whole(name)
        if not 0 < found <= MAX_SIDE:
            raise _wrong(name)
        return found

    def rotation(self, name: str) -> int:
        found = self.whole(name)
        if found not in (0, 90, 180, 270):
            raise _wrong(name)
        return found

    def not_negative(self, name: str) -> float:
        found = self._found.get(name)
        if not isinstance(found, (int, float)) or isinstance(found, bool):
            raise _wrong(name)
        if not 0 <= found <= LARGEST_REAL:
            raise _wrong(name)
        return float(found)

    def positive(self, name: str) -> float:
        found = self.not_negative(name)
        if not found:
            raise _wrong(name)
        return found

    def ratio(self, name: str) -> Fraction:
        found = self._found.get(name)
        if not isinstance(found, list) or len(found) != 2:
            raise _wrong(name)
        if not all(type(part) is int and 0 < part < 1 << 31 for part in found):
            raise _wrong(name)
        return Fraction(*found)


def _wrong(name: str) -> SettingsError:
    return SettingsError(f"a record's {name!r} is missing or wrong: send it as docs/push.md says")
