"""Decoding only when something changed: between a stream's access units and its decoder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from costream.video.access_unit import AccessUnit, DecodedPicture
from costream.video.clock import TickGrid
from costream.video.decode_count import Reason
from costream.video.decode_policy import DecodeWish, Policy, State
from costream.video.decoder import Decoder
from costream.video.follower import PLANAR, Follower
from costream.video.record import DecodedFrame, Passed
from costream.video.sample import TOLD
from costream.video.steady_light import SteadyLight
from costream.video.trust import CHANGED, Trust
from costream.video.unit_queue import UnitQueue

MAX_STEP = 5.0
"""Seconds from one packet to the next beyond which timestamps jump."""

MAX_AGE = 60.0
"""Seconds for which a picture is followed at most, without another that is decoded."""

logger = logging.getLogger("costream")


class OnDemand:
    """Gives a stream's native frames in display order, and decodes only what somebody has to see.

    Each frame is **shown**, with its picture, or **passed**, without. A tick whose frame is passed
    looks like the picture that was shown last, as far as its means of 8 x 8 samples tell.

    While a stream is decoded, only frames are passed that no other is predicted from and that are
    not sampled; where nobody is told of frames one by one, nothing is made of others that are not
    sampled. From any tick's picture on it may be followed, while little moves and the light stands
    (:class:`~.decode_policy.Policy` says when): units are held undecoded, and at each tick a
    :class:`~.follower.Follower` tells by how much the picture has changed, in a twentieth to a
    third of the time of decoding. While that is within the limit (:class:`~.trust.Trust`) the tick
    is passed. Once it is not, or something can't be told (an intra picture, damage), what is held
    is decoded up to the tick's own picture, so that a change is seen in the same tick as by full
    decoding.

    A random access point lets go of what was held before it. Some are decoded as an **audit**, and
    so are those whose size or parameter sets are not the last one's. Where something seems to have
    changed since one that wasn't, it may be that point's coding alone: it is decoded before all
    else that is held. One that turns out to be like the picture shown last is **passed** all the
    same: what follows is followed from there, and still compared with the picture shown last, so
    that slow changes add up. A tick's picture that was decoded is shown, whatever it shows: how
    much a stream flickers is told by such pictures.

    Decoding is also forced by timestamps that jump and by the bounds on what is held. A stream that
    can't be followed (another codec, more than 8 bits, packets without times) is decoded whole.
    """

    def __init__(self, decoder: Decoder, wish: DecodeWish, after: OnDemand | None = None) -> None:
        """Takes over a decoder, of any stream, that nothing was read from.

        Args:
            decoder: what decodes.
            wish: whether everything is to be decoded for now.
            after: what read the recording before, in a file of several.
        """
        self.grid: TickGrid | None = after.grid if after else None
        """Says which frames are sampled. Without, everything is decoded."""
        self.each: bool = after.each if after else True
        """Whether every frame that is passed is told of, or only the sampled ones."""
        self._decoder = decoder
        self._wish = wish
        context = decoder.stream.codec_context
        self._policy = Policy(context.width * context.height / 256)
        self._trust = Trust()
        self._light = SteadyLight()
        self._queue = UnitQueue()
        video = decoder.stream
        extradata = video.codec_context.extradata
        follower = Follower.of(decoder.codec, extradata)
        if follower is None:
            self._give_up(f"nothing reads {decoder.codec} undecoded")
        elif decoder.motion == "codec":
            self._give_up("its vectors come from decoded pictures")
        self._follower = follower
        self._base = float(video.time_base or 0)
        self._due = 0.0  # decoding time from which the next tick may have come
        self._dts: int | None = None
        self._reorders = False  # frames are not displayed in decoding order
        self._alarm = False  # what comes next has to be decoded
        self._renewed = 0  # packet from which our reader's parameter sets hold
        self._still: list[AccessUnit] = []  # ticks passed since a picture was last decoded
        self._passed = Passed()

    @property
    def why_whole(self) -> str:
        """Why everything is decoded; empty where it isn't."""
        return self._policy.why_whole

    def frames(self) -> Iterator[DecodedFrame]:
        """Yields every native frame in display order, some of them without their pictures.

        Raises:
            SourceError: as :meth:`Decoder.frames`.
        """
        for unit in self._decoder.units():
            if unit is None:
                yield from self._end()
            elif not self._file(unit):
                yield from self._decode_plainly(unit)
            elif self._policy.state is State.FOLLOWING:
                yield from self._hold(unit)
            elif self._is_omitted(unit):
                unit.omitted = "unreferenced"
            else:
                self._policy.earn(unit.coded.size)
                yield from self._show(self._sent(unit, self._policy.reason))

    # Arrival

    def _file(self, unit: AccessUnit) -> bool:
        """Files a unit that arrived; False if it has no place in display order."""
        follower = self._follower
        if self._policy.state is State.WHOLE or follower is None:
            return False
        if self._decoder.fields is not None:
            return self._give_up("its pictures are fields")
        packet, coded = unit.packet, unit.coded
        pts, dts = packet.pts, packet.dts
        if dts is None and self._dts is None:
            # Matroska's first packets carry none. Nothing is held before one that does.
            dts = pts
        if pts is None or dts is None:
            return self._give_up("its packets carry no times")
        self._reorders |= pts != dts
        if follower.renew(packet):
            self._alarm = True
            self._renewed = coded.order
        last, self._dts = self._dts, packet.dts
        step = (dts - last) * self._base if last is not None else 0.0
        self._alarm |= coded.corrupt or self._decoder.is_damaged or not 0 <= step <= MAX_STEP
        if packet.is_keyframe and follower.is_restart(unit):
            unit.restart = True
        self._queue.file(unit)
        return True

    def _give_up(self, why: str) -> bool:
        logger.info("%s is decoded whole: %s", self._decoder.name, why)
        self._policy.give_up(why)
        return False

    def _decode_plainly(self, unit: AccessUnit) -> Iterator[DecodedFrame]:
        if self._queue.head is not None:
            yield from self._release_all()
            yield from self._pass_before(None)
        yield from self._show(unit.decode(self._policy.reason))

    # Decoding

    def _is_omitted(self, unit: AccessUnit) -> bool:
        """Whether no other is predicted from a unit, and no sample is taken of it."""
        if not self._reorders:
            return False
        assert self._follower is not None
        return not self._follower.is_reference(unit) and self._is_unsampled(unit)

    def _sent(self, unit: AccessUnit, reason: Reason) -> list[DecodedPicture]:
        """Decodes a unit; returns the pictures that come out."""
        if unit.restart and self._follower is not None:
            self._follower.note_restart(unit)
        restart, self._queue.is_broken = self._queue.is_broken, False
        return unit.decode(reason, restart=restart)

    def _is_unsampled(self, unit: AccessUnit) -> bool:
        """Whether a frame displayed earlier is known to lie in the same tick."""
        if self.grid is None or self._alarm or unit.seconds is None:
            return False
        clock, other = self._decoder.clock, self._queue.before(unit)
        time = clock.expect(unit.seconds)
        before = clock.time
        if other is not None and other.seconds is not None:
            before = clock.expect(other.seconds)
        if time is None or before is None:
            return False
        return self.grid.index(before) == self.grid.index(time)

    def _show(self, pictures: Iterable[DecodedPicture]) -> Iterator[DecodedFrame]:
        for picture in pictures:
            unit = picture.unit
            if not picture.is_wanted:
                self._look_back(picture)
                continue
            if unit is not None and self._queue.head is unit:
                self._queue.display_head()
            elif unit is not None and self._queue.head is not None:
                yield from self._pass_before(unit)
            time = self._decoder.clock.peek(picture.seconds)
            sampled = self.grid is not None and self.grid.opens(time)
            if not sampled and unit is not None and self._is_untold(picture):
                self._alarm = False
                self._passed.add(unit.coded, picture.kind)
                picture.skip()
                continue
            shown = picture.show()
            self._alarm = shown.record.damaged
            self._trust.check(time)
            if sampled:
                self._see(picture, time)
            if unit is not None and sampled and self._may_follow(unit, time):
                self._rest(picture, unit)
            yield self._with_passed(shown)

    def _is_untold(self, picture: DecodedPicture) -> bool:
        """Whether nobody is told of the frame of a picture that is not sampled."""
        if self.each or self._decoder.motion in TOLD or self._decoder.fields is not None:
            return False
        # A key frame may be of another size or turned, and damage holds for a whole interval.
        return not picture.frame.key_frame and picture.is_sound

    def _see(self, picture: DecodedPicture, time: float) -> None:
        if self._policy.state is State.WHOLE or self._follower is None:
            return
        if self._is_planar(picture) and self._policy.tick():
            limit = self._trust.limit
            still = self._follower.see(picture, limit) <= limit
            self._light.note(time, self._follower.lit(picture))
            self._policy.look(rests=still and self._light.stands)

    def _is_planar(self, picture: DecodedPicture) -> bool:
        """Whether a picture can be followed; if not, the stream is decoded whole."""
        name = picture.frame.format.name
        return name in PLANAR or self._give_up(f"its pictures are {name}")

    def _is_past_renewal(self, unit: AccessUnit) -> bool:
        """Whether our reader's parameter sets hold for all pictures from this one on."""
        waiting = self._decoder.waiting
        return all(one.coded.order >= self._renewed for one in (unit, *waiting))

    def _may_follow(self, unit: AccessUnit, time: float) -> bool:
        if self.grid is None or self._alarm or self._policy.state is State.FOLLOWING:
            return False
        if self._wish.all:
            self._policy.reason = "all"
            return False
        if self._trust.is_doubted(time):
            self._policy.reason = "doubt"
            return False
        return self._policy.may_follow() and self._is_past_renewal(unit)

    def _rest(self, picture: DecodedPicture, unit: AccessUnit) -> None:
        """Follows a picture that was shown."""
        if not self._is_planar(picture):
            return
        assert self._follower is not None
        # Sent, but not displayed yet.
        ahead = [one for one in self._decoder.waiting if one.omitted is None and one is not unit]
        ahead += self._queue.held
        self._trust.change(self._follower.change(picture))
        self._follower.start(picture, ahead)
        self._still.clear()
        self._policy.follow()
        self._due = 0.0

    def _pass_before(self, unit: AccessUnit | None) -> Iterator[DecodedFrame]:
        """Passes what is displayed before a frame, and takes the frame off the queue.

        What should have been decoded by then is lost: the decoder gave no picture of it.
        """
        for other in self._queue.display_up_to(unit):
            if other.omitted is None or other.is_displayed:
                continue
            if self._tells_each:
                yield self._with_passed(other.pass_over())
            else:
                self._skip(other)

    # Following

    def _hold(self, unit: AccessUnit) -> Iterator[DecodedFrame]:
        assert self._follower is not None and unit.packet.dts is not None
        self._queue.hold(unit)
        self._follower.hold(unit)
        dts = unit.packet.dts
        if dts >= self._due or unit.restart or self._alarm or self._queue.is_full:
            yield from self._advance(dts)

    def _advance(self, dts: int | None) -> Iterator[DecodedFrame]:
        """Displays the frames before which none can come any more."""
        assert self.grid is not None
        clock, grid, policy = self._decoder.clock, self.grid, self._policy
        while policy.state is State.FOLLOWING and (head := self._queue.head) is not None:
            assert head.packet.pts is not None
            if dts is not None and head.packet.pts > dts and not self._alarm:
                break
            time = clock.peek(head.seconds)
            if head.restart and head.omitted is None and not head.is_sent:
                policy.save(*self._queue.drop_before(head))
                if self._suspects(head, time):
                    yield from self._audit(head, time)
                    continue
            if self._wish.all:
                yield from self._wake("all")
                return
            if self._alarm:
                yield from self._wake("unknown")
                return
            if self._queue.is_full or self._trust.age(time) > MAX_AGE:
                yield from self._wake("bound")
                return
            sampled = grid.opens(time)
            if sampled and not self._stands_still():
                yield from self._wake("change")
                return
            if sampled:
                self._still.append(head)
            self._queue.display_head()
            head.omitted = "still"
            if sampled or self._tells_each:
                yield self._with_passed(head.pass_over())
            else:
                self._skip(head)
        if policy.state is State.FOLLOWING:
            self._due = clock.raw(grid.next_time) / self._base - 1

    def _suspects(self, key: AccessUnit, time: float) -> bool:
        """Whether a random access point has to be decoded."""
        assert self._follower is not None
        if self._trust.is_audit_due(time, key.coded.size):
            return True
        return self._follower.has_other_parameters(key)

    def _stands_still(self) -> bool:
        """Whether the picture that was shown last may stand for the one at a tick."""
        assert self._follower is not None
        limit = self._trust.limit
        if self._follower.difference(limit) <= limit:
            return True
        if why := self._follower.why_not():
            self._give_up(f"it uses {why}")
            return False
        key = self._queue.held[0] if self._queue.held else None
        if key is None or not key.restart or key.omitted is None or key.is_sent:
            return False
        # What an intra picture changes is not known, and what comes after it seems to.
        return self._check(key) and self._follower.difference(limit) <= limit

    def _audit(self, key: AccessUnit, time: float) -> Iterator[DecodedFrame]:
        """Decodes a random access point that is about to be displayed; shows it if it differs.

        Where it gave no picture, all that is held has to be decoded.
        """
        assert self._follower is not None
        expected = self._follower.difference(self._trust.limit, before=key)
        picture = self._alone(key)
        if picture is None:
            self._alarm = True
            return
        change, light = self._follower.change(picture), self._follower.light(picture)
        agreed = self._trust.audit(time, key.coded.size, change, expected, light)
        if agreed and change <= self._trust.limit:
            self._correct(picture, key)
            return
        self._queue.display_head()
        shown = picture.show()
        self._alarm |= shown.record.damaged
        self._see(picture, time)
        self._follower.start(picture, self._held_behind(key))
        self._still.clear()
        yield self._with_passed(shown)

    def _check(self, key: AccessUnit) -> bool:
        """Decodes a random access point that was passed; returns whether it could be."""
        assert self._follower is not None
        picture = self._alone(key)
        if picture is None:
            return False
        time, limit = self._decoder.clock.time or 0.0, self._trust.limit
        change, light = self._follower.change(picture), self._follower.light(picture)
        agreed = self._trust.audit(time, key.coded.size, change, limit, light)
        self._correct(picture, key)
        return agreed

    def _alone(self, key: AccessUnit) -> DecodedPicture | None:
        """Decodes the random access point that is held first, and returns its picture at once."""
        pictures = self._sent(key, "audit")
        if not any(picture.unit is key for picture in pictures):
            # Others are to be displayed before it, for all that the decoder knows.
            pictures = self._decoder.drain()
            self._queue.is_broken = True
        found = next((picture for picture in pictures if picture.unit is key), None)
        if found is None or found.frame.is_corrupt or self._decoder.is_damaged:
            return None
        return found if found.frame.format.name in PLANAR else None

    def _correct(self, picture: DecodedPicture, key: AccessUnit) -> None:
        assert self._follower is not None
        self._follower.correct(picture, self._held_behind(key))
        self._still.clear()

    def _held_behind(self, key: AccessUnit) -> list[AccessUnit]:
        return [unit for unit in self._queue.held if unit is not key]

    # Catching up

    def _wake(self, reason: Reason) -> Iterator[DecodedFrame]:
        """Decodes what is held, until the stream is followed again."""
        if self._policy.state is State.WHOLE:
            yield from self._release_all()
            return
        self._policy.wake(reason, urgent=self._alarm)
        yield from self._release_all()
        self._policy.caught_up()

    def _release_all(self) -> Iterator[DecodedFrame]:
        assert self._follower is not None
        while self._policy.state is not State.FOLLOWING and (unit := self._queue.release()):
            if unit.is_sent and not self._queue.is_broken:
                continue
            if unit.omitted and self._reorders and not self._follower.is_reference(unit):
                self._policy.save(1, unit.coded.size)
                continue
            self._policy.waste(unit.coded.size, again=unit.is_sent)
            yield from self._show(self._sent(unit, self._policy.reason))

    def _look_back(self, picture: DecodedPicture) -> None:
        """Asks of a tick that was passed, and is decoded for a later one, whether it was right."""
        if self._follower is None or picture.unit not in self._still:
            return
        if self._follower.change(picture) > CHANGED:
            self._trust.miss(self._decoder.clock.time or 0.0)
            self._still.clear()

    def _end(self) -> Iterator[DecodedFrame]:
        if self._policy.state is State.FOLLOWING:
            yield from self._advance(None)
        if self._policy.state is not State.FOLLOWING:
            yield from self._show(self._decoder.drain())
        yield from self._pass_before(None)

    # Either way

    @property
    def _tells_each(self) -> bool:
        """Whether somebody is told of frames that are neither decoded nor sampled."""
        return self.each or self._decoder.motion == "bitstream"

    def _skip(self, unit: AccessUnit) -> None:
        self._passed.add(unit.coded, unit.kind)
        unit.skip()

    def _with_passed(self, shown: DecodedFrame) -> DecodedFrame:
        if self._passed.frames:
            shown.passed, self._passed = self._passed, Passed()
        return shown
