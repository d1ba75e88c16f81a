"""What is watched, with every default filled in: what the rest of the service goes by."""

from __future__ import annotations

from dataclasses import dataclass

from costream.serve.config.model import CameraConfig, Polygon, ScheduleConfig


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When the scores of one question before one camera become an event.

    Attributes are those of :class:`~costream.serve.config.model.AlertConfig`, none of them missing
    but ``threshold`` and ``release``: None is the model's own threshold for the question, and 0.7
    of what the threshold is.
    """

    threshold: float | None = None
    release: float | None = None
    hold: float = 0.0  # ``for`` in the file
    cooldown: float = 60.0
    update_every: float = 0.0
    before: float = 5.0
    after: float = 5.0
    clip: bool = True
    still: bool = True
    sentence: bool = True
    max_clip: float = 600.0


@dataclass(frozen=True, slots=True)
class WatchedQuestion:
    """One question before one camera.

    Attributes:
        id: its name in the file.
        name: what people call it.
        ask: the question.
        zone: name of the camera's zone that it is asked about, or None.
        polygon: that zone.
        schedule: when it is asked; empty for always.
        rule: when it becomes an event.
    """

    id: str
    name: str
    ask: str
    zone: str | None
    polygon: Polygon | None
    schedule: tuple[ScheduleConfig, ...]
    rule: AlertRule


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """One camera with its questions.

    Attributes:
        id: its name in the file.
        name: what people call it.
        config: as it was configured.
        questions: those that are enabled, in the file's order.
        schedule: when it is watched; empty for always.
        source: ``file`` or ``api``: where it was configured.
        paused: whether it is not to be watched now: the API paused it, or ``enabled`` says so and
            the API does not say otherwise.
        masks: polygons that the model never sees.
    """

    id: str
    name: str
    config: CameraConfig
    questions: tuple[WatchedQuestion, ...]
    schedule: tuple[ScheduleConfig, ...] = ()
    source: str = "file"
    paused: bool = False
    masks: tuple[Polygon, ...] = ()
