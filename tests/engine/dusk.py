"""A stream on which every saving leaves its trace, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from costream.engine.audit_ring import audit_ring
from costream.engine.engine import Engine
from costream.engine.ingest import OnAudit
from costream.engine.result import Result
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DeferredSource, Stream
from costream.video.packet_ring import RingLimits
from tests.video.encode import encode, texture

ASKS = ["Is it?", "Is someone there?"]


def write_dusk(path: Path) -> Path:
    """Light that stands, then rises too slowly to be noticed; then something moves as well."""
    base, frames = texture(96, 128).astype(int), []
    for n in range(200):
        frame = np.clip(base + max(0, n - 40) // 12, 0, 255).astype(np.uint8)
        if n > 120:
            frame[30:60, (n - 120) : (n - 90)] = texture(30, 30, seed=5)
        frames.append(frame)
    return encode(path, frames, rate=10, options={"crf": "16", "g": "250", "bf": "0"})


def source_of(clip: Path, keep: RingLimits | None, decode: str = "auto") -> DeferredSource:
    connect = partial(Stream, clip, motion=False, decode=decode)
    return DeferredSource(connect, patience=0, backlog=4, keep=keep)


def settings_of(**values: object) -> EngineSettings:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96)}
    return EngineSettings.checked(**{**defaults, **values})


def watch_dusk(
    model: ModelAdapter,
    clip: Path,
    on_audit: OnAudit | None = None,
    *,
    decode: str = "auto",
    keep: RingLimits | None = None,
    kv_memory: int | None = None,
    **values: object,
) -> list[Result]:
    """Watches the clip with settings of these values; nothing of it stays in the pool."""
    settings = settings_of(**values)
    engine = Engine(model, settings, kv_memory=kv_memory)
    source = source_of(clip, keep or audit_ring(settings), decode)
    results = list(engine.watch(source, ASKS, on_audit=on_audit))
    assert engine.runner.pool.used == engine.runner.prompt.tokens
    return results


def scores(results: Sequence[Result]) -> np.ndarray:
    """Returns scores: [windows, questions]."""
    return np.array([[answer.score for answer in result.answers] for result in results])
