"""What cameras take of a node: as ``costream plan`` counts it, then as it is measured."""

from __future__ import annotations

import os
from functools import lru_cache
from statistics import fmean

from costream.engine.camera import DECODE_FPS, Camera
from costream.engine.capacity import DECODED_PIXELS
from costream.engine.engine import Engine
from costream.engine.estimate import StreamEstimate
from costream.engine.row_shape import RowShape
from costream.errors import CoStreamError
from costream.serve.cluster.need import Capacity, Need
from costream.serve.status import CameraStatus

TYPICAL = Camera(1920, 1080, 25.0)
"""What a camera is taken for until something is known of it."""

QUESTIONS = 4
"""Asked of such a camera."""

SHARE = "busy"
"""The share of groups that a camera is counted with: a place that fits quiet cameras alone would be
too full by day."""

FOLLOWS = 0.1
"""Share of what is measured at a time in what a camera counts with."""

_MODEL = ("vision", "prefill", "generate")
_READING = ("decode", "prune")


class Needs:
    """Tells what the cameras of one engine take.

    Args:
        engine: the engine, whose model is loaded.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._row = RowShape(engine.model.kv_shape, engine.settings.packed)
        self._stride = engine.settings.stride
        self._speed: float | None = None
        self._smooth: dict[str, Need] = {}
        self._plan = lru_cache(maxsize=256)(self._counted)

    @property
    def capacity(self) -> Capacity:
        """What there is for cameras: on a CPU as much of the machine's memory as is free now."""
        rows = self._engine.runner.pool.limit
        memory = _free_memory() if rows is None else rows * self._row.bytes
        return Capacity(float(memory), 1.0, float(len(os.sched_getaffinity(0))))

    @property
    def typical(self) -> Need:
        """What a camera takes of which nothing is known."""
        return self._planned(TYPICAL, QUESTIONS)

    def of(self, status: CameraStatus, questions: int) -> Need | None:
        """Returns what a camera takes; None where nothing is known of it yet.

        Args:
            status: how it is doing.
            questions: how many it is asked.
        """
        if status.width is None or status.height is None:
            return None
        camera = Camera(status.width, status.height, round(status.fps or TYPICAL.fps))
        planned = self._planned(camera, max(1, questions))
        seconds = status.stage_seconds
        if not seconds:
            return planned
        self._note_speed(status)
        last = Need(
            max(planned.memory, float(status.rows * self._row.bytes)),
            sum(seconds.get(stage, 0.0) for stage in _MODEL) / self._stride,
            sum(seconds.get(stage, 0.0) for stage in _READING) / self._stride,
        )
        found = self._smooth[status.id] = _mean(self._smooth.get(status.id, last), last)
        return found

    def _planned(self, camera: Camera, questions: int) -> Need:
        memory, flops = self._plan(camera, questions)
        pixels = camera.width * camera.height * camera.fps
        compute = 0.0 if self._speed is None else flops / self._speed / self._stride
        return Need(memory, compute, pixels / (DECODE_FPS * DECODED_PIXELS))

    def _counted(self, camera: Camera, questions: int) -> tuple[float, float]:
        """Returns what a camera's window holds, in bytes, and the FLOPs of one."""
        engine = self._engine
        try:
            found = StreamEstimate.of(engine.model, camera, engine.settings, self._row, questions)
        except CoStreamError:  # pictures of no shape that a model takes: they are not watched
            return 0.0, 0.0
        cost = found.costs[SHARE]
        return float(cost.bytes), float(cost.flops)

    def _note_speed(self, status: CameraStatus) -> None:
        """Notes how many FLOPs a second the device does, by a camera's windows."""
        windows = status.savings.windows
        seconds = sum(status.stage_seconds.get(stage, 0.0) for stage in _MODEL)
        if windows and seconds:
            speed = status.savings.flops_spent / windows / seconds
            self._speed = speed if self._speed is None else fmean((self._speed, speed))


def _mean(before: Need, last: Need) -> Need:
    """Returns a mean that follows slowly: no two windows of a camera take the same."""
    old, new = 1 - FOLLOWS, FOLLOWS
    return Need(
        old * before.memory + new * last.memory,
        old * before.compute + new * last.compute,
        old * before.decode + new * last.decode,
    )


def _free_memory() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
