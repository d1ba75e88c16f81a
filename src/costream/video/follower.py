"""A picture followed through access units that are not decoded: what it looks like by now."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from costream.video.access_unit import AccessUnit, DecodedPicture
from costream.video.bitstream import names_feature, new_tracker, open_reader
from costream.video.nal import UnitReader
from costream.video.picture import is_full_range
from costream.video.side_data import Extradata
from costream.video.trust import KEPT

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from costream.video.bitstream import Reader

PASSING = 2.0
"""Times the limit by which a mean may change between ticks, if it has changed back at the tick."""

BLIND = 2
"""Times in a row that nothing could be told after which a unit is read to ask why."""

PLANAR = frozenset({"yuv420p", "yuvj420p", "gray"})
"""Formats of frames that can be followed."""

_LIMITED = 219 / 255


class Follower:
    """Follows the mean luma of blocks of the picture that was shown last, by our own reader.

    Units are given by :meth:`hold` in decoding order and are read when something is asked.
    Differences are of means of 8 x 8 samples, in steps of 255 from the picture shown last, whatever
    came in between.
    """

    def __init__(self, reader: Reader, units: UnitReader, extradata: bytes | None) -> None:
        self._reader = reader
        self._units = units
        self._tracker = new_tracker()
        self._extradata = Extradata(extradata)
        self._codec = "h264"
        self._fresh: list[AccessUnit] = []  # the tracker was not told of, in decoding order
        self._scale = 1.0  # steps of 255 for each step of the samples
        self._parameters = b""
        self._brightness = 0.0  # of the picture that is followed, in steps of its samples
        self._blind = 0  # times in a row that nothing could be told
        self._last = b""  # what was read last

    @classmethod
    def of(cls, codec: str, extradata: bytes | None) -> Follower | None:
        """Returns one for a stream, or None where nothing reads its codec undecoded.

        Args:
            codec: FFmpeg's name of the codec.
            extradata: what the container says of the stream, if anything.
        """
        reader = open_reader(codec, extradata)
        if reader is None:
            return None
        follower = cls(reader, UnitReader(codec, extradata), extradata)
        follower._codec = codec
        return follower

    def renew(self, packet: Packet[VideoStream]) -> bool:
        """Takes parameter sets that come beside a packet. True: there are some, unlike before.

        They hold for what is decoded from there on, so nothing can be followed across.
        """
        extradata = self._extradata.renew(packet)
        if extradata is None:
            return False
        self._reader.configure(extradata)
        self._units = UnitReader(self._codec, extradata)
        self._parameters = b""
        return True

    def is_restart(self, unit: AccessUnit) -> bool:
        """Whether all that follows a key frame, decoded and displayed, can be decoded from it."""
        return self._units.standing(memoryview(unit.packet)).restart

    def is_reference(self, unit: AccessUnit) -> bool:
        """Whether others may be predicted from a unit."""
        return self._units.standing(memoryview(unit.packet)).reference

    def note_restart(self, unit: AccessUnit) -> None:
        """Takes the parameter sets of a random access point that is decoded."""
        parameters = self._units.parameters(memoryview(unit.packet))
        if parameters != self._parameters:
            self._parameters = parameters
            self._reader.read(parameters, 0)

    def has_other_parameters(self, unit: AccessUnit) -> bool:
        """Whether a random access point's parameter sets are not those of the last one."""
        return self._units.parameters(memoryview(unit.packet)) != self._parameters

    # What is known

    def see(self, picture: DecodedPicture, limit: float) -> float:
        """Notes that a picture is sampled, whose format is one of :data:`PLANAR`.

        Returns by how much it differs from the one at which pictures came to rest: from itself on,
        where that is more than the limit. Infinity: none was seen before, or of another size.

        What changes from the picture shown last is added to what had changed by then, but too
        little to be kept: a change that is in the making must not be taken for a state of rest.
        """
        scale = self._of(picture)
        return self._tracker.see(picture.luma(), KEPT / scale, limit / scale) * scale

    def lit(self, picture: DecodedPicture) -> float:
        """Returns by how much the light changed from the picture seen before to this, the last one.

        It is the mean of what has not changed besides. Infinity: most of the picture has.
        """
        return self._tracker.lit * self._of(picture)

    def start(self, picture: DecodedPicture, ahead: Iterable[AccessUnit]) -> None:
        """Begins with a picture that is shown, and was seen.

        Args:
            picture: its format is one of :data:`PLANAR`.
            ahead: units that arrived and are displayed later, in decoding order.
        """
        self._scale = self._of(picture)
        self._brightness = _brightness(picture)
        self._tracker.start(picture.luma())
        self._begin(ahead)

    @staticmethod
    def _of(picture: DecodedPicture) -> float:
        """Returns steps of 255 for each step of a picture's samples."""
        frame = picture.frame
        return 1.0 if frame.format.name == "gray" or is_full_range(frame) else 1 / _LIMITED

    def correct(self, picture: DecodedPicture, ahead: Iterable[AccessUnit]) -> None:
        """Goes on from a later picture, which was decoded and is not shown."""
        self._tracker.restart(picture.luma())
        self._begin(ahead)

    def _begin(self, ahead: Iterable[AccessUnit]) -> None:
        self._reader.reset()
        self._fresh = list(ahead)

    def hold(self, unit: AccessUnit) -> None:
        """Takes the next unit."""
        self._fresh.append(unit)

    def difference(self, limit: float, before: AccessUnit | None = None) -> float:
        """Returns the largest difference by now; infinity: it is not known.

        Args:
            limit: what lies above it need not be exact.
            before: what comes in front of this unit alone is told of.
        """
        self._tell(limit / self._scale, before)
        passing = PASSING * limit
        worst = self._tracker.worst * self._scale
        return worst if worst > passing else self._tracker.difference * self._scale

    def change(self, picture: DecodedPicture) -> float:
        """Returns by how much a decoded picture differs: nothing of it is an estimate."""
        return self._tracker.change(picture.luma()) * self._scale

    def light(self, picture: DecodedPicture) -> float:
        """Returns by how much the mean of a decoded picture differs, whatever its places do."""
        return abs(_brightness(picture) - self._brightness) * self._scale

    def _tell(self, limit: float, before: AccessUnit | None) -> None:
        """Tells the tracker what is new."""
        fresh, self._fresh = self._fresh, []
        if before is not None and before in fresh:
            at = fresh.index(before)
            fresh, self._fresh = fresh[:at], fresh[at:]
        run: list[bytes] = []
        for unit in fresh:
            if unit.restart:
                self._reader.track(run, self._tracker, PASSING * limit)
                self._reader.reset()
                self._tracker.carry()
                run = []
            else:
                run.append(bytes(unit.packet))
        self._reader.track(run, self._tracker, PASSING * limit)
        if run:
            self._last = run[-1]
            self._blind = self._blind + 1 if self._tracker.worst == math.inf else 0

    def why_not(self) -> str:
        """Returns why a stream can't be followed for what it is; empty where it may be."""
        if self._blind < BLIND:
            return ""
        self._blind = 0
        pictures = self._reader.read(self._last, 0)
        reasons = [why for picture in pictures for why in picture.unsupported]
        return ", ".join(reasons) if names_feature(reasons) else ""


def _brightness(picture: DecodedPicture) -> float:
    """Returns the mean of a picture's luma samples: of enough to tell a tenth of a step."""
    return float(picture.luma()[::8, ::8].mean())
