"""What a change of the configuration asks of the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from costream.serve.config.model import ServiceConfig
from costream.serve.config.watched import WatchedCamera

_READING = ("url", "credentials_file", "transport", "timeout", "decode", "loop", "zones", "masks")
"""Fields of a camera that decide how it is read: a change opens it again."""

_FIXED = ("model", "data", "timezone", "engine", "server", "store")
"""Parts of the file that the service reads once."""


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """What became of cameras, by their ids.

    Attributes:
        added: they are new.
        removed: they are gone.
        restarted: they are read otherwise, and are opened again.
        asked: they are asked otherwise, or have another name, schedule or rule, or are paused or
            not: they go on as they are read.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


def changed(before: Sequence[WatchedCamera], after: Sequence[WatchedCamera]) -> ConfigDiff:
    """Returns what is different between the cameras of two configurations."""
    old, new = ({camera.id: camera for camera in cameras} for cameras in (before, after))
    both = [camera for name, camera in new.items() if name in old]
    restarted = [c.id for c in both if _restarts(old[c.id], c)]
    return ConfigDiff(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        restarted=tuple(restarted),
        asked=tuple(c.id for c in both if c != old[c.id] and c.id not in restarted),
    )


def parts_changed(before: ServiceConfig, after: ServiceConfig) -> tuple[str, ...]:
    """Returns the parts of the file that changed and take a restart of the service."""
    return tuple(part for part in _FIXED if getattr(before, part) != getattr(after, part))


def sinks_changed(before: ServiceConfig, after: ServiceConfig) -> tuple[str, ...]:
    """Returns the names of the sinks that were added, removed or changed."""
    names = dict.fromkeys([*before.sinks, *after.sinks])
    return tuple(name for name in names if before.sinks.get(name) != after.sinks.get(name))


def told(diff: ConfigDiff, sinks: Sequence[str], parts: Sequence[str]) -> Iterator[str]:
    """Yields in sentences what a change came to.

    Args:
        diff: of cameras.
        sinks: names of sinks that changed.
        parts: parts of the file that take a restart.
    """
    for names, noun, what in (
        (diff.added, "camera", "added"),
        (diff.removed, "camera", "removed"),
        (diff.restarted, "camera", "opened again"),
        (diff.asked, "camera", "changed without a pause"),
        (sinks, "sink", "changed"),
    ):
        if names:
            yield f"{what}: {noun}{'' if len(names) == 1 else 's'} {', '.join(names)}"
    if parts:
        yield f"not applied until the service is restarted: {', '.join(parts)}"


def _restarts(before: WatchedCamera, after: WatchedCamera) -> bool:
    return _reading(before) != _reading(after) or _reach(after) > _reach(before)


def _reading(camera: WatchedCamera) -> tuple[Any, ...]:
    return tuple(getattr(camera.config, name) for name in _READING)


def _reach(camera: WatchedCamera) -> float:
    """Returns how many seconds of packets are kept for clips; more are kept by opening again."""
    return max((q.rule.before for q in camera.questions if q.rule.clip), default=0.0)
