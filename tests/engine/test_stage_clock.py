"""Stage times, on a device that works at once and on one that works later."""

from __future__ import annotations

from time import sleep

import pytest
import torch

from costream.engine.stage_clock import StageClock


def test_stages_take_the_time_between_marks() -> None:
    clock = StageClock(torch.device("cpu"))
    sleep(0.02)
    clock.mark()
    clock.mark()
    assert 0.02 <= clock.seconds(0) < 1
    assert clock.seconds(1) < 0.02


class Event:
    """An event of a device that passes it a while after it was recorded."""

    passed = 0

    def __init__(self, enable_timing: bool = False) -> None:
        assert enable_timing
        self.at: float | None = None
        self.done = False

    def record(self, stream: object) -> None:
        Event.passed += 1
        self.at = 250.0 * Event.passed**2

    def synchronize(self) -> None:
        self.done = True

    def elapsed_time(self, end: Event) -> float:
        assert end.done, "it would not be known yet"
        return end.at - self.at


def test_a_gpu_is_asked_when_it_was_there_and_only_when_times_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    clock = StageClock(torch.device("cuda"))
    for _ in range(2):
        clock.mark()
    assert not any(event.done for event in clock._events)
    assert clock.seconds(0) == pytest.approx(0.75)
    assert not clock._events[2].done
    assert clock.seconds(1) == pytest.approx(1.25)
