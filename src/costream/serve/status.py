"""What is known of cameras while they are watched: for the API, the page and the metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from costream.audit import AuditReport
from costream.serve.events.event import EventMessage

CameraState = Literal["starting", "watching", "lost", "paused", "resting", "failed"]
"""``starting``: it is being opened. ``lost``: it was there and is being reconnected. ``paused``:
by the API or the file. ``resting``: by its schedule. ``failed``: it can't be watched, see
``error``."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A sampled frame, small, as soon as it was read.

    Attributes:
        camera: the camera's id.
        at: when it was received, seconds since 1970.
        tick: its place on the sampling grid.
        jpeg: the picture, at most 640 pixels wide, masks painted over.
        motion: uint8 [rows, cols], how much changed since the sample before by blocks of the
            picture, 0 to 255, coarse; None where nothing is known.
    """

    camera: str
    at: float
    tick: int
    jpeg: bytes
    motion: npt.NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one question on one window.

    Attributes:
        question: the question's id.
        at: the window's end, seconds since 1970.
        score: 0..1, or None where the model's output was no number.
        threshold: from which on it counts as a yes.
    """

    question: str
    at: float
    score: float | None
    threshold: float


@dataclass(frozen=True, slots=True)
class WindowNews:
    """One window of a camera was answered.

    Attributes:
        camera: the camera's id.
        index: number of the window.
        at: its end, seconds since 1970.
        scores: one for each question.
        kept: float [group rows, group cols] in 0..1, the share of the window's new frames in which
            each merge group was encoded.
        lag: seconds from the window's last frame to the answers, or None for a file.
        received: its end on the clock of ``time.monotonic``, which nobody sets.
    """

    camera: str
    index: int
    at: float
    scores: tuple[Score, ...]
    kept: npt.NDArray[np.float32]
    lag: float | None
    received: float


@dataclass(frozen=True, slots=True)
class Savings:
    """What was spent and saved since a camera was first watched, summed over its windows.

    Attributes:
        windows: how many were answered.
        tokens_full: visual tokens of all windows, unpruned and from nothing.
        tokens_spent: those that went through the language model.
        patches_full: merge groups of new frames.
        patches_kept: those that were encoded.
        flops_full: operations from nothing.
        flops_spent: operations that were run.
        bytes_received: of compressed video.
        bytes_jpeg: what JPEG pictures of the sampled frames would have taken, by those of previews
            scaled to the sampled frames' size.
    """

    windows: int = 0
    tokens_full: int = 0
    tokens_spent: int = 0
    patches_full: int = 0
    patches_kept: int = 0
    flops_full: int = 0
    flops_spent: int = 0
    bytes_received: int = 0
    bytes_jpeg: int = 0


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is doing.

    Attributes:
        id: its id.
        state: see :data:`CameraState`.
        since: since when, seconds since 1970.
        error: in a sentence, what keeps it from being watched, passwords masked.
        source: its URL, passwords masked.
        width: of its picture, or None while it is unknown.
        height: likewise.
        fps: its own frame rate, likewise.
        codec: likewise.
        motion: where motion comes from, likewise.
        last_frame: when a sampled frame was last received, seconds since 1970.
        last_window: when a window was last answered.
        lag: seconds from the last window's end to its answers, or None.
        stage_seconds: seconds of the last window by stage: decode, prune, vision, prefill,
            generate.
        skipped: sampled frames that were left out to keep up.
        reconnects: how often it was lost and came back.
        damaged: sampled frames in whose interval the decoder met errors.
        decoding: native frames that were read, by why they were decoded, or were not: see
            :class:`~costream.video.decode_count.DecodeCount`.
        rows: rows of the KV pool that it refers to.
        queued: windows and results that wait.
        savings: what was spent and saved.
        scores: the last score of each question by its id.
        audit: what came of checking answers against full recomputation since the camera was last
            read anew, where ``audit`` of the engine's settings asks for it; None before the first
            check.
        confirmations: answers that turned to yes since the camera was first watched, by what full
            recomputation made of them (``upheld``, ``refuted``, ``missed``), where ``confirm`` of
            the engine's settings asks for it; else empty.
        point: the operating point of the last window, in words: ``usual``, or what a controller or
            overload has changed; empty before the first window, or where the pruner can't be set.
        moves: how often it was changed since the camera was first watched.
        moved_because: why it was last.
        node: the node of a cluster that watches it; None on one machine, or where none does.
    """

    id: str
    state: CameraState
    since: float
    error: str | None = None
    source: str = ""
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    codec: str | None = None
    motion: str | None = None
    last_frame: float | None = None
    last_window: float | None = None
    lag: float | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)
    skipped: int = 0
    reconnects: int = 0
    damaged: int = 0
    decoding: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    queued: int = 0
    savings: Savings = Savings()
    scores: dict[str, Score] = field(default_factory=dict)
    audit: AuditReport | None = None
    confirmations: dict[str, int] = field(default_factory=dict)
    point: str = ""
    moves: int = 0
    moved_because: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class StateNews:
    """A camera's state changed, or it was added, changed or removed (``status`` None)."""

    camera: str
    status: CameraStatus | None


News = Preview | WindowNews | StateNews | EventMessage
"""What subscribers are told, as it happens."""
