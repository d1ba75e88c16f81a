"""Times of the stages of a step, true on a device that runs behind the host as well."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch


class StageClock:
    """Times stages that follow each other. It begins with the first.

    A GPU is told what to do and does it later: there, marks are events that the device passes.

    Args:
        device: what runs the stages.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._times: list[float] = []
        self._events: list[Any] = []
        self.mark()

    def mark(self) -> None:
        """Ends a stage, and begins the next one. It waits for nothing."""
        if self._device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
            self._events.append(event)
        else:
            self._times.append(perf_counter())

    def seconds(self, stage: int) -> float:
        """Returns how long a stage took that has ended: 0 for the first one.

        On a GPU it waits for the stage, so it is asked once its results were needed anyway.
        """
        if self._device.type != "cuda":
            return self._times[stage + 1] - self._times[stage]
        begun, ended = self._events[stage : stage + 2]
        ended.synchronize()
        return float(begun.elapsed_time(ended)) / 1e3
