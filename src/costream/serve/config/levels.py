"""Settings of alerts, from the whole file's to those of one question before one camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from costream.serve.config.model import (
    AlertConfig,
    CameraConfig,
    QuestionConfig,
    QuestionOverride,
    ServiceConfig,
)
from costream.serve.config.problem import Path
from costream.serve.config.watched import AlertRule

Level = tuple[Path, AlertConfig]
"""Settings and where they stand."""


def asked_of(config: ServiceConfig, camera: CameraConfig) -> Iterator[tuple[str, QuestionConfig]]:
    """Yields the questions that a camera is asked, by name, with what is different there.

    Those that it names itself and that do not exist are left out.
    """
    overrides = overrides_of(camera)
    for name, question in config.questions.items():
        if overrides is None:
            if question.zone is None or question.zone in camera.zones:
                yield name, question
        elif name in overrides:
            yield name, _different(question, overrides[name])


def overrides_of(camera: CameraConfig) -> dict[str, QuestionOverride] | None:
    """Returns the questions that a camera names, or None where it is asked all of them."""
    if camera.questions is None:
        return None
    if isinstance(camera.questions, dict):
        return camera.questions
    return dict.fromkeys(camera.questions, QuestionOverride())


def levels(config: ServiceConfig, camera: str, question: str) -> list[Level]:
    """Returns the settings of alerts for a question before a camera, the most general first."""
    there = config.cameras[camera]
    found: list[Level] = [
        (("alerts",), config.alerts),
        (("cameras", camera, "alerts"), there.alerts),
        (("questions", question, "alerts"), config.questions[question].alerts),
    ]
    own = (overrides_of(there) or {}).get(question)
    if own is not None:
        found.append((("cameras", camera, "questions", question, "alerts"), own.alerts))
    return found


def alert_rule(levels: list[Level]) -> AlertRule:
    """Returns what holds in the end: of each setting, what the last level says that says anything.

    Args:
        levels: the most general first.
    """
    values: dict[str, Any] = {}
    for _, alerts in levels:
        values |= alerts.model_dump(exclude_none=True)
    if "for_" in values:
        values["hold"] = values.pop("for_")
    return AlertRule(**values)


def _different(question: QuestionConfig, override: QuestionOverride) -> QuestionConfig:
    # What may be nothing is different where it is given, even as nothing.
    changes = {
        name: getattr(override, name)
        for name in override.model_fields_set - {"alerts"}
        if name in ("zone", "schedule") or getattr(override, name) is not None
    }
    return question.model_copy(update=changes)
