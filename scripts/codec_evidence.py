"""How well vectors and residuals tell what changed, alone and beside luma, codec by codec.

    python scripts/codec_evidence.py [--seeds 3,7] [--smallest]

On the streams of ``costream bench signal``, read by our own reader, two things are measured:

* **AUC** along a run of the default rule: how well each measure of an interval orders the groups,
  those that really changed since they were last kept before the others. Over all groups, and over
  those in doubt, whose luma differs from what was last kept by 5 to 10 steps.
* **rules**: without luma, where a group is kept when any of its blocks has that evidence in the
  interval, by a fixed threshold; and the default rule, its threshold moved, or with evidence that
  vetoes (of what is untouched: neither vector nor residual in any frame of the interval; skipped:
  no residual and not intra), admits (what differs by a step less than the threshold) or settles
  what differs by no more than a step from the threshold.

``vectors`` is the length of a block's summed vectors in pixels, ``residual`` what it is in steps a
pixel, ``either`` the larger of both, each over its threshold.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.detection import detect
from costream.lab.evaluate.judge import Judge
from costream.lab.evaluate.signal import GRID
from costream.lab.evaluate.signal_case import SignalCase, signal_cases
from costream.lab.synth import encode
from costream.pruning import PRUNERS, KeepMask, LastKept, Pruner, PrunerSettings
from costream.pruning.anchors import AnchorSchedule
from costream.pruning.doubt import CORRECTED, Doubt
from costream.pruning.pooling import pool_max
from costream.video import ChangeMap, Sample, Stream

FPS, SETTINGS = 2.0, PrunerSettings(anchor_every=80)
DRIFT, RESIDUAL = 4.0, CORRECTED
DOUBT = (5.0, 10.0)
ENOUGH = 8
"""Groups that changed, and that did not, without which a stream has no AUC."""

Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Measure = Callable[[ChangeMap], Field]


def vectors(change: ChangeMap) -> Field:
    """Returns each block's summed vectors' length in pixels."""
    length: Field = np.hypot(change.drift[..., 0], change.drift[..., 1])
    return length


def residual(change: ChangeMap) -> Field:
    """Returns each block's residual in luma steps a pixel."""
    return np.nan_to_num(change.residual)


def either(change: ChangeMap) -> Field:
    """Returns the larger of both, each over its threshold."""
    larger: Field = np.maximum(vectors(change) / DRIFT, residual(change) / RESIDUAL)
    return larger


def touched(change: ChangeMap) -> Field:
    """Returns what is above 0 where a block moved, was corrected or was intra in any frame."""
    return residual(change) + change.activity


def coded(change: ChangeMap) -> Field:
    """Returns what is above 0 where a block was corrected or was intra in any frame."""
    return residual(change) + change.intra.astype(np.float32)


MEASURES: dict[str, Measure] = {"vectors": vectors, "residual": residual, "either": either}


def any_block(sample: Sample, blocks: Mask) -> Mask:
    """Returns the groups with any of the blocks."""
    return pool_max(blocks, (sample.picture.height, sample.picture.width), GRID.group_shape)


def largest(sample: Sample, field: Field) -> Field:
    """Returns the largest value among the blocks of each group."""
    return pool_max(field, (sample.picture.height, sample.picture.width), GRID.group_shape)


class EvidenceAlone(Pruner):
    """Keeps what has evidence in the interval, whatever it looks like."""

    name = "evidence"

    def __init__(self, measure: Measure, threshold: float) -> None:
        """Starts without a frame."""
        super().__init__(GRID, SETTINGS)
        self._schedule = AnchorSchedule(SETTINGS.anchor_every)
        self._measure, self._threshold = measure, threshold

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps the groups of the last of ``samples``; see :meth:`Pruner.decide`."""
        if reason := self._schedule.due(samples):
            self._schedule.place(samples)
            return KeepMask.whole(GRID, reason)
        (sample,) = samples
        if sample.change.keyframes >= sample.change.frames:
            return KeepMask.whole(GRID, "blind")
        return KeepMask(any_block(sample, self._measure(sample.change) >= self._threshold), None)


class Probed(LastKept):
    """The default rule, whose differences can be looked at; moved, vetoed or widened."""

    def __init__(
        self, *, moved: float = 0.0, veto: Measure | None = None, admit: Measure | None = None
    ) -> None:
        """Takes steps to add to the threshold, and what vetoes where 0 or admits from 1 on."""
        super().__init__(GRID, SETTINGS, judge=self._judged)
        self._moved, self._veto, self._admit = moved, veto, admit
        self.gap: Field = np.zeros(GRID.group_shape, np.float32)

    def _judged(self, sample: Sample, gap: Field, threshold: float) -> Mask:
        self.gap = gap
        threshold = threshold + self._moved
        differs: Mask = gap > threshold
        if self._veto is not None and not sample.change.keyframes:
            differs &= any_block(sample, self._veto(sample.change) > 0)
        if self._admit is not None:
            admitted = any_block(sample, self._admit(sample.change) >= 1)
            differs |= admitted & (gap > threshold - 1)
        return differs


def settled(measure: Measure) -> Pruner:
    """Returns the default rule with a zone of doubt that a measure settles from 1 on."""
    return LastKept(GRID, SETTINGS, judge=Doubt(lambda change: measure(change) >= 1))


RULES: dict[str, Callable[[], Pruner]] = {
    "vectors alone": lambda: EvidenceAlone(vectors, DRIFT),
    "residual alone": lambda: EvidenceAlone(residual, RESIDUAL),
    "either alone": lambda: EvidenceAlone(either, 1),
    "last-kept": Probed,
    "threshold - 0.5": lambda: Probed(moved=-0.5),
    "threshold + 0.5": lambda: Probed(moved=0.5),
    "untouched vetoes": lambda: Probed(veto=touched),
    "skipped vetoes": lambda: Probed(veto=coded),
    "residual admits": lambda: Probed(admit=lambda change: residual(change) / RESIDUAL),
    "vectors settle": lambda: settled(lambda change: vectors(change) / DRIFT),
    "either settles": lambda: settled(either),
    "last-kept-codec": lambda: PRUNERS["last-kept-codec"](GRID, SETTINGS),
    "last-kept-residual": lambda: PRUNERS["last-kept-residual"](GRID, SETTINGS),
}


def auc(score: Field, changed: Mask) -> float:
    """Returns the share of pairs of changed and unchanged groups in the right order, or NaN."""
    positive, negative = int(changed.sum()), int((~changed).sum())
    if min(positive, negative) < ENOUGH:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[changed].sum() - positive * (positive + 1) / 2) / (positive * negative))


def aucs(samples: Sequence[Sample], judge: Judge) -> dict[str, tuple[float, float]]:
    """Returns each measure's AUC over all groups and over those in doubt."""
    rule = Probed()
    scores: dict[str, list[Field]] = defaultdict(list)
    truth = []
    for index, sample in enumerate(samples):
        mask = rule.decide([sample])
        change = sample.change
        if mask.anchor is None and change.keyframes < change.frames:
            truth.append(judge.changed(range(index, index + 1)))
            scores["luma"].append(rule.gap)
            for name, measure in MEASURES.items():
                scores[name].append(largest(sample, measure(change)))
        judge.keep(index, mask.groups)
    changed, gap = np.stack(truth), np.stack(scores["luma"])
    doubt = (gap > DOUBT[0]) & (gap <= DOUBT[1])
    stacked = {name: np.stack(fields) for name, fields in scores.items()}
    return {
        name: (auc(field.ravel(), changed.ravel()), auc(field[doubt], changed[doubt]))
        for name, field in stacked.items()
    }


def film(case: SignalCase, seed: int, folder: Path) -> Path:
    """Renders and encodes a case."""
    camera = case.camera(seed)
    frames = (camera.frame(index) for index in range(round(case.longest * case.fps)))
    return encode(frames, folder / "camera.mp4", fps=case.fps, settings=case.encoder)


Rows = dict[str, list[tuple[float, ...]]]


def measure_case(case: SignalCase, seed: int, folder: Path, found: Rows) -> None:
    """Adds one stream's figures: AUCs, and keep, recall and precision by rule."""
    with Stream(film(case, seed, folder), decode="all") as stream:
        samples = list(stream.samples(FPS))
    indices = [round(sample.time * case.fps) for sample in samples]
    judge = Judge.of_camera(case.camera(seed), indices, GRID)
    for name, pair in aucs(samples, judge.again()).items():
        found[f"AUC {name}"].append(pair)
    for name, new in RULES.items():
        one = detect(new(), samples, judge.again())
        found[name].append((one.keep, one.recall, one.precision))


def lines(found: Rows) -> Iterator[str]:
    """Yields the table: means, least values in brackets; AUCs are medians."""
    for name, rows in found.items():
        columns = np.array(rows).T
        if name.startswith("AUC"):
            middle, least = np.nanmedian(columns, 1), np.nanmin(columns, 1)
            figures = [f"{a:.3f} ({b:.3f})" for a, b in zip(middle, least, strict=True)]
            yield f"  {name:20}all {figures[0]}  in doubt {figures[1]}"
            continue
        (keep, recall, precision), least = columns.mean(1), columns.min(1)
        yield (
            f"  {name:20}keep {keep:.4f}  recall {recall:.4f} ({least[1]:.3f})  "
            f"precision {precision:.3f} ({least[2]:.3f})"
        )


def main() -> None:
    """Prints the table, one part a codec."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="3,7")
    parser.add_argument("--smallest", action="store_true", help="leave out 720p and 1080p")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    found: dict[str, Rows] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            for case in signal_cases():
                if not args.smallest or case.width < 1280:
                    measure_case(case, seed, Path(folder), found[case.codec])
    for codec, rows in found.items():
        print(f"{codec}, {len(rows['last-kept'])} streams", *lines(rows), sep="\n")


if __name__ == "__main__":
    main()
