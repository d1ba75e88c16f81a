"""The log of cameras that come and go, and of events."""

from __future__ import annotations

import logging

import pytest

from costream.serve.config.model import CameraConfig
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.events.event import Event
from costream.serve.journal import Journal
from costream.serve.status import CameraState, CameraStatus


def status(state: CameraState, error: str | None = None) -> CameraStatus:
    return CameraStatus("door", state, 0.0, error, width=640, height=360)


def test_a_state_is_logged_once_and_again_when_it_is_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal()
    with caplog.at_level(logging.INFO, "costream"):
        for told in (
            status("starting"),
            status("watching"),
            status("watching"),
            status("lost", "no data for 10 s"),
            status("starting"),
            status("watching"),
        ):
            journal.state(told)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "camera door is watched: 640 x 360"),
        ("WARNING", "camera door is lost and asked for again: no data for 10 s"),
        ("INFO", "camera door is watched: 640 x 360"),
    ]


def test_an_event_is_logged_with_what_programs_look_for(caplog: pytest.LogCaptureFixture) -> None:
    question = WatchedQuestion("fall", "A fall", "Has someone fallen?", None, None, (), AlertRule())
    camera = WatchedCamera("door", "Door", CameraConfig(url="push"), (question,))
    event = Event("01M8", "door", "fall", "Has someone fallen?", None, 0.0, None, 0.914, 0.5)
    with caplog.at_level(logging.INFO, "costream"):
        Journal().event(camera, question, event)
    (record,) = caplog.records
    assert record.getMessage() == "camera door: event 01M8 begins: A fall, score 0.91"
    assert record.__dict__["fields"]["event"] == "01M8"
