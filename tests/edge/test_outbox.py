"""What is kept for the line, and what is told of what had to be left out."""

from __future__ import annotations

from costream.edge.interval import Interval, NativeFrame
from costream.edge.messages import Left
from costream.edge.outbox import Item, Outbox
from costream.edge.wire import CAMERA, INTERVAL, PACKET, PARAMETERS, SKIPPED
from costream.video.record import FrameRecord

CAMERA_ITEM, PARAMETERS_ITEM = Item(CAMERA, b"c"), Item(PARAMETERS, b"p")
GROUP = 1000


def group(outbox: Outbox, time: float) -> None:
    """Begins a group of two ticks."""
    items = [Item(PACKET, bytes(GROUP)), _tick(time), _tick(time + 0.5)]
    outbox.begin(CAMERA_ITEM, PARAMETERS_ITEM, items)


def taken(outbox: Outbox) -> list[Item]:
    """Takes all that is to be sent, as having arrived."""
    found: list[Item] = []
    while items := outbox.batch():
        found += items
        outbox.arrived(len(items))
    return found


def told(items: list[Item]) -> list[Left]:
    return [Left.decode(item.payload) for item in items if item.kind == SKIPPED]


def times(items: list[Item]) -> list[float]:
    return [item.interval.time for item in items if item.interval is not None]


def test_what_is_left_out_again_and_again_is_told_once_and_whole() -> None:
    outbox = Outbox(GROUP * 5 // 2, 1e9)
    for time in range(10):
        group(outbox, float(time))
    items = taken(outbox)
    assert times(items) == [8.0, 8.5, 9.0, 9.5]
    assert told(items) == [Left(16, 0.0, 7.5, 8.0)]
    assert outbox.left == 16


def test_what_was_under_way_to_a_receiver_that_is_gone_is_told_in_its_place() -> None:
    outbox = Outbox(GROUP * 5 // 2, 1e9)
    group(outbox, 0.0)
    assert times(outbox.batch()) == [0.0, 0.5]
    for time in range(1, 5):
        group(outbox, float(time))
    outbox.restart()
    items = taken(outbox)
    kept = times(items)
    gone = told(items)
    assert sum(left.frames for left in gone) + len(kept) == 10
    assert [left.start for left in gone] == [0.0, 1.0]
    assert all(left.end == kept[0] for left in gone)
    kinds = [item.kind for item in items]
    assert max(n for n, kind in enumerate(kinds) if kind == SKIPPED) < kinds.index(INTERVAL)


def _tick(time: float) -> Item:
    record = FrameRecord(round(2 * time), time, "P", 60, 0, False)
    return Item(INTERVAL, b"i", Interval((NativeFrame(record),)))
