"""The change signal judged as a detector: every pruner, on generated streams and on files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from costream.errors import SourceError
from costream.lab.evaluate.detection import Detection, detect
from costream.lab.evaluate.judge import Judge
from costream.lab.evaluate.overhead import Overhead, measure_overhead
from costream.lab.evaluate.signal_case import SignalCase
from costream.lab.synth import encode
from costream.pruning import DEFAULT_PRUNER, PRUNERS, PatchGrid, PrunerSettings, change_rules
from costream.pruning.anchors import AnchorSchedule
from costream.video import Sample, Stream

GRID = PatchGrid(28, 28, 2)
"""14 x 14 merge groups: a picture of 448 x 448 pixels in patches of 16."""

SYNTHETIC = "synthetic"
"""What generated streams are called in a row's ``source``."""


@dataclass(frozen=True, slots=True)
class SignalSetup:
    """How the signal is measured.

    Attributes:
        fps: frames sampled a second.
        grid: the pruners' grid.
        anchor_every: ticks after which a frame is kept whole again.
        frames: frames in a temporal patch.
        seconds: length of the generated streams.
        seed: the synthetic camera's.
        pruners: names of the rules to measure.
    """

    fps: float = 2.0
    grid: PatchGrid = GRID
    anchor_every: int = 80
    frames: int = 1
    seconds: float = 40.0
    seed: int = 7
    pruners: tuple[str, ...] = field(default_factory=change_rules)


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One pruner on one stream.

    Attributes:
        source: the file's name, or ``synthetic``.
        codec: FFmpeg's name of the codec; of generated streams, the encoder.
        setting: what is special about a generated stream; empty for a file.
        pruner: name of the rule.
        keep: share of the groups kept, of the frames that were not kept whole on purpose: the same
            frames that recall and precision are of.
        overall: share of the groups kept, whole frames included.
        recall: share of the really changed groups that were kept.
        precision: share of the kept groups that had really changed.
        cost: seconds of decoding, extraction and decisions, over those of decoding alone.
        changed: share of the groups that really changed.
        pixel_keep: share of the groups that the pixel comparison keeps when it is run as a rule of
            its own with anchors as often, of the frames that are no anchors.
        whole: frames kept whole, by reason.
        scenes: frames in which the rule recognised a cut, a change of the light, shake or pan.
        default: the rule is the default one.
    """

    source: str
    codec: str
    setting: str
    pruner: str
    keep: float
    overall: float
    recall: float
    precision: float
    cost: float
    changed: float
    pixel_keep: float
    whole: dict[str, int]
    scenes: dict[str, int]
    default: bool

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def signal_of_case(case: SignalCase, setup: SignalSetup) -> list[SignalRow]:
    """Renders and encodes a stream, and judges every pruner by the truth.

    See :class:`~costream.lab.evaluate.judge.Judge` for what is true and
    :class:`~costream.lab.evaluate.detection.Detection` for what is counted.
    """
    camera = case.camera(setup.seed)
    pictures = (camera.frame(index) for index in range(round(setup.seconds * case.fps)))
    with TemporaryDirectory() as folder:
        path = encode(pictures, Path(folder) / "camera.mp4", fps=case.fps, settings=case.encoder)
        bench = _Bench(path, setup)
        indices = [round(sample.time * case.fps) for sample in bench.samples]
        judge = Judge.of_camera(camera, indices, setup.grid)
        return list(bench.rows(judge, SYNTHETIC, case.codec, case.setting))


def signal_of_file(path: Path, setup: SignalSetup) -> list[SignalRow]:
    """Judges every pruner on a file, by the pixel comparison.

    All samples are held in memory at once, so this is for clips.

    Raises:
        SourceError: the file can't be read or holds no picture.
    """
    bench = _Bench(path, setup)
    judge = Judge.of_samples(bench.samples, setup.grid)
    return list(bench.rows(judge, path.name, bench.codec, ""))


class _Bench:
    """One stream, read once for its samples and some more times to be timed."""

    def __init__(self, path: Path, setup: SignalSetup) -> None:
        self._setup = setup
        self._overhead = measure_overhead(
            lambda motion: Stream(path, motion=motion, decode="all"), setup.fps
        )
        # Rules are judged on what they make of all pictures.
        with Stream(path, decode="all") as stream:
            self.codec = stream.info.codec
            self.samples = list(stream.samples(setup.fps))
        if not self.samples:
            raise SourceError(f"{path} gave no frame: nothing to measure")

    def rows(self, judge: Judge, source: str, codec: str, setting: str) -> Iterator[SignalRow]:
        pixel_keep = compare_pixels(self.samples, self._setup)
        for name in self._setup.pruners:
            found = self._detect(name, judge)
            yield SignalRow(
                source=source,
                codec=codec,
                setting=setting,
                pruner=name,
                keep=found.keep,
                overall=found.overall,
                recall=found.recall,
                precision=found.precision,
                cost=_cost(self._overhead, name, found),
                changed=found.changed,
                pixel_keep=pixel_keep,
                whole=found.whole,
                scenes=found.scenes,
                default=name == DEFAULT_PRUNER,
            )

    def _detect(self, name: str, judge: Judge) -> Detection:
        settings = PrunerSettings(anchor_every=self._setup.anchor_every)
        # Twice, since the first run pays for the scaler's set-up and for cold caches.
        runs = [
            detect(
                PRUNERS[name](self._setup.grid, settings),
                self.samples,
                judge.again(),
                self._setup.frames,
            )
            for _ in range(2)
        ]
        return min(runs, key=lambda run: run.seconds)


def _cost(overhead: Overhead, name: str, found: Detection) -> float:
    return overhead.cost(found.seconds, PRUNERS[name].vectors)


def compare_pixels(samples: Sequence[Sample], setup: SignalSetup) -> float:
    """Returns the share of groups that the pixel comparison keeps as a rule of its own.

    It keeps the first temporal patch whole, and one every ``setup.anchor_every`` ticks; the share
    is that of the others, and 1 where there are none.
    """
    judge = Judge.of_samples(samples, setup.grid)
    schedule = AnchorSchedule(setup.anchor_every)
    shares: list[float] = []
    for start in range(0, len(samples), setup.frames):
        span = range(start, min(start + setup.frames, len(samples)))
        patch = [samples[index] for index in span]
        kept = np.ones(setup.grid.group_shape, np.bool_)
        if schedule.due(patch):
            schedule.place(patch)
        else:
            kept = judge.changed(span)
            shares.append(float(kept.mean()))
        judge.keep(span[-1], kept)
    return fmean(shares) if shares else 1.0
