"""What is wrong with a sink by itself: where it sends to, and what it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx

from costream.serve.config.model import CommandConfig, MqttConfig, SinkConfig, WebhookConfig
from costream.serve.config.problem import Path

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header's name (RFC 9110)."""

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_MQTT_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


def sink_flaws(path: Path, sink: SinkConfig) -> Iterator[tuple[Path, str]]:
    """Yields where a sink is wrong, and why; no message holds what may be secret."""
    if isinstance(sink, WebhookConfig):
        yield from _webhook_flaws(path, sink)
    elif isinstance(sink, MqttConfig):
        if not _MQTT_HOST.fullmatch(sink.host):
            yield (*path, "host"), "it is no host: write the broker's name or address alone"
    else:
        yield from _command_flaws(path, sink)


def is_web(url: str) -> bool:
    """Whether a URL is one of http or https and names a host."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


def _webhook_flaws(path: Path, sink: WebhookConfig) -> Iterator[tuple[Path, str]]:
    if not is_web(sink.url.get_secret_value()):
        yield (*path, "url"), "it is no http or https URL: write it as https://host/path"
    for name, value in sink.headers.items():
        if not _HEADER.fullmatch(name):
            yield (*path, "headers", name), "it is no name of a header"
        elif not _VALUE.fullmatch(value.get_secret_value()):
            yield (*path, "headers", name), "a header is text on one line, of Latin letters"


def _command_flaws(path: Path, sink: CommandConfig) -> Iterator[tuple[Path, str]]:
    if not sink.run[0]:
        yield (*path, "run", 0), "it is empty: name a program"
    for number, argument in enumerate(sink.run):
        if "\0" in argument:
            yield (*path, "run", number), "no program takes a NUL character: leave it out"
