"""A sink under its name, and what it is told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from costream.serve.config.model import CommandConfig, Filter, SinkConfig, WebhookConfig
from costream.serve.sinks.audience import Audience
from costream.serve.sinks.base import Sink
from costream.serve.sinks.command import CommandSink
from costream.serve.sinks.mqtt import MqttSink
from costream.serve.sinks.webhook import WebhookSink

StillOf = Callable[[str], Path]
"""Returns an event's still, or raises ``UnknownError``."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink as it was configured.

    Attributes:
        type: webhook, mqtt or command.
        sink: who tells.
        filter: of what.
    """

    type: str
    sink: Sink
    filter: Filter

    @property
    def audience(self) -> Audience:
        """What the sink is told of, without its secrets."""
        chosen = {name: getattr(self.filter, name) for name in Filter.model_fields}
        return Audience(Filter(**chosen), self.sink.prompt)


def make_outlet(config: SinkConfig, still: StillOf) -> Outlet:
    """Returns the sink of a configuration and its filter; nothing is connected yet."""
    return Outlet(config.type, make_sink(config, still), config)


def make_sink(config: SinkConfig, still: StillOf) -> Sink:
    """Returns the sink of a configuration.

    Args:
        config: as the file says it.
        still: where the still of an event is.

    Raises:
        SettingsError: it can't be used as configured.
    """
    if isinstance(config, WebhookConfig):
        return WebhookSink(config)
    if isinstance(config, CommandConfig):
        return CommandSink(config)
    return MqttSink(config, still)
