"""A pruner judged as a detector of what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from costream.lab.evaluate.judge import Judge
from costream.pruning import KeepMask, PatchGrid, Pruner
from costream.video import Sample


@dataclass(frozen=True, slots=True)
class Detection:
    """What :func:`detect` found.

    Frames that a rule keeps whole on purpose (``first``, ``age``, ``cut``, ``light``, ``damage``)
    count in ``overall`` and are not judged: they are right in every group and tell nothing of the
    detector. Frames that are whole because the rule is ``blind`` are judged.

    Attributes:
        keep: share of the groups of judged frames that was kept; 1 where no frame was judged.
        overall: share of all groups that was kept, whole frames included.
        recall: share of the really changed groups that was kept; 1 where nothing changed.
        precision: share of the kept groups that had really changed; 1 where nothing was kept.
        changed: share of the judged groups that really changed.
        whole: temporal patches that were kept whole, by reason.
        scenes: temporal patches in which something was recognised in the whole picture, by what.
        seconds: time that the decisions took.
    """

    keep: float
    overall: float
    recall: float
    precision: float
    changed: float
    whole: dict[str, int]
    scenes: dict[str, int]
    seconds: float


def detect(pruner: Pruner, samples: Sequence[Sample], judge: Judge, frames: int = 1) -> Detection:
    """Runs a fresh pruner over a stream and judges every decision.

    Args:
        pruner: the rule, which has decided nothing yet.
        samples: all frames of the stream, in order.
        judge: a fresh judge of the same frames and the same grid.
        frames: frames in a temporal patch.
    """
    tally = _Tally(pruner.grid)
    for start in range(0, len(samples), frames):
        patch = samples[start : start + frames]
        before = perf_counter()
        mask = pruner.decide(patch)
        tally.seconds += perf_counter() - before
        span = range(start, start + len(patch))
        tally.add(mask, judge, span)
        judge.keep(span[-1], mask.groups)
    return tally.detection()


def score(grid: PatchGrid, masks: Sequence[KeepMask], judge: Judge) -> Detection:
    """Judges what a pruner decided of a stream, a mask for each frame; ``seconds`` is 0.

    Args:
        grid: the pruner's.
        masks: its decisions, in order.
        judge: a fresh judge of the same frames and the same grid.
    """
    tally = _Tally(grid)
    for index, mask in enumerate(masks):
        tally.add(mask, judge, range(index, index + 1))
        judge.keep(index, mask.groups)
    return tally.detection()


class _Tally:
    def __init__(self, grid: PatchGrid) -> None:
        self._groups = grid.groups
        self._patches = self._judged = self._kept = 0
        self._hits = self._misses = self._idle = 0
        self._whole: Counter[str] = Counter()
        self._scenes: Counter[str] = Counter()
        self.seconds = 0.0

    def add(self, mask: KeepMask, judge: Judge, span: range) -> None:
        self._patches += 1
        self._kept += mask.kept
        self._whole.update([mask.anchor] if mask.anchor else ())
        self._scenes.update([mask.scene] if mask.scene else ())
        if mask.anchor not in (None, "blind"):
            return
        changed = judge.changed(span)
        self._judged += 1
        self._hits += int(np.count_nonzero(changed & mask.groups))
        self._misses += int(np.count_nonzero(changed & ~mask.groups))
        self._idle += int(np.count_nonzero(mask.groups & ~changed))

    def detection(self) -> Detection:
        changed, found = self._hits + self._misses, self._hits + self._idle
        judged = self._judged * self._groups
        return Detection(
            keep=found / judged if judged else 1.0,
            overall=self._kept / max(1, self._patches * self._groups),
            recall=self._hits / changed if changed else 1.0,
            precision=self._hits / found if found else 1.0,
            changed=changed / max(1, judged),
            whole=dict(self._whole),
            scenes=dict(self._scenes),
            seconds=self.seconds,
        )
