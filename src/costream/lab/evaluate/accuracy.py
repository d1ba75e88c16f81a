"""The table: what each policy costs and what its answers are worth, against full recomputation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.answers import Decisions, Examiner, Results, decide
from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.metrics import (
    Counts,
    area_under_roc,
    count_videos,
    event_f1,
    f1,
    false_alarms,
    frame_scores,
)
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.results import WindowResult
from costream.lab.evaluate.spending import Spending, saved
from costream.settings import EngineSettings
from costream.video import DecodeCount


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One policy on a whole set. Savings are shares of what the reference spends.

    The reference is full recomputation, unless another was named. ``low`` and ``high`` are the
    bounds of 95% intervals over videos.

    Attributes:
        policy: its name.
        default: it is the product's default.
        videos: how many it was run on.
        answers: how many (window, question) pairs.
        f1: of (video, category) pairs, where a video is positive for a category when any window
            says yes to its question.
        f1_low: lower bound.
        f1_high: upper bound.
        f1_change: by how much F1 is above the reference's.
        f1_change_low: lower bound, both policies on the same drawn videos.
        f1_change_high: upper bound.
        precision: of the same.
        recall: of the same.
        auc: area under the ROC curve over frames: a frame's score is the highest over all questions
            of the mean over the windows that hold it, and a frame is positive within any event.
            None where there are only frames of one kind.
        event_precision: share of alerts that overlap an event of their category.
        event_precision_low: lower bound.
        event_precision_high: upper bound.
        event_recall: share of events that an alert of their category overlaps.
        event_recall_low: lower bound.
        event_recall_high: upper bound.
        event_f1: harmonic mean of both.
        false_alarms: alerts that overlap no event of their category, an hour of annotated video;
            None without any.
        false_alarms_low: lower bound.
        false_alarms_high: upper bound.
        delay_s: mean seconds from an event's start to the first alert, or None.
        flips: share of the (window, question) pairs answered otherwise than by the reference.
        flips_low: lower bound.
        flips_high: upper bound.
        yes_flips: share of the pairs that are a yes on either side and a no on the other: most
            answers are a no on both sides, which nobody doubts. 0 without any yes.
        kept: share of a window's visual tokens that it holds, of the part that is shown.
        tokens_saved: visual tokens through the vision encoder and through the language model.
        vision_saved: those through the vision encoder alone.
        prefill_saved: those through the language model alone.
        flops_saved: operations.
        video_flops_saved: operations but for the questions' own tokens, which every policy has to
            run: what is saved on the video, however many questions are asked.
        windows_per_s: windows a second on this machine, decoding included.
        decoded: share of the native frames that was decoded.
        decoding: native frames by why they were decoded, or were not.
        kinds: F1 by category.
    """

    policy: str
    default: bool
    videos: int
    answers: int
    f1: float
    f1_low: float
    f1_high: float
    f1_change: float
    f1_change_low: float
    f1_change_high: float
    precision: float
    recall: float
    auc: float | None
    event_precision: float
    event_precision_low: float
    event_precision_high: float
    event_recall: float
    event_recall_low: float
    event_recall_high: float
    event_f1: float
    false_alarms: float | None
    false_alarms_low: float | None
    false_alarms_high: float | None
    delay_s: float | None
    flips: float
    flips_low: float
    flips_high: float
    yes_flips: float
    kept: float
    tokens_saved: float
    vision_saved: float
    prefill_saved: float
    flops_saved: float
    video_flops_saved: float
    windows_per_s: float
    decoded: float
    decoding: dict[str, int]
    kinds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def rate_policies(
    dataset: Dataset,
    results: Mapping[str, Results],
    settings: EngineSettings,
    reference: str = REFERENCE,
) -> list[AccuracyRow]:
    """Rates every policy on the videos that all of them were run on.

    Args:
        dataset: what the videos show, and the questions in the order they were asked.
        results: by policy; the reference must be among them.
        settings: how answers are scored, and from which score on they count as a yes.
        reference: what flips and savings are against.
    """
    videos = common_videos(dataset, results)
    asks = tuple(dataset.questions.values())
    thresholds = np.array([settings.threshold_for(ask) for ask in asks])
    scored = {
        policy: {v.name: result[v.name].calibrated(asks, settings).told(thresholds) for v in videos}
        for policy, result in results.items()
    }
    rating = _Rating(videos, tuple(dataset.questions), scored[reference], thresholds)
    return [rating.row(policy, result) for policy, result in scored.items()]


def common_videos(dataset: Dataset, results: Mapping[str, Results]) -> list[Video]:
    """Returns the videos that all policies were run on, in the set's order."""
    common = set.intersection(*(set(result) for result in results.values()))
    return [video for video in dataset.videos if video.name in common]


class _Rating:
    """Rates policies on the same videos, against the same reference."""

    def __init__(
        self,
        videos: Sequence[Video],
        categories: Sequence[str],
        reference: Results,
        thresholds: npt.NDArray[np.float64],
    ) -> None:
        self._videos = videos
        self._categories = categories
        self._reference = reference
        self._thresholds = thresholds
        self._examiner = Examiner(videos, categories)
        theirs = decide(reference, thresholds)
        self._theirs = theirs
        self._known = self._examiner.tally(reference, theirs, reference, theirs)

    def row(self, policy: str, results: Results) -> AccuracyRow:
        ours = decide(results, self._thresholds)
        tally = self._examiner.tally(results, ours, self._reference, self._theirs)
        score, change = tally.estimate(f1), tally.change(f1, self._known)
        alarms = tally.estimate(false_alarms) if tally.total("seconds") else None
        recall, precision = tally.share("event_recall"), tally.share("event_precision")
        flips = tally.share("flips")
        kinds = self._count(ours)
        total = sum(kinds.values(), Counts())
        spent = Spending.of(self._windows(results))
        full = Spending.of(self._windows(self._reference))
        decoding = sum((results[v.name].decoding for v in self._videos), DecodeCount())
        return AccuracyRow(
            policy=policy,
            default=policy == DEFAULT,
            videos=len(self._videos),
            answers=int(flips.of),
            f1=score.value,
            f1_low=score.low,
            f1_high=score.high,
            f1_change=change.value,
            f1_change_low=change.low,
            f1_change_high=change.high,
            precision=total.precision,
            recall=total.recall,
            auc=self._auc(results),
            event_precision=precision.value,
            event_precision_low=precision.low,
            event_precision_high=precision.high,
            event_recall=recall.value,
            event_recall_low=recall.low,
            event_recall_high=recall.high,
            event_f1=tally.value(event_f1),
            false_alarms=None if alarms is None else alarms.value,
            false_alarms_low=None if alarms is None else alarms.low,
            false_alarms_high=None if alarms is None else alarms.high,
            delay_s=self._examiner.events(results, ours).delay,
            flips=flips.value,
            flips_low=flips.low,
            flips_high=flips.high,
            yes_flips=tally.share("yes_flips").value,
            kept=spent.kept / max(1, spent.full),
            tokens_saved=saved(spent.tokens, full.tokens),
            vision_saved=saved(spent.encoded, full.encoded),
            prefill_saved=saved(spent.prefilled, full.prefilled),
            flops_saved=saved(spent.flops, full.flops),
            video_flops_saved=saved(spent.video_flops, full.video_flops),
            windows_per_s=spent.windows / max(spent.seconds, 1e-9),
            decoded=decoding.share,
            decoding=decoding.to_dict(),
            kinds={category: counts.f1 for category, counts in kinds.items()},
        )

    def _windows(self, results: Results) -> list[WindowResult]:
        return [window for video in self._videos for window in results[video.name].windows]

    def _count(self, ours: Decisions) -> dict[str, Counts]:
        return count_videos(self._examiner.said(ours), self._categories)

    def _auc(self, results: Results) -> float | None:
        scores, labels = [np.empty(0)], [np.empty(0, np.bool_)]
        for video in self._videos:
            if video.events is None:
                continue
            result = results[video.name]
            times = np.arange(0, result.windows[-1].end, 1 / result.rate)
            means, held = frame_scores(result.spans, result.scores, times)
            spans = [event.seconds(result.rate) for event in video.events]
            scores.append(means.max(axis=1)[held])
            labels.append(_within(times[held], spans))
        return area_under_roc(np.concatenate(scores), np.concatenate(labels))


def _within(
    times: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]
) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return inside
