"""What it costs and loses to decode only some pictures, beside decoding all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any, get_args

import numpy as np

from costream.errors import SourceError
from costream.lab.evaluate.decode_case import Activity, DecodeCase
from costream.lab.evaluate.decode_stages import DECODE, Stage, StageClock, StageTimes
from costream.lab.evaluate.detection import score
from costream.lab.evaluate.judge import Judge
from costream.lab.evaluate.signal import GRID, SYNTHETIC
from costream.pruning import DEFAULT_PRUNER, PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.video import Decoding, Stream, StreamInfo

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
        rounds: times that a stream is timed, in all modes at once.
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
        cost: processor time of reading and decoding, as a ratio to that of decoding everything:
            both are read tick by tick in turn, and the median over some rounds counts.
        total: the same with the pruner's decisions, which find in the cache what following looked
            at, or the other way about.
        decoded: share of the frames that went through the decoder, for whatever reason.
        reasons: shares of the frames by why they were decoded, or why not: see
            :class:`~costream.video.decode_count.DecodeCount`.
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
    total: float
    decoded: float
    reasons: dict[str, float]
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
    whole = runs.clocked[WHOLE]
    indices = [case.index(time) for time in whole.times]
    judge = Judge.of_camera(case.camera(setup.seed), indices, setup.grid)
    found = {
        mode: score(setup.grid, reader.masks, judge.again())
        for mode, reader in runs.clocked.items()
    }
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
    whole = runs.clocked[WHOLE]
    kept = _kept(whole.masks)
    return [
        DecodeRow(
            source=path.name,
            setting="",
            codec=whole.info.codec,
            activity=None,
            recall=_share(kept & _kept(runs.clocked[mode].masks), kept),
            full=1.0,
            changed=float(kept.mean()),
            **figures,
        )
        for mode, figures in _figures(runs)
    ]


class _Reader:
    """One stream read in one mode, tick by tick.

    Attributes:
        times: seconds of the ticks so far.
        masks: what the default pruner decided at them.
        stages: where the time goes, if a clock runs.
        pruning: seconds that deciding took.
    """

    def __init__(self, path: Path, mode: Decoding, setup: DecodeSetup) -> None:
        self.stages = StageTimes()
        self.times: list[float] = []
        self.masks: list[KeepMask] = []
        self.pruning = 0.0
        self._stream = Stream(path, motion=False, decode=mode)
        self._samples = self._stream.samples(setup.fps)
        self._pruner = PRUNERS[DEFAULT_PRUNER](setup.grid, PrunerSettings(setup.anchor_every))

    def advance(self) -> bool:
        """Goes on by one tick; False at the end."""
        sample = next(self._samples, None)
        if sample is None:
            return False
        begun = thread_time()
        self.masks.append(self._pruner.decide([sample]))
        self.pruning += thread_time() - begun
        self.times.append(sample.time)
        return True

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream."""
        return self._stream.info

    @property
    def reading(self) -> float:
        """Seconds that samples took to come."""
        return self._stream.decode_seconds

    @property
    def seconds(self) -> float:
        """Seconds of reading and pruning."""
        return self.reading + self.pruning

    @property
    def decoded(self) -> float:
        """Share of the frames that went through the decoder, if a clock ran."""
        return min(1.0, self.stages.calls[DECODE] / self._stream.health.frames)

    @property
    def reasons(self) -> dict[str, float]:
        """Shares of the frames by why they were decoded, or why not."""
        count = self._stream.health.decoding
        return {reason: frames / count.total for reason, frames in count.to_dict().items()}

    @property
    def shares(self) -> dict[Stage, float]:
        """Shares of the time by stage, if a clock ran."""
        return self.stages.shares(self.reading, self.pruning)

    def close(self) -> None:
        """Closes the stream."""
        self._stream.close()


_Readers = dict[Decoding, _Reader]


@dataclass(frozen=True, slots=True)
class _Runs:
    """All readings of a stream: one with a clock for the stages, then some rounds without."""

    clocked: _Readers
    rounds: Sequence[_Readers]

    def cost(self, mode: Decoding) -> float:
        """Returns the median over the rounds of the time of reading over full decoding's."""
        return median(turn[mode].reading / turn[WHOLE].reading for turn in self.rounds)

    def total(self, mode: Decoding) -> float:
        """Returns the same of reading and pruning."""
        return median(turn[mode].seconds / turn[WHOLE].seconds for turn in self.rounds)

    def seconds(self, mode: Decoding) -> float:
        """Returns the least time of reading and pruning."""
        return min(turn[mode].seconds for turn in self.rounds)


def _runs(path: Path, setup: DecodeSetup) -> _Runs:
    clock = StageClock()
    with clock.running():
        clocked = _read(path, setup, clock)
    return _Runs(clocked, [_read(path, setup) for _ in range(setup.rounds)])


def _read(path: Path, setup: DecodeSetup, clock: StageClock | None = None) -> _Readers:
    """Reads a stream in all modes at once, a tick of each in turn, at one pace of the machine."""
    readers = {mode: _Reader(path, mode, setup) for mode in MODES}
    going = list(readers.values())
    try:
        while going:
            for reader in tuple(going):
                if clock is not None:
                    clock.times = reader.stages
                if not reader.advance():
                    going.remove(reader)
    finally:
        for reader in readers.values():
            reader.close()
    if not readers[WHOLE].times:
        raise SourceError(f"{path} gave no frame: nothing to measure")
    return readers


def _figures(runs: _Runs) -> Iterator[tuple[Decoding, dict[str, Any]]]:
    """Yields what is the same for files and generated streams."""
    whole = runs.clocked[WHOLE]
    seconds = whole.times[-1] + whole.times[-1] / max(1, len(whole.times) - 1)
    for mode, reader in runs.clocked.items():
        yield (
            mode,
            {
                "mode": mode,
                "cost": runs.cost(mode),
                "total": runs.total(mode),
                "decoded": reader.decoded,
                "reasons": reader.reasons,
                "same": _same(whole.masks, reader.masks),
                "streams": seconds / runs.seconds(mode),
                "shares": reader.shares,
                "height": whole.info.height,
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
