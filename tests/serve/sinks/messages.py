"""Messages for tests of sinks."""

from __future__ import annotations

from typing import Any

from costream.serve.events.event import EventMessage
from tests.serve.store.records import a_record


def a_message(change: Any = "new", at: float = 1000.0, **changes: Any) -> EventMessage:
    return EventMessage(change, a_record(1000.0, **changes).event, at)
