"""How often a receiver may refuse a message before it is left out."""

from __future__ import annotations

from costream.errors import DeliveryError, RejectedError
from costream.serve.events.event import EventMessage

REFUSALS = 8
"""Refusals of one message after which it is left out: about two minutes after the first."""


class Refusals:
    """Counts refusals of the message at a sink's head."""

    def __init__(self) -> None:
        self._key = ""
        self._count = 0

    def refuse(self, message: EventMessage, reason: str) -> DeliveryError:
        """Returns the error of a message that was refused once more."""
        key = delivery_key(message)
        self._count = self._count + 1 if key == self._key else 1
        self._key = key
        if self._count < REFUSALS:
            return DeliveryError(reason)
        return RejectedError(f"{reason}, {self._count} times: the message is left out")


def delivery_key(message: EventMessage) -> str:
    """Returns what names a message, the same however often it is sent.

    An event has one ``new`` and one ``end``; an ``update`` is told from others by its time.
    """
    key = f"{message.event.id}:{message.change}"
    return f"{key}:{message.at:.3f}" if message.change == "update" else key
