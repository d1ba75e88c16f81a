"""From what is configured to what is watched: every default filled in."""

from __future__ import annotations

from costream.serve.config.levels import alert_rule, asked_of, levels
from costream.serve.config.model import CameraConfig, QuestionConfig, ServiceConfig
from costream.serve.config.overlay import NOTHING, Overlay
from costream.serve.config.watched import WatchedCamera, WatchedQuestion


def resolve(config: ServiceConfig, overlay: Overlay = NOTHING) -> tuple[WatchedCamera, ...]:
    """Returns the cameras that there are, those that are paused as well.

    Of each setting of alerts the most specific counts that is given: of the question before this
    camera, of the question, of the camera, of the whole file, and else the default.

    Args:
        config: the file.
        overlay: what the API changed, as :meth:`Overlay.fitted` leaves it for this file.

    Raises:
        SettingsError: the overlay does not fit the file.
    """
    there = overlay.applied_to(config)
    return tuple(
        WatchedCamera(
            id=name,
            name=camera.name or name,
            config=camera,
            questions=_questions(there, name, camera),
            schedule=tuple(camera.schedule or ()),
            source="api" if name in overlay.added else "file",
            paused=overlay.paused.get(name, not camera.enabled),
            masks=tuple(camera.masks.values()),
        )
        for name, camera in there.cameras.items()
    )


def _questions(
    config: ServiceConfig, name: str, camera: CameraConfig
) -> tuple[WatchedQuestion, ...]:
    return tuple(
        _watched(config, name, camera, asked, question)
        for asked, question in asked_of(config, camera)
        if question.enabled and (question.zone is None or question.zone in camera.zones)
    )


def _watched(
    config: ServiceConfig, name: str, camera: CameraConfig, asked: str, question: QuestionConfig
) -> WatchedQuestion:
    return WatchedQuestion(
        id=asked,
        name=question.name or question.ask,
        ask=question.ask,
        zone=question.zone,
        polygon=None if question.zone is None else camera.zones[question.zone],
        schedule=tuple(question.schedule or ()),
        rule=alert_rule(levels(config, name, asked)),
    )
