"""What it costs and loses to decode only some pictures, beside decoding all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import thread_time
from typing import Any, get_args

import numpy as np

from costream.errors import SourceError
from costream.lab.evaluate.decode_case import Activity, DecodeCase
from costream.lab.evaluate.decode_stages import DECODE, Stage, StageTimes, stage_times
from costream.lab.evaluate.detection import score
from costream.lab.evaluate.judge import Judge
from costream.lab.evaluate.signal import GRID, SYNTHETIC
from costream.pruning import DEFAULT_PRUNER, PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.video import Decoding, Stream

WHOLE: Decoding = "all"
"""The mode that the others are measured against."""

MODES: tuple[Decoding, ...] = (WHOLE, *(mode for mode in get_args(Decoding) if mode != WHOLE))


@dataclass(frozen=True, slots=True)
class DecodeSetup:
    """How decoding is measured.

    Attributes:
        fps: frames sampled a second.
        grid: the pruner's grid.
        anchor_every: ticks after which a frame is kept whole again.
        seed: the synthetic camera's.
        rounds: times that a stream is read in each mode, in turn; the fastest of each counts.
    """

    fps: float = 2.0
    grid: PatchGrid = GRID
    anchor_every: int = 80
    seed: int = 7
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class DecodeRow:
    """One stream in one mode.

    Attributes:
        source: the file's name, or ``synthetic``.
        setting: what is special about a generated stream; empty for a file.
        codec: FFmpeg's name of the codec; of generated streams, the encoder.
        activity: how much happens in a generated stream; empty for a file.
        mode: which pictures are decoded.
        cost: processor time of reading and decoding, as a ratio to that of decoding everything.
        decoded: share of the frames that went through the decoder, for whatever reason.
        recall: share of the really changed groups that the default pruner kept, by the synthetic
            camera's truth, as in ``costream bench signal``; of a file, whose truth is not known,
            share of what it keeps of full decoding that it kept in the same tick.
        full: ``recall`` of full decoding.
        same: of the groups that the default pruner keeps in either mode, this or full decoding,
            the share that it keeps in both, in the same tick; ticks that are kept whole in both
            left out. 1 where there are none.
        changed: share of the groups that really changed; of a file, that full decoding kept.
        streams: how many such streams one core reads, decodes and prunes in real time.
        shares: the shares of that time, by stage.
        height: of the picture, in pixels.
        seconds: length of the stream.
    """

    source: str
    setting: str
    codec: str
    activity: Activity | None
    mode: Decoding
    cost: float
    decoded: float
    recall: float
    full: float
    same: float
    changed: float
    streams: float
    shares: dict[Stage, float]
    height: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def decoding_of_case(case: DecodeCase, setup: DecodeSetup) -> list[DecodeRow]:
    """Measures a generated stream in all modes, judged by the truth.

    Raises:
        OSError: the cache that it is kept in can't be written.
    """
    runs = _runs(case.file(setup.seed), setup)
    whole = runs[WHOLE].first
    indices = [round(time * case.stream.fps) % case.frames for time in whole.times]
    judge = Judge.of_camera(case.camera(setup.seed), indices, setup.grid)
    found = {mode: score(setup.grid, run.first.masks, judge.again()) for mode, run in runs.items()}
    return [
        DecodeRow(
            source=SYNTHETIC,
            setting=case.stream.setting,
            codec=case.stream.codec,
            activity=case.activity,
            recall=found[mode].recall,
            full=found[WHOLE].recall,
            changed=found[WHOLE].changed,
            **figures,
        )
        for mode, figures in _figures(runs)
    ]


def decoding_of_file(path: Path, setup: DecodeSetup) -> list[DecodeRow]:
    """Measures a file in all modes, judged by what full decoding keeps.

    Raises:
        SourceError: the file can't be read or holds no picture.
    """
    runs = _runs(path, setup)
    whole = runs[WHOLE].first
    kept = _kept(whole.masks)
    return [
        DecodeRow(
            source=path.name,
            setting="",
            codec=whole.codec,
            activity=None,
            recall=_share(kept & _kept(runs[mode].first.masks), kept),
            full=1.0,
            changed=float(kept.mean()),
            **figures,
        )
        for mode, figures in _figures(runs)
    ]


@dataclass(frozen=True, slots=True)
class _Pass:
    """What came of reading a stream once."""

    codec: str
    height: int
    times: list[float]
    masks: list[KeepMask]
    frames: int
    reading: float
    pruning: float


@dataclass(frozen=True, slots=True)
class _Runs:
    """All passes of one mode."""

    first: _Pass
    decoded: int
    shares: dict[Stage, float]
    reading: float
    pruning: float


def _runs(path: Path, setup: DecodeSetup) -> dict[Decoding, _Runs]:
    # The first pass is for the decisions and where the time goes: it pays for cold caches.
    first: dict[Decoding, tuple[_Pass, StageTimes]] = {}
    for mode in MODES:
        with stage_times() as times:
            first[mode] = _read(path, mode, setup), times
    rounds = [{mode: _read(path, mode, setup) for mode in MODES} for _ in range(setup.rounds)]
    return {
        mode: _Runs(
            first=one,
            decoded=times.calls[DECODE],
            shares=times.shares(one.reading, one.pruning),
            reading=min(turn[mode].reading for turn in rounds),
            pruning=min(turn[mode].pruning for turn in rounds),
        )
        for mode, (one, times) in first.items()
    }


def _read(path: Path, mode: Decoding, setup: DecodeSetup) -> _Pass:
    pruner = PRUNERS[DEFAULT_PRUNER](setup.grid, PrunerSettings(setup.anchor_every))
    times: list[float] = []
    masks: list[KeepMask] = []
    pruning = 0.0
    with Stream(path, motion=False, decode=mode) as stream:
        for sample in stream.samples(setup.fps):
            begun = thread_time()
            masks.append(pruner.decide([sample]))
            pruning += thread_time() - begun
            times.append(sample.time)
        if not times:
            raise SourceError(f"{path} gave no frame: nothing to measure")
        frames, reading = stream.health.frames, stream.decode_seconds
        return _Pass(stream.info.codec, stream.info.height, times, masks, frames, reading, pruning)


def _figures(runs: dict[Decoding, _Runs]) -> Iterator[tuple[Decoding, dict[str, Any]]]:
    """Yields what is the same for files and generated streams."""
    whole = runs[WHOLE]
    for mode, run in runs.items():
        seconds = run.first.times[-1] + 1.0 / max(1, len(run.first.times))
        yield (
            mode,
            {
                "mode": mode,
                "cost": run.reading / whole.reading,
                "decoded": min(1.0, run.decoded / run.first.frames),
                "same": _same(whole.first.masks, run.first.masks),
                "streams": seconds / (run.reading + run.pruning),
                "shares": run.shares,
                "height": run.first.height,
                "seconds": seconds,
            },
        )


def _same(one: Sequence[KeepMask], other: Sequence[KeepMask]) -> float:
    first, second = _kept(one), _kept(other)
    pruned = ~(first.all(axis=(1, 2)) & second.all(axis=(1, 2)))
    first, second = first[pruned], second[pruned]
    return _share(first & second, first | second)


def _kept(masks: Sequence[KeepMask]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Returns bool [ticks, group rows, group cols]."""
    return np.stack([mask.groups for mask in masks])


def _share(
    part: np.ndarray[Any, np.dtype[np.bool_]], whole: np.ndarray[Any, np.dtype[np.bool_]]
) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 1.0
