"""What the store keeps of an event, and of what sinks are still to be told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from costream.serve.events.event import Event, EventMessage


@dataclass(frozen=True, slots=True)
class Record:
    """An event, and where its incident was last.

    Attributes:
        event: the event.
        last: the end of the last window at or above release.
        cooldown: of the rule that it goes by.
        announced: whether sinks may be told of it.
        closed: whether its ``end`` was reported, so that nothing continues it.
    """

    event: Event
    last: float
    cooldown: float
    announced: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """A file of an event.

    Attributes:
        kind: what it is.
        path: within the data folder.
        bytes: its size.
    """

    kind: Literal["still", "clip"]
    path: PurePosixPath
    bytes: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that a sink was not told of yet.

    Attributes:
        message: the message; None where what is kept of it can't be read.
        number: its place in the outbox.
        attempts: how often it was tried.
        due: when it is to be tried next, seconds since 1970.
    """

    message: EventMessage | None
    number: int
    attempts: int
    due: float


def to_json(message: EventMessage) -> str:
    """Returns a message as the outbox keeps it."""
    return json.dumps(message.to_dict(), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> EventMessage:
    """Reads a message of the outbox.

    Raises:
        ValueError: it is none; or a TypeError or KeyError.
    """
    values = json.loads(text)
    return EventMessage(values["change"], Event(**values["event"]), values["at"])
