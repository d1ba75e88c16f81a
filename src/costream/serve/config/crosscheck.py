"""What is wrong between the parts of a configuration, though each is right by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from costream.engine.asks import checked_asks
from costream.errors import SettingsError
from costream.serve.config.camera_check import camera_flaws
from costream.serve.config.engine_check import engine_flaws, unfit_for
from costream.serve.config.levels import Level, asked_of, levels, overrides_of
from costream.serve.config.model import EDGE, PUSH, Filter, ServiceConfig
from costream.serve.config.problem import Path, suggestion
from costream.serve.config.server_check import server_flaws, store_flaws
from costream.serve.config.sink_check import sink_flaws

Flaw = tuple[Path, str]
"""Where something is wrong, and what in a sentence."""

Names = Mapping[str, Any]


def service_flaws(config: ServiceConfig, written: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yields what is wrong with a configuration as a whole.

    Args:
        config: those of its parts that are right by themselves.
        written: all values of the file, by which a name is known even if what it names is wrong.
    """
    yield from engine_flaws(config)
    yield from server_flaws(config.server)
    yield from store_flaws(config.store)
    yield from _timezone_flaws(config)
    yield from watched_flaws(config, written)
    cameras, questions = _names(config, written, "cameras"), _names(config, written, "questions")
    for name, sink in config.sinks.items():
        yield from sink_flaws(("sinks", name), sink)
        yield from _filter_flaws(("sinks", name), sink, cameras, questions)


def watched_flaws(config: ServiceConfig, written: Names) -> Iterator[Flaw]:
    """Yields what is wrong with cameras and questions; the arguments are as above."""
    questions = _names(config, written, "questions")
    for name, question in config.questions.items():
        try:
            checked_asks([question.ask])
        except SettingsError as error:
            yield ("questions", name, "ask"), str(error)
    for name, camera in config.cameras.items():
        yield from camera_flaws(("cameras", name), camera)
        for asked in overrides_of(camera) or ():
            if asked not in questions:
                yield (
                    _asked_path(config, name, asked),
                    f"there is no question {asked!r}{suggestion(asked, questions)}",
                )
    yield from _zone_flaws(config)
    yield from _release_flaws(config)


def watched_warnings(config: ServiceConfig) -> Iterator[Flaw]:
    """Yields what is odd and allowed."""
    if unfit := unfit_for(config):
        yield ("model",), unfit
    first: dict[str, str] = {}
    for name, camera in config.cameras.items():
        other = first.setdefault(camera.url, name)
        if other != name and camera.url not in (PUSH, EDGE):
            yield ("cameras", name, "url"), f"the camera {other!r} has the same URL"
        if not any(question.enabled for _, question in asked_of(config, camera)):
            yield ("cameras", name), "it is asked no question: nothing of it will be told"


def _names(config: ServiceConfig, written: Names, field: str) -> list[str]:
    raw = written.get(field)
    return list(dict.fromkeys([*getattr(config, field), *(raw if isinstance(raw, dict) else ())]))


def _asked_path(config: ServiceConfig, camera: str, question: str) -> Path:
    asked = config.cameras[camera].questions
    place = asked.index(question) if isinstance(asked, list) else question
    return ("cameras", camera, "questions", place)


def _timezone_flaws(config: ServiceConfig) -> Iterator[Flaw]:
    if config.timezone is None:
        return
    try:
        ZoneInfo(config.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = suggestion(config.timezone, sorted(available_timezones()))
        hint = near if "did you mean" in near else ": write such as Europe/Berlin or UTC"
        yield ("timezone",), f"there is no time zone {config.timezone!r}{hint}"


def _zone_flaws(config: ServiceConfig) -> Iterator[Flaw]:
    for name, camera in config.cameras.items():
        overrides = overrides_of(camera)
        for asked, question in asked_of(config, camera):
            if overrides is not None and question.zone and question.zone not in camera.zones:
                own = overrides[asked].zone is not None
                place = _asked_path(config, name, asked)
                yield (
                    (*place, "zone") if own else place,
                    f"the camera {name!r} has no zone {question.zone!r}"
                    f"{suggestion(question.zone, list(camera.zones))}",
                )
    zones = {zone for camera in config.cameras.values() for zone in camera.zones}
    for name, question in config.questions.items():
        if question.zone and question.zone not in zones and config.cameras:
            hint = suggestion(question.zone, sorted(zones))
            yield ("questions", name, "zone"), f"no camera has a zone {question.zone!r}{hint}"


def _release_flaws(config: ServiceConfig) -> Iterator[Flaw]:
    found: dict[Flaw, None] = {}
    for name, camera in config.cameras.items():
        for asked, _ in asked_of(config, camera):
            found.update(dict.fromkeys(_release_flaw(levels(config, name, asked))))
    found.update(dict.fromkeys(_release_flaw([(("alerts",), config.alerts)])))
    yield from found


def _release_flaw(levels: list[Level]) -> Iterator[Flaw]:
    """Yields a flaw where the last release is above the last threshold, at the later of both."""
    given: dict[str, tuple[Path, float]] = {}
    for path, alerts in levels:
        for name in ("threshold", "release"):
            value = getattr(alerts, name)
            if value is not None:
                given.pop(name, None)
                given[name] = ((*path, name), value)
    if len(given) == 2 and given["release"][1] > given["threshold"][1]:
        path, _ = list(given.values())[-1]
        yield (
            path,
            f"the release {given['release'][1]:g} is above the threshold "
            f"{given['threshold'][1]:g}: an incident would end before it begins",
        )


def _filter_flaws(
    path: Path, sink: Filter, cameras: list[str], questions: list[str]
) -> Iterator[Flaw]:
    for field, noun, known in (
        ("cameras", "camera", cameras),
        ("questions", "question", questions),
    ):
        for number, name in enumerate(getattr(sink, field) or ()):
            if name not in known:
                yield (
                    (*path, field, number),
                    f"there is no {noun} {name!r}{suggestion(name, known)}",
                )
