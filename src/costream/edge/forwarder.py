"""One camera, read where it stands and sent on for as long as it is wanted."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from time import monotonic

from costream.edge.account import Account
from costream.edge.camera import EdgeCamera, Passage
from costream.edge.interval import Beat, Shown, encode_interval
from costream.edge.messages import Begun, SentPacket, Wanted, encode_lost, encode_parameters
from costream.edge.outbox import Item, Outbox, standing_item
from costream.edge.uplink import Uplink
from costream.edge.wire import CAMERA, INTERVAL, LOST, PACKET, PARAMETERS, STRETCH, record
from costream.errors import SourceError, SourceRefusedError
from costream.video.backoff import Backoff
from costream.video.decoder_input import GivenPacket
from costream.video.packet_ring import CodecParameters, PacketRing, StoredPacket

Connect = Callable[[PacketRing], EdgeCamera]
"""Returns a new connection to the camera, not opened yet, whose packets a ring keeps."""

_LOOK = 0.5
"""Seconds after which a wait looks whether it was stopped."""

logger = logging.getLogger("costream")


class Forwarder:
    """Reads a camera and puts what has to be sent into the outbox.

    Args:
        connect: makes a connection to the camera.
        ring: keeps the newest packets, all of them.
        outbox: takes what is to be sent.
        account: counts.
        waits: a source that has an end, such as a file, is read no faster than it is sent; a camera
            never waits.
    """

    def __init__(
        self,
        connect: Connect,
        ring: PacketRing,
        outbox: Outbox,
        account: Account,
        *,
        waits: bool = True,
    ) -> None:
        self._connect = connect
        self._ring = ring
        self._outbox = outbox
        self._account = account
        self._waits = waits
        self._backoff = Backoff(math.inf)
        self._stopped = threading.Event()
        self._seen: float | None = None  # when the last frame came
        self._line: Line | None = None

    def run(self, fps: float, uplink: Uplink) -> None:
        """Reads until it is stopped, or until a file has ended.

        Args:
            fps: at which the camera is sampled at first.
            uplink: says at which rate it is sampled by now.

        Raises:
            SourceRefusedError: asking for the camera again is of no use.
            SourceError: a file can't be read.
        """
        while not self._stopped.is_set():
            camera = self._connect(self._ring)
            try:
                with camera:
                    self._follow(camera, fps, uplink)
                cause = f"{camera.info.source} ended"
                over = not camera.info.live
            except SourceRefusedError:
                raise
            except SourceError as error:
                if camera.is_live is False:
                    raise
                cause, over = str(error), False
            self._lose(cause)
            if over or self._stopped.wait(self._backoff.next_delay()):
                return
            fps = uplink.fps or fps

    def stop(self) -> None:
        """Ends it with the next frame."""
        self._stopped.set()

    def stretch(self, wanted: Wanted) -> Iterator[bytes]:
        """Yields the records of a stretch in full, as far back as packets are kept."""
        head = wanted.id.to_bytes(4, "big")
        parameters: CodecParameters | None = None
        for packet in self._ring.since(monotonic() - wanted.seconds):
            if packet.parameters is not parameters:
                parameters = packet.parameters
                yield _part(head, PARAMETERS, encode_parameters(parameters))
            yield _part(head, PACKET, _sent(packet).encode())
        yield _part(head, LOST, encode_lost("the stretch is whole"))

    def _follow(self, camera: EdgeCamera, fps: float, uplink: Uplink) -> None:
        self._outbox.patient = self._waits and not camera.info.live
        line = self._line = Line(self._outbox, camera, fps, self._away())
        for passage in camera.passages(fps):
            if self._stopped.is_set():
                return
            self._seen = monotonic()
            self._backoff.note_frame()
            line.put(passage)
            self._count(passage)
            while self._outbox.patient and not self._stopped.is_set():
                if self._outbox.await_room(_LOOK):
                    break
            if uplink.fps != fps:
                raise SourceError(f"{camera.info.source} is to be sampled at another rate")

    def _away(self) -> float | None:
        return None if self._seen is None else monotonic() - self._seen

    def _count(self, passage: Passage) -> None:
        self._account.camera = self._ring.received
        self._account.count(passage.interval)
        self._account.left = self._outbox.left

    def _lose(self, cause: str) -> None:
        if not self._backoff.attempts:
            logger.warning("%s", cause)
        if self._line is not None:
            self._line.end(cause)
            self._line = None


class Line:
    """One connection to the camera, on its way into the outbox."""

    def __init__(self, outbox: Outbox, camera: EdgeCamera, fps: float, away: float | None) -> None:
        begun = Begun(camera.info, camera.evidence, fps, camera.base, camera.zero, away)
        self._outbox = outbox
        self._camera = camera
        self._beat = Beat(begun.base, begun.zero)
        self._begun = Item(CAMERA, begun.encode())
        self._parameters: CodecParameters | None = None
        self._told = self._begun
        self._covered = range(0)  # numbers of what the receiver's decoder is given in a row
        self._standing: Shown | None = None
        self._latest: list[GivenPacket] = []  # what it is decoded from
        self._is_new = True
        self._begins_with = -1  # order of the group's first packet

    def put(self, passage: Passage) -> None:
        """Puts what lies between two ticks."""
        interval, packets = passage.interval, passage.packets
        told = Item(INTERVAL, encode_interval(interval, self._beat), interval)
        if self._is_new or self._outbox.wants_start:
            self._start(packets, told)
        elif packets and packets[0].number in self._covered and self._goes_on(packets[-1]):
            self._outbox.add([*_items(p for p in packets if p.number not in self._covered), told])
            self._covered = range(self._covered.start, packets[-1].number + 1)
        elif packets and packets[0].order == self._begins_with and self._goes_on(packets[-1]):
            self._outbox.add([*self._again(packets), told])
        elif packets:
            self._start(packets, told)
        else:
            self._outbox.add([told])
        self._standing = interval.standing or self._standing
        self._latest = packets or self._latest

    def end(self, cause: str) -> None:
        """Puts the end of the connection."""
        if not self._is_new:
            self._outbox.add([Item(LOST, encode_lost(cause))])

    def _again(self, packets: list[GivenPacket]) -> Iterator[Item]:
        """Yields a group's first packet as to be decoded once more, and those behind it."""
        first, others = packets[0], packets[1:]
        again = SentPacket(first.order, b"", first.pts, first.dts, first.key, restart=True)
        self._covered = range(first.number, packets[-1].number + 1)
        yield Item(PACKET, again.encode())
        yield from _items(others)

    def _goes_on(self, packet: GivenPacket) -> bool:
        return packet.parameters is self._parameters

    def _start(self, packets: list[GivenPacket], told: Item) -> None:
        """Begins a group, with the picture that stands for the moment where none is shown."""
        standing = [] if packets or self._standing is None else [standing_item(self._standing)]
        packets = packets or self._latest
        first, parameters = packets[0], packets[-1].parameters
        if parameters is not self._parameters:
            self._parameters = parameters
            self._told = Item(PARAMETERS, encode_parameters(parameters))
        goes_on = first.number == self._covered.stop and not first.fresh
        self._is_new, self._begins_with = False, first.order
        self._covered = range(first.number, packets[-1].number + 1)
        items = [*_items(packets, restart=not goes_on), *standing, told]
        self._outbox.begin(self._begun, self._told, items)


def _items(
    packets: Iterator[GivenPacket] | list[GivenPacket], *, restart: bool = False
) -> Iterator[Item]:
    for packet in packets:
        sent = SentPacket(packet.order, packet.data, packet.pts, packet.dts, packet.key, restart)
        restart = False
        yield Item(PACKET, sent.encode())


def _sent(packet: StoredPacket) -> SentPacket:
    return SentPacket(packet.number, packet.data, packet.pts, packet.dts, packet.key)


def _part(head: bytes, kind: int, payload: bytes) -> bytes:
    return record(STRETCH, head + bytes((kind,)) + payload)
