"""What the edge has not yet been told to have arrived: kept up to a bound, then left out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import monotonic

from costream.edge.interval import Interval, Shown, encode_shown
from costream.edge.messages import Left
from costream.edge.wire import CAMERA, INTERVAL, PACKET, PARAMETERS, SKIPPED, STANDING

MAX_BATCH = 512 << 10
"""Bytes of one request, where it is not a single packet that is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A record that waits.

    Attributes:
        kind: of the record.
        payload: of the record.
        interval: what it tells, of an interval.
        standing: the picture that it tells of, of one that stands for the moment.
        left: what it tells of frames that were left out.
        since: when it came, on the clock of ``time.monotonic``.
    """

    kind: int
    payload: bytes
    interval: Interval | None = None
    standing: Shown | None = None
    left: Left | None = None
    since: float = field(default_factory=monotonic)


@dataclass(slots=True, eq=False)
class _Group:
    """Records that can be made sense of without those before.

    Attributes:
        camera: the connection to the camera.
        parameters: how the packets are decoded.
        waiting: what has not arrived.
        arrived: packets that have, and that what waits is decoded with.
        standing: the picture that stands for the moment where the waiting records begin.
        size: bytes of what waits and what has arrived.
    """

    camera: Item
    parameters: Item
    waiting: deque[Item]
    arrived: list[Item] = field(default_factory=list)
    standing: Shown | None = None
    size: int = 0


class Outbox:
    """Records in order, from the thread that reads the camera to the one that sends.

    They lie in groups, each of which begins with a random access point, so that any group can be
    the first that a receiver gets. What has arrived of a group is kept as long as others of it
    wait: a receiver that was started anew gets it again.

    Where more than the bounds waits, whole groups are left out, the oldest first, and the receiver
    is told. Of a group under way, what was sent and is not known to have arrived stays.

    Args:
        max_bytes: of records that are kept.
        max_seconds: that a record may wait.
    """

    def __init__(self, max_bytes: int, max_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._groups: deque[_Group] = deque()
        self._flight: list[Item] = []
        self._flown: _Group | None = None  # the group of what is under way
        self._told: tuple[Item, Item] | None = None  # camera and parameters
        self._left: Left | None = None  # not told yet
        self._changed = threading.Condition()
        self._urgent = False
        self.patient = False
        """Whether who adds waits for room, so that nothing has to be left out."""
        self.left = 0
        """Sampled frames that were left out so far."""

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        with self._changed:
            return self._size

    @property
    def _size(self) -> int:
        return sum(group.size for group in self._groups) + _size(self._flight)

    @property
    def wants_start(self) -> bool:
        """Whether the next thing has to be a group's start, since what it would follow is gone."""
        with self._changed:
            return not self._groups

    def begin(self, camera: Item, parameters: Item, items: Iterable[Item]) -> None:
        """Begins a group.

        Args:
            camera: the connection to the camera.
            parameters: how its packets are decoded.
            items: packets from a random access point on, and what follows.
        """
        with self._changed:
            self._groups.append(_Group(camera, parameters, deque()))
            self._put(items)

    def add(self, items: Iterable[Item]) -> None:
        """Adds records to the group that was begun last, where one is: see :attr:`wants_start`."""
        with self._changed:
            if self._groups:
                self._put(items)

    def _put(self, items: Iterable[Item]) -> None:
        group = self._groups[-1]
        for item in items:
            if item.interval is not None and self._left is not None:
                self._tell_left(group, item.interval.time)
            group.waiting.append(item)
            group.size += len(item.payload)
            self._urgent |= item.kind != INTERVAL
        self._bound()
        self._changed.notify_all()

    @property
    def is_urgent(self) -> bool:
        """Whether something has to be sent at once."""
        with self._changed:
            return self._is_urgent(self._head())

    def wait(self, seconds: float) -> None:
        """Waits until something has to be sent at once, but no longer than for some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent, max(0.0, seconds))
            self._urgent = False

    def await_room(self, seconds: float) -> bool:
        """Waits, at most for some seconds, until less than half of the bound is kept."""
        with self._changed:
            return self._changed.wait_for(lambda: self._size <= self._max_bytes // 2, seconds)

    def await_end(self, seconds: float) -> bool:
        """Waits, at most for some seconds, until all has arrived."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(
                lambda: not self._flight and self._head() is None, seconds
            )

    def wake(self) -> None:
        """Ends a wait."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()

    def batch(self) -> list[Item]:
        """Returns the records to be sent next: the same until they have arrived."""
        with self._changed:
            if not self._flight and (group := self._head()) is not None:
                self._flight, self._flown = self._introduced(group), group
                size = 0
                while group.waiting and (not size or size < MAX_BATCH):
                    item = group.waiting.popleft()
                    group.size -= len(item.payload)
                    size += len(item.payload)
                    self._flight.append(item)
            return list(self._flight)

    def arrived(self, count: int) -> bool:
        """Notes how many of the records that were sent have arrived.

        Returns:
            Whether there is more to send at once.
        """
        with self._changed:
            done, self._flight = self._flight[:count], self._flight[count:]
            for item in done:
                self._note(item)
            self._changed.notify_all()
            return bool(self._flight) or self._is_urgent(self._head())

    def restart(self) -> None:
        """Has everything be sent to a receiver that knows nothing yet."""
        with self._changed:
            self._told = None
            group, self._flown = self._flown, None
            flight, self._flight = self._flight, []
            if not self._groups or group is not self._groups[0]:
                self._leave(flight)
                self._tell_left_in_front()
            elif group is not None:
                again = [i for i in flight if i.kind not in (CAMERA, PARAMETERS, STANDING)]
                standing = [] if group.standing is None else [standing_item(group.standing)]
                group.size += _size(again)
                group.waiting = deque([*group.arrived, *standing, *again, *group.waiting])
                group.arrived = []

    def _head(self) -> _Group | None:
        """Returns the oldest group of which something waits; what was before it is done."""
        while len(self._groups) > 1 and not self._groups[0].waiting and not self._flight:
            self._groups.popleft()
        return self._groups[0] if self._groups and self._groups[0].waiting else None

    def _is_urgent(self, group: _Group | None) -> bool:
        if group is None:
            return False
        return group is not self._groups[-1] or any(i.kind != INTERVAL for i in group.waiting)

    def _introduced(self, group: _Group) -> list[Item]:
        told, now = self._told or (None, None), (group.camera, group.parameters)
        self._told = now
        if told[0] is not group.camera:
            return list(now)
        return [] if told[1] is group.parameters else [group.parameters]

    def _note(self, item: Item) -> None:
        group = self._flown
        if group is None:
            return
        if item.kind == PACKET:
            group.arrived.append(item)
            group.size += len(item.payload)
        elif item.interval is not None:
            group.standing = item.interval.standing or group.standing
        elif item.standing is not None:
            group.standing = item.standing

    def _bound(self) -> None:
        while self._groups and not self.patient and self._is_too_much():
            self._leave(self._groups.popleft().waiting)
        self._tell_left_in_front()

    def _tell_left_in_front(self) -> None:
        if self._left is not None and self._groups:
            group = self._groups[0]
            first = next((i.interval for i in group.waiting if i.interval is not None), None)
            if first is not None:
                self._tell_left(group, first.time, front=True)

    def _is_too_much(self) -> bool:
        if self._size > self._max_bytes:
            return True
        waiting = self._groups[0].waiting
        return bool(waiting) and monotonic() - waiting[0].since > self._max_seconds

    def _leave(self, items: Iterable[Item]) -> None:
        """Leaves records out, some of which may have told of others that were."""
        gone = [] if self._left is None else [self._left]
        for item in items:
            if item.left is not None:
                gone.append(item.left)
            elif item.interval is not None:
                time = item.interval.time
                gone.append(Left(1, time, time, time))
                self.left += 1
        if gone:
            start, last = min(one.start for one in gone), max(one.last for one in gone)
            self._left = Left(sum(one.frames for one in gone), start, last, last)

    def _tell_left(self, group: _Group, end: float, *, front: bool = False) -> None:
        assert self._left is not None
        left = replace(self._left, end=end)
        told = Item(SKIPPED, left.encode(), left=left)
        group.size += len(told.payload)
        if front:
            group.waiting.appendleft(told)
        else:
            group.waiting.append(told)
        self._left = None


def standing_item(shown: Shown) -> Item:
    """Returns the record that says which picture stands for the moment."""
    target = bytearray()
    encode_shown(target, shown)
    return Item(STANDING, bytes(target), standing=shown)


def _size(items: Iterable[Item]) -> int:
    return sum(len(item.payload) for item in items)
