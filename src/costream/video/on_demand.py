"""Decoding only when something changed: between a stream's packets and its decoder."""

from __future__ import annotations

import bisect
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.stream import VideoStream

from costream.video.bitstream import names_feature, new_tracker, open_reader
from costream.video.clock import TickGrid
from costream.video.decoder import Decoder
from costream.video.nal import UnitReader
from costream.video.picture import is_full_range
from costream.video.record import DecodedFrame, Passed
from costream.video.references import Coded, FrameType
from costream.video.side_data import Extradata

if TYPE_CHECKING:
    from costream._bitstream import Tracker
    from costream.video.bitstream import Reader

LIMIT = 4.0
"""Luma steps, of 255, by which the mean of no 8 x 8 samples may have changed since the picture that
stands for others: what counts as change differs by five at least."""

PASSING = 2.0
"""Times the limit by which a mean may change between ticks, if it has changed back at the tick."""

REFRESH = 8.0
"""Seconds after which the next random access point is decoded, which alone costs little: at first;
each that looks as expected doubles them, up to :data:`MAX_AGE`."""

MAX_AGE = 30.0
"""Seconds after which a picture is decoded even in the midst of a group of pictures, with all that
it needs."""

MAX_PACKETS = 1024
"""Packets held at most."""

MAX_BYTES = 4 << 20
"""Bytes of packets held at most."""

MAX_PAUSE = 32
"""Ticks, at most, for which a stream that changes is decoded before it is tried again: one at
first, doubled each time in between."""

SETTLED = 4
"""Ticks without a change after which the next change is no reason to pause."""

KEY_MARGIN = 0.1
"""Share by which a key frame's size may differ from the last one's if nothing changed."""

MAX_STEP = 5.0
"""Seconds from one packet to the next beyond which timestamps jump."""

BLIND = 2
"""Times in a row that nothing could be told after which a packet is read to ask why."""

_PLANAR = frozenset({"yuv420p", "yuvj420p", "gray"})
_LIMITED = 219 / 255

logger = logging.getLogger("costream")


class Held:
    """A packet from its arrival until its frame is displayed."""

    __slots__ = ("coded", "dts", "packet", "passed", "pts", "restart", "seconds")

    def __init__(
        self,
        packet: Packet[VideoStream],
        coded: Coded,
        pts: int,
        dts: int,
        seconds: float,
        restart: bool,
    ) -> None:
        self.packet = packet
        self.coded = coded
        self.pts = pts
        self.dts = dts
        self.seconds = seconds
        """Presentation time on the source's clock."""
        self.restart = restart
        """Every picture that follows in decoding and display order can be decoded from here."""
        self.passed = False
        """Its frame was displayed, or will be, without its picture."""


class OnDemand:
    """Gives a stream's native frames in display order, and decodes only what somebody has to see.

    It is in one of two states. **Watching**, every packet is decoded, but for frames that no other
    is predicted from and that are not sampled. From any sampled picture it goes **idle**: packets
    are held undecoded, and at each tick our own reader follows that picture's means through them,
    block by block: where little moves, in a tenth of the time of decoding. While no mean has
    changed by more than :data:`LIMIT` the tick gets no picture of its own. Once one has, or
    something can't be told (an intra picture, damage), what is held is decoded up to the tick's own
    picture, so that a change is seen in the same tick as by full decoding. The means are estimates,
    though: of coarsely coded streams they miss some changes that decoding shows (docs/log.md).

    A random access point lets go of what was held before it. One in :data:`REFRESH` seconds is
    decoded, and any whose size or parameter sets are not the last one's; others are taken to look
    like what was before, as long as those that are decoded do: after one that doesn't, each is
    decoded. Where something seems to have changed since one that wasn't, it may be that point's
    coding alone: it is decoded before all else that is held. What happens in exactly such a frame,
    of the same size, and never moves again is therefore seen later than by full decoding, by
    :data:`MAX_AGE` and one group of pictures at most.

    Decoding is also forced by timestamps that jump and by the bounds on what is held. Where a
    stream keeps changing it is tried again ever more seldom, so that it costs little more than
    decoding. A stream that can't be read like this (another codec, more than 8 bits, packets
    without times) is decoded whole, which is said once.
    """

    def __init__(self, decoder: Decoder, after: OnDemand | None = None) -> None:
        """Takes over a decoder, of any stream, that nothing was read from.

        Args:
            decoder: what decodes.
            after: what read the recording before, in a file of several.
        """
        self.grid: TickGrid | None = after.grid if after else None
        """Says which frames are sampled. Without, everything is decoded."""
        self.each: bool = after.each if after else True
        """Whether every frame that is passed over is told of, or only the sampled ones."""
        self._decoder = decoder
        video = decoder.stream
        extradata = video.codec_context.extradata
        self._reader: Reader | None = open_reader(decoder.codec, extradata)
        self._tracker: Tracker | None = new_tracker() if self._reader else None
        self._units = UnitReader(decoder.codec, extradata) if self._reader else None
        self._extradata = Extradata(extradata)
        self._base = float(video.time_base or 0)
        if self._units is None:
            self._give_up(f"nothing reads {decoder.codec} undecoded")
        elif decoder.motion == "codec":
            self._give_up("its vectors come from decoded pictures")

        self._queue: list[Held] = []  # not displayed yet, by presentation time
        self._held: deque[Held] = deque()  # not decoded yet, in decoding order
        self._held_bytes = 0
        self._sent: dict[int, Held] = {}  # in the decoder, by number of the packet
        self._idle = False
        self._behind = False  # packets were dropped that the decoder would need to go on
        self._due = 0.0  # decoding time from which the next tick may have come
        self._dts: int | None = None
        self._reorders = False  # frames are not displayed in decoding order

        self._fresh: list[Held] = []  # the tracker was not told of, in decoding order
        self._limit = LIMIT
        self._refresh = REFRESH
        self._quiet = 0  # ticks since idle
        self._pause = self._patience = 0
        self._alarm = self._refreshing = self._urgent = False
        self._blind = 0  # times in a row that nothing could be told
        self._decoded_at = 0.0
        self._checked_at = 0.0  # last time when all of the picture was known
        self._parameters = b""
        self._renewed = 0  # packet from which our reader's parameter sets hold
        self._key_size = 0
        self._passed = Passed()

    def frames(self) -> Iterator[DecodedFrame]:
        """Yields every native frame in display order, some of them without their pictures.

        Raises:
            SourceError: as :meth:`Decoder.frames`.
        """
        for packet in self._decoder.packets():
            if packet is None:
                yield from self._end()
                continue
            coded = self._decoder.admit(packet)
            held = self._take(packet, coded)
            if held is None:
                yield from self._decode_plainly(packet)
            elif self._idle:
                self._held.append(held)
                self._fresh.append(held)
                self._held_bytes += coded.size
                if held.dts >= self._due or held.restart or self._alarm or self._is_full():
                    yield from self._advance(held.dts)
            else:
                yield from self._watch(held)
        self._decoder.finish()

    def _take(self, packet: Packet[VideoStream], coded: Coded) -> Held | None:
        """Files a packet that arrived; None if it has no place in display order."""
        if self._units is not None and self._decoder.fields is not None:
            self._give_up("its pictures are fields")
        if self._units is None:
            return None
        pts, dts = packet.pts, packet.dts
        if dts is None and self._dts is None:
            # Matroska's first packets carry none. Nothing is held before one that does.
            dts = pts
        if pts is None or dts is None:
            self._give_up("its packets carry no times")
            return None
        self._reorders |= pts != dts
        self._renew(packet, coded.order)
        last, self._dts = self._dts, packet.dts
        step = (dts - last) * self._base if last is not None else 0.0
        self._alarm |= coded.corrupt or self._decoder.is_damaged or not 0 <= step <= MAX_STEP
        restart = packet.is_keyframe and self._units.standing(memoryview(packet)).restart
        held = Held(packet, coded, pts, dts, self._decoder.time_of(coded) or 0.0, restart)
        queue = self._queue
        if not queue or queue[-1].pts <= pts:
            queue.append(held)
        else:
            bisect.insort(queue, held, key=_display_time)
        return held

    def _renew(self, packet: Packet[VideoStream], order: int) -> None:
        """Takes parameter sets that come beside the packets: all from there on is decoded."""
        extradata = self._extradata.renew(packet)
        if extradata is None or self._reader is None:
            return
        self._reader.configure(extradata)
        self._units = UnitReader(self._decoder.codec, extradata)
        self._parameters = b""
        self._alarm = True
        self._renewed = order

    def _give_up(self, why: str) -> None:
        logger.warning("%s is decoded whole: %s", self._decoder.name, why)
        self._units = None

    def _decode_plainly(self, packet: Packet[VideoStream]) -> Iterator[DecodedFrame]:
        if self._queue:
            yield from self._wake()
            yield from self._pass_until(None)
        yield from self._show(self._decoder.decode(packet))

    # Watching

    def _watch(self, held: Held) -> Iterator[DecodedFrame]:
        if self._reorders and not self._is_reference(held) and self._is_unsampled(held):
            held.passed = True
            return
        yield from self._decode(held)

    def _decode(self, held: Held) -> Iterator[DecodedFrame]:
        if held.restart:
            self._note_key(held)
        self._sent[held.coded.order] = held
        yield from self._show(self._decoder.decode(held.packet))

    def _is_reference(self, held: Held) -> bool:
        return self._units is None or self._units.standing(memoryview(held.packet)).reference

    def _is_unsampled(self, held: Held) -> bool:
        """Whether a frame displayed earlier is known to lie in the same tick."""
        at = bisect.bisect_left(self._queue, held.pts, key=_display_time)
        clock = self._decoder.clock
        time = clock.expect(held.seconds)
        before = clock.expect(self._queue[at - 1].seconds) if at else clock.time
        if self.grid is None or time is None or before is None or self._alarm:
            return False
        return self.grid.index(before) == self.grid.index(time)

    def _show(self, frames: Iterable[av.VideoFrame]) -> Iterator[DecodedFrame]:
        for frame in frames:
            coded = frame.opaque
            held = self._sent.pop(coded.order, None) if isinstance(coded, Coded) else None
            if held is not None:
                if held.passed:
                    continue
                yield from self._pass_until(held)
            time = self._decoder.clock.peek(self._decoder.time_shown(frame))
            sampled = self.grid is not None and self.grid.opens(time)
            shown = self._decoder.show(frame)
            self._decoded_at = self._checked_at = time
            self._alarm = shown.record.damaged
            if held is not None and self._is_past_renewal(held) and self._may_rest(sampled):
                self._rest(frame, held)
            yield self._with_passed(shown)

    def _is_past_renewal(self, held: Held) -> bool:
        """Whether our reader's parameter sets hold for all pictures from this one on."""
        return all(one.coded.order >= self._renewed for one in (held, *self._sent.values()))

    def _may_rest(self, sampled: bool) -> bool:
        if self._units is None or self.grid is None or self._alarm or self._urgent:
            return False
        if self._refreshing:
            self._refreshing = False
            return True
        if not sampled:
            return False
        self._pause = max(0, self._pause - 1)
        return not self._pause

    def _rest(self, frame: av.VideoFrame, held: Held) -> None:
        """Goes idle with a picture that was decoded."""
        if frame.format.name not in _PLANAR:
            self._give_up(f"its pictures are {frame.format.name}")
            return
        assert self._tracker is not None and self._reader is not None
        luma = _luma(frame)
        if held.restart and self._quiet:
            surprised = self._tracker.surprise(luma) > self._limit
            self._refresh = 0.0 if surprised else min(2 * self._refresh, MAX_AGE) or REFRESH
        self._tracker.start(luma)
        self._reader.reset()
        full = frame.format.name == "gray" or is_full_range(frame)
        self._limit = LIMIT if full else LIMIT * _LIMITED
        # Sent, but not displayed yet.
        self._fresh = [other for other in self._sent.values() if not other.passed]
        self._fresh += self._held
        self._idle = True
        self._due = 0.0
        self._quiet = 0

    def _pass_until(self, held: Held | None) -> Iterator[DecodedFrame]:
        """Passes over what is displayed before a decoded frame, and takes the frame off the queue.

        What should have been decoded by then is lost: the decoder gave no picture of it.
        """
        end = bisect.bisect_right(self._queue, held.pts, key=_display_time) if held else None
        due, self._queue = self._queue[:end], self._queue[end:] if held else []
        for other in due:
            if other is not held and other.passed:
                yield from self._pass(other)

    # Idle

    def _advance(self, dts: int | None) -> Iterator[DecodedFrame]:
        """Displays the frames before which none can come any more."""
        assert self.grid is not None
        clock, grid = self._decoder.clock, self.grid
        while self._idle and self._queue:
            head = self._queue[0]
            if dts is not None and head.pts > dts and not self._alarm:
                break
            time = clock.peek(head.seconds)
            if head.restart and not head.passed and head.coded.order not in self._sent:
                self._let_go(head)
                if self._suspects(head, time):
                    self._refreshing = True
                    yield from self._wake()
                    continue
            sampled = grid.opens(time)
            if self._alarm or self._is_full() or (sampled and not self._stands_still(time)):
                yield from self._wake()
                return
            self._queue.pop(0)
            head.passed = True
            self._quiet += sampled
            yield from self._pass(head, sampled)
        if self._idle:
            self._due = clock.raw(grid.next_time) / self._base - 1

    def _is_full(self) -> bool:
        return len(self._held) > MAX_PACKETS or self._held_bytes > MAX_BYTES

    def _let_go(self, key: Held) -> None:
        """Drops what was held before a random access point that is about to be displayed.

        Pictures that follow it in decoding order but not in display order may refer to what is
        dropped, and were displayed: they go as well.
        """
        if self._held[0] is key:
            return
        kept = deque(held for held in self._held if held.pts >= key.pts)
        self._behind |= len(kept) < len(self._held)
        self._held = kept
        self._held_bytes = sum(held.coded.size for held in kept)

    def _suspects(self, key: Held, time: float) -> bool:
        """Whether a random access point has to be decoded."""
        assert self._units is not None
        size, last = key.coded.size, self._key_size
        self._key_size = size
        if abs(size - last) > KEY_MARGIN * last or time - self._checked_at > self._refresh:
            return True
        return self._units.parameters(memoryview(key.packet)) != self._parameters

    def _note_key(self, key: Held) -> None:
        assert self._units is not None and self._reader is not None
        self._key_size = key.coded.size
        parameters = self._units.parameters(memoryview(key.packet))
        if parameters != self._parameters:
            self._parameters = parameters
            self._reader.read(parameters, 0)

    def _stands_still(self, time: float) -> bool:
        """Whether the picture that was decoded last may stand for the one at a tick."""
        if time - self._decoded_at > MAX_AGE:
            self._quiet = SETTLED
            return False
        if self._follow() <= self._limit:
            return True
        key = self._held[0] if self._held and self._blind == 0 else None
        if key is None or not (key.restart and key.passed):
            return False
        if not self._catch_up(key) or self._follow() > self._limit:
            return False
        self._checked_at = time
        return True

    def _follow(self) -> float:
        """Tells the tracker what is new, and returns the largest difference by now."""
        assert self._tracker is not None and self._reader is not None
        fresh, self._fresh = self._fresh, []
        run: list[bytes] = []
        for held in fresh:
            if held.restart:
                self._reader.track(run, self._tracker, PASSING * self._limit)
                self._reader.reset()
                self._tracker.carry()
                run = []
            else:
                run.append(bytes(held.packet))
        self._reader.track(run, self._tracker, PASSING * self._limit)
        self._blind = self._blind + 1 if self._tracker.worst == np.inf else 0
        if self._blind >= BLIND and run:
            self._ask_why(run[-1])
        if self._tracker.worst > PASSING * self._limit:
            return self._tracker.worst
        return self._tracker.difference

    def _catch_up(self, key: Held) -> bool:
        """Decodes the random access point that is held, which was displayed, for the tracker alone.

        What an intra picture changes is not known, and what comes after it seems to. False: it gave
        no picture, and what is held is still to be decoded from there on.
        """
        assert self._tracker is not None and self._reader is not None
        self._start_over()
        self._held.popleft()
        self._held_bytes -= key.coded.size
        self._note_key(key)
        self._sent[key.coded.order] = key
        luma = None
        for frame in self._decoder.decode(key.packet):
            coded = frame.opaque
            sent = self._sent.pop(coded.order, None) if isinstance(coded, Coded) else None
            luma = _luma(frame) if sent is key else None
        if luma is None or self._decoder.is_damaged:
            return False
        self._tracker.restart(luma)
        self._reader.reset()
        self._fresh = list(self._held)
        return True

    def _ask_why(self, packet: bytes) -> None:
        """Gives up if our reader can't read the stream for what it is."""
        assert self._reader is not None
        self._blind = 0
        reasons = [why for picture in self._reader.read(packet, 0) for why in picture.unsupported]
        if names_feature(reasons):
            self._give_up(f"it uses {', '.join(reasons)}")

    def _wake(self) -> Iterator[DecodedFrame]:
        """Decodes what is held, until the stream is idle again."""
        if not self._idle:
            return
        self._idle = False
        self._urgent = self._alarm
        self._back_off()
        self._start_over()
        while self._held and not self._idle:
            held = self._held.popleft()
            self._held_bytes -= held.coded.size
            if not (held.passed and self._reorders) or self._is_reference(held):
                yield from self._decode(held)
        self._urgent = False

    def _start_over(self) -> None:
        """Has the decoder go on at what is held, if anything before it was dropped."""
        if self._behind:
            self._decoder.restart()
            self._sent.clear()
            self._behind = False

    def _back_off(self) -> None:
        if self._refreshing or self._quiet >= SETTLED:
            self._patience = 0
        else:
            self._patience = min(max(1, 2 * self._patience), MAX_PAUSE)
        self._pause = self._patience

    def _end(self) -> Iterator[DecodedFrame]:
        if self._idle:
            yield from self._advance(None)
        if not self._idle:
            yield from self._show(self._decoder.decode(None))
        yield from self._pass_until(None)

    # Either way

    def _pass(self, held: Held, sampled: bool = False) -> Iterator[DecodedFrame]:
        kind: FrameType = "I" if held.packet.is_keyframe else _kind(held)
        if self.each or self._decoder.motion == "bitstream":
            yield self._decoder.pass_over(held.coded, kind)
        elif sampled:
            yield self._with_passed(self._decoder.pass_over(held.coded, kind))
        else:
            self._decoder.skip(held.coded)
            self._passed.add(held.coded, kind)

    def _with_passed(self, shown: DecodedFrame) -> DecodedFrame:
        if self._passed.frames:
            shown.passed, self._passed = self._passed, Passed()
        return shown


def _luma(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    plane = frame.planes[0]
    samples = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # no buffer in its stub
    rows: npt.NDArray[np.uint8] = samples.reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _kind(held: Held) -> FrameType:
    """Returns the frame's type as far as it is known without reading it."""
    picture = held.coded.picture
    if picture is not None and picture.type in ("I", "P", "B"):
        return picture.type  # type: ignore[return-value]  # the reader's own stub says str
    return "P"


def _display_time(held: Held) -> int:
    return held.pts
