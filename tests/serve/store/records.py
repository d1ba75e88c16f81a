"""Events for tests of the store."""

from __future__ import annotations

from typing import Any

from costream.serve.events.event import Event
from costream.serve.events.ulid import new_ulid
from costream.serve.store.record import Record


def a_record(
    start: float = 1000.0, end: float | None = None, *, closed: bool = False, **changes: Any
) -> Record:
    values: dict[str, Any] = {
        "id": new_ulid(start),
        "camera": "door",
        "question": "person",
        "ask": "Is there a person?",
        "zone": None,
        "start": start,
        "end": end,
        "score": 0.9,
        "threshold": 0.5,
    }
    event = Event(**{**values, **changes})
    return Record(event, start if end is None else end, 60.0, closed=closed)
