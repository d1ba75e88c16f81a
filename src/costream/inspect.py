"""What a source looks like to the codec and to the pruners, read in one pass."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from costream.errors import SettingsError, SourceError
from costream.pruning import DEFAULT_PRUNER, PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.pruning.portrait import Portrait
from costream.synth import Encoder
from costream.video import FrameRecord, MotionSource, Sample, Stream, StreamInfo
from costream.video.source import SourceLike

DEFAULT_GRID = PatchGrid(28, 28, 2)
TEMPORAL_PATCH = 2
SHOWN_LETTERS = 12
FILM_PATCHES = 120
"""Temporal patches of the video: two minutes at 2 frames a second and two to a patch."""
PORTRAIT_SHARE = 0.2
"""Share of kept groups that the pictured moment should come near to: neither calm nor chaos."""


@dataclass(frozen=True, slots=True)
class Gop:
    """The beat of a stream's I-frames.

    Attributes:
        pattern: in words, such as ``I every 10, IBBBPBBBPB``. The letters are the frame types of
            the most frequent GOP in display order.
        shortest: frames from one I-frame to the next, at least; None where there is one only.
        median: the same, in the middle.
        longest: the same, at most.
    """

    pattern: str
    shortest: int | None
    median: float | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What :func:`inspect_source` found.

    Attributes:
        source: the source as the user named it, passwords masked.
        codec: FFmpeg's name of the codec.
        profile: the codec's profile, or None where it states none.
        width: displayed width in pixels, after rotation.
        height: displayed height in pixels, after rotation.
        rotation: clockwise degrees from the coded to the displayed picture.
        frame_rate: native frames a second, or None where the container states none.
        duration: seconds, or None for a live source.
        motion: where evidence of change comes from.
        seconds: stream time from the first to the last frame read.
        frames: native frames read.
        frame_types: how many of them were I, P and B.
        gop: the beat of the I-frames.
        bit_rate: bits a second over the frames read, or None where there was one only.
        with_vectors: share of the frames for which the decoder gave motion vectors.
        damaged: frames that the decoder reported or concealed an error in.
        fps: sampling rate of the figures below.
        samples: frames sampled.
        groups: merge groups in a whole frame.
        anchor_every: ticks from one anchor to the next, for the rules that honour it.
        kept: share of all groups that each registered pruner keeps, anchors included, two frames
            to a temporal patch.
        picture: where the picture was written, or None.
        film: where the short video was written, or None.
    """

    source: str
    codec: str
    profile: str | None
    width: int
    height: int
    rotation: int
    frame_rate: float | None
    duration: float | None
    motion: MotionSource
    seconds: float
    frames: int
    frame_types: dict[str, int]
    gop: Gop
    bit_rate: float | None
    with_vectors: float
    damaged: int
    fps: float
    samples: int
    groups: int
    anchor_every: int
    kept: dict[str, float]
    picture: str | None
    film: str | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as nested dicts of JSON's own types."""
        return asdict(self)


def inspect_source(
    source: SourceLike,
    *,
    fps: float = 2.0,
    grid: PatchGrid = DEFAULT_GRID,
    anchor_every: int = 80,
    limit: float | None = None,
    out: str | os.PathLike[str] | None = None,
    film: str | os.PathLike[str] | None = None,
) -> Inspection:
    """Reads a source once and says what is in it and what each pruner would keep.

    Args:
        source: what a :class:`~costream.video.Stream` takes.
        fps: sampling rate, in frames a second.
        grid: how pictures are cut into patches.
        anchor_every: ticks from one anchor to the next.
        limit: seconds of stream to read, or None for all of it. A live source needs one.
        out: where to write a PNG of one telling moment: the frame, its motion, the groups that the
            default pruner keeps, and how long ago it kept each of the others.
        film: where to write the same as a video, such as ``inspect.mp4``, of the first
            ``FILM_PATCHES`` temporal patches.

    Raises:
        SettingsError: ``fps``, ``limit`` or ``anchor_every`` is not positive.
        SourceError: as :meth:`Stream.samples`; or the source gave no frame at all.
        OSError: ``out`` or ``film`` can't be written.
    """
    if limit is not None and not limit > 0:
        raise SettingsError(f"limit must be a positive number of seconds, not {limit}")
    trial = _Trial(grid, PrunerSettings(anchor_every=anchor_every), anchor_every / fps)
    records: list[FrameRecord] = []
    with Stream(source) as stream:
        samples = stream.samples(fps, on_frame=records.append)
        with _Film(film, fps / TEMPORAL_PATCH, _heading(stream.info)) as reel:
            for patch in _in_patches(_until(samples, limit)):
                reel.add(trial.add(patch))
    records = [one for one in records if limit is None or one.time < limit]
    if not records or trial.moment is None:
        raise SourceError(f"{stream.info.source} gave no frame: nothing to inspect")
    if out is not None:
        trial.moment.draw(Path(out), _heading(stream.info))
    return Inspection(
        **_described(stream.info),
        **_counted(records),
        fps=fps,
        samples=trial.samples,
        groups=grid.groups,
        anchor_every=anchor_every,
        kept=trial.kept,
        picture=None if out is None else os.fspath(out),
        film=None if film is None else os.fspath(film),
    )


class _Trial:
    """All pruners side by side on the same samples, and the moment that shows them best."""

    def __init__(self, grid: PatchGrid, settings: PrunerSettings, oldest: float) -> None:
        self._oldest = oldest
        self._seen = np.zeros(grid.group_shape, np.float32)
        self._pruners = {name: PRUNERS[name](grid, settings) for name in PRUNERS}
        self._counts: Counter[str] = Counter()
        self._groups = 0
        self._grid = grid
        self.samples = 0
        self.moment: Portrait | None = None

    @property
    def kept(self) -> dict[str, float]:
        """Share of the groups kept so far, by pruner."""
        return {name: self._counts[name] / self._groups for name in self._pruners}

    def add(self, patch: Sequence[Sample]) -> Portrait:
        """Lets every pruner decide the temporal patch; returns what the default one made of it."""
        self.samples += len(patch)
        self._groups += self._grid.groups
        masks = {name: pruner.decide(patch) for name, pruner in self._pruners.items()}
        for name, mask in masks.items():
            self._counts[name] += mask.kept
        moment = self._portray(patch, masks[DEFAULT_PRUNER])
        self._consider(moment)
        return moment

    def _portray(self, patch: Sequence[Sample], mask: KeepMask) -> Portrait:
        now = np.float32(patch[-1].time)
        self._seen = np.where(mask.groups, now, self._seen)
        return Portrait(tuple(patch), mask, now - self._seen, self._oldest)

    def _consider(self, moment: Portrait) -> None:
        if self.moment is None or _appeal(moment) > _appeal(self.moment):
            self.moment = moment


class _Film:
    """Writes portraits into a video, if there is a path; only the first ``FILM_PATCHES``."""

    def __init__(self, path: str | os.PathLike[str] | None, fps: float, heading: str) -> None:
        self._path, self._fps, self._heading = path, fps, heading
        self._encoder: Encoder | None = None
        self._count = 0

    def add(self, moment: Portrait) -> None:
        """Adds one picture; the film's size is that of the first."""
        if self._path is None or self._count == FILM_PATCHES:
            return
        sheet = moment.sheet(self._heading)
        if self._encoder is None:
            self._size = sheet.size
            self._encoder = Encoder(self._path, sheet.size, self._fps)
        self._encoder.add(np.asarray(sheet.resize(self._size)))
        self._count += 1

    def __enter__(self) -> _Film:
        return self

    def __exit__(self, *error: object) -> None:
        if self._encoder is not None:
            self._encoder.close()


def _appeal(moment: Portrait) -> tuple[bool, float]:
    """Orders moments: pruned ones before anchors, then the nearest to the wanted share."""
    return moment.mask.anchor is None, -abs(moment.share - PORTRAIT_SHARE)


def _until(samples: Iterator[Sample], limit: float | None) -> Iterator[Sample]:
    for sample in samples:
        if limit is not None and sample.time >= limit:
            return
        yield sample


def _in_patches(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    patch: list[Sample] = []
    for sample in samples:
        patch.append(sample)
        if len(patch) == TEMPORAL_PATCH:
            yield patch
            patch = []
    if patch:
        yield patch


def _described(info: StreamInfo) -> dict[str, Any]:
    return {
        "source": info.source,
        "codec": info.codec,
        "profile": info.profile,
        "width": info.width,
        "height": info.height,
        "rotation": info.rotation,
        "frame_rate": info.frame_rate,
        "duration": info.duration,
        "motion": info.motion,
    }


def _counted(records: Sequence[FrameRecord]) -> dict[str, Any]:
    types = "".join(record.type for record in records)
    seconds = records[-1].time - records[0].time
    # The last frame's own time on screen is not known, so its bytes are left out too.
    sent = sum(record.packet_bytes for record in records[:-1])
    return {
        "seconds": seconds,
        "frames": len(records),
        "frame_types": {letter: types.count(letter) for letter in "IPB"},
        "gop": find_gop(types),
        "bit_rate": 8 * sent / seconds if seconds > 0 else None,
        "with_vectors": sum(record.vectors > 0 for record in records) / len(records),
        "damaged": sum(record.damaged for record in records),
    }


def find_gop(types: str) -> Gop:
    """Finds the beat of the I-frames in a string of frame types in display order."""
    starts = [index for index, letter in enumerate(types) if letter == "I"]
    if len(starts) < 2:
        beat = f"{len(starts) or 'no'} I in {len(types)}"
        return Gop(f"{beat}, {_shortened(types)}", None, None, None)
    gops = [types[start:end] for start, end in pairwise(starts)]
    lengths = sorted(map(len, gops))
    low, high = lengths[0], lengths[-1]
    beat = f"I every {low}" if low == high else f"I every {low} to {high}"
    usual = Counter(gops).most_common(1)[0][0]
    return Gop(f"{beat}, {_shortened(usual)}", low, float(median(lengths)), high)


def _shortened(types: str) -> str:
    return types if len(types) <= SHOWN_LETTERS else types[:SHOWN_LETTERS] + "..."


def _heading(info: StreamInfo) -> str:
    name = info.source if "://" in info.source else Path(info.source).name
    rate = f", {info.frame_rate:.3g} fps" if info.frame_rate else ""
    return f"{name}   {info.codec} {info.width} x {info.height}{rate}"
