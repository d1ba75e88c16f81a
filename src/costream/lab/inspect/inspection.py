"""What a source looks like to the codec and to the pruners, read in one pass."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from costream.errors import SettingsError, SourceError
from costream.lab.inspect.evidence_tally import EvidenceTally
from costream.lab.inspect.film import Film
from costream.lab.inspect.gop import Gop, find_gop
from costream.lab.inspect.trial import Trial
from costream.printable import printable
from costream.pruning import PatchGrid, PrunerSettings
from costream.video import (
    Access,
    DecodeCount,
    Decoding,
    FrameRecord,
    MotionSource,
    Sample,
    Stream,
    StreamInfo,
)
from costream.video.naming import SourceLike

DEFAULT_GRID = PatchGrid(28, 28, 2)
TEMPORAL_PATCH = 2
PICTURE = "inspect.png"
FILM = "inspect.mp4"
FILM_SECONDS = 60.0
"""Seconds of stream that the film shows."""
LIVE_LIMIT = 60.0
"""Seconds that are read of a source without an end, unless a limit is given."""

logger = logging.getLogger("costream")


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
        mirrored: whether left and right change places before that.
        sample_aspect: width to height of a coded sample, such as ``12:11``. Displayed ones are 1:1.
        frame_rate: native frames a second over those read, or None where there was one only.
        stated_rate: what the container or the codec states, or None.
        duration: seconds, or None for a live source.
        motion: where evidence of change comes from.
        seconds: stream time from the first to the last frame read.
        frames: native frames read.
        frame_types: how many of them were I, P and B.
        gop: the beat of the I-frames.
        bit_rate: bits a second over the frames read, or None where there was one only.
        with_vectors: share of the frames for which the decoder gave motion vectors.
        damaged: frames that the decoder reported or concealed an error in.
        decoding: frames by why they were decoded, or were not.
        why_whole: why the stream can't be followed, so that all is decoded; empty where it can.
        qp: mean QP of the sampled frames, in the codec's own steps, or None where it
            tells none.
        camera_moved: share of the samples in which motion vectors say that the camera moved; None
            where there are no vectors.
        fps: sampling rate of the figures below.
        samples: frames sampled.
        groups: merge groups in a whole frame.
        anchor_every: ticks from one anchor to the next, for the rules that honour it.
        kept: share of all groups that each registered pruner keeps, anchors included, two frames
            to a temporal patch.
        scenes: temporal patches in which the default pruner recognised a cut, a change of the
            light, a shaken or a panned camera.
        picture: where the picture was written, or None.
        film: where the film was written, or None.
    """

    source: str
    codec: str
    profile: str | None
    width: int
    height: int
    rotation: int
    mirrored: bool
    sample_aspect: str
    frame_rate: float | None
    stated_rate: float | None
    duration: float | None
    motion: MotionSource
    seconds: float
    frames: int
    frame_types: dict[str, int]
    gop: Gop
    bit_rate: float | None
    with_vectors: float
    damaged: int
    decoding: DecodeCount
    why_whole: str
    qp: float | None
    camera_moved: float | None
    fps: float
    samples: int
    groups: int
    anchor_every: int
    kept: dict[str, float]
    scenes: dict[str, int]
    picture: str | None
    film: str | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as nested dicts of JSON's own types."""
        return {**asdict(self), "decoding": self.decoding.to_dict()}


def inspect_source(
    source: SourceLike,
    *,
    fps: float = 2.0,
    grid: PatchGrid = DEFAULT_GRID,
    anchor_every: int = 80,
    limit: float | None = None,
    out: str | os.PathLike[str] | None = None,
    decode: Decoding = "auto",
    **access: Unpack[Access],
) -> Inspection:
    """Reads a source once and says what is in it and what each pruner would keep.

    Args:
        source: what a :class:`~costream.video.Stream` takes.
        fps: sampling rate, in frames a second.
        grid: how pictures are cut into patches.
        anchor_every: ticks from one anchor to the next.
        limit: seconds of stream to read, or None for all of it; of a live source, which has no end,
            :data:`LIVE_LIMIT`, which a warning says.
        out: a directory, made where it is missing, to write :data:`PICTURE` and :data:`FILM` to:
            frame, motion, the groups that the default pruner keeps, and how old the others are, at
            one telling moment and over the first :data:`FILM_SECONDS`.
        decode: which pictures are decoded; see :class:`~costream.video.Stream`.
        access: how the source is reached; likewise.

    Raises:
        SettingsError: ``fps``, ``limit`` or ``anchor_every`` is not positive.
        SourceError: as :meth:`Stream.samples`; or the source gave no frame at all.
        OSError: ``out`` can't be written.
    """
    if limit is not None and not limit > 0:
        raise SettingsError(f"limit must be a positive number of seconds, not {limit}")
    trial = Trial(grid, PrunerSettings(anchor_every=anchor_every), fps)
    records: list[FrameRecord] = []
    evidence = EvidenceTally()
    with Stream(source, decode=decode, **access) as stream, _open_film(out, fps) as film:
        limit = limit or _limit(stream)
        samples = stream.samples(fps, on_frame=records.append)
        for patch in _in_patches(_until(samples, limit)):
            portrait = trial.add(patch)
            evidence.add(patch)
            if film is not None and portrait.samples[-1].time < FILM_SECONDS:
                film.add(portrait.draw(_heading(stream.info)))
    records = [one for one in records if limit is None or one.time < limit]
    if not records or trial.moment is None:
        raise SourceError(f"{stream.info.source} gave no frame: nothing to inspect")
    counted = _counted(records)
    if out is not None:
        heading = _heading(stream.info, counted["frame_rate"])
        trial.moment.draw(heading).save(Path(out) / PICTURE, optimize=True)
    return Inspection(
        **_described(stream.info),
        **counted,
        decoding=stream.health.decoding,
        why_whole=stream.why_whole,
        fps=fps,
        samples=trial.samples,
        groups=grid.groups,
        anchor_every=anchor_every,
        kept=trial.kept,
        scenes=dict(trial.scenes),
        qp=evidence.qp,
        camera_moved=evidence.camera_moved,
        picture=None if out is None else str(Path(out) / PICTURE),
        film=None if out is None else str(Path(out) / FILM),
    )


def _limit(stream: Stream) -> float | None:
    if not stream.info.live:
        return None
    logger.warning(
        "%s is live: %g s of it are read, unless a limit says otherwise",
        stream.info.source,
        LIVE_LIMIT,
    )
    return LIVE_LIMIT


@contextmanager
def _open_film(out: str | os.PathLike[str] | None, fps: float) -> Iterator[Film | None]:
    if out is None:
        yield None
        return
    Path(out).mkdir(parents=True, exist_ok=True)
    with Film(Path(out) / FILM, fps / TEMPORAL_PATCH) as film:
        yield film


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
        "mirrored": info.mirrored,
        "sample_aspect": f"{info.sample_aspect.numerator}:{info.sample_aspect.denominator}",
        "stated_rate": info.frame_rate,
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
        "frame_rate": (len(records) - 1) / seconds if seconds > 0 else None,
        "frame_types": {letter: types.count(letter) for letter in "IPB"},
        "gop": find_gop(types),
        "bit_rate": 8 * sent / seconds if seconds > 0 else None,
        "with_vectors": sum(record.vectors > 0 for record in records) / len(records),
        "damaged": sum(record.damaged for record in records),
    }


def _heading(info: StreamInfo, rate: float | None = None) -> str:
    name = info.source if "://" in info.source else Path(info.source).name
    known = f", {rate:.3g} fps" if rate else ""
    return f"{printable(name)}   {info.codec} {info.width} x {info.height}{known}"
