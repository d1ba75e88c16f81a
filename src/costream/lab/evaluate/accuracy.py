"""The table: what each policy costs and what its answers are worth, against full recomputation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.metrics import (
    Counts,
    EventScore,
    Flips,
    area_under_roc,
    count_flips,
    count_videos,
    find_events,
    frame_scores,
)
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.settings import EngineSettings
from costream.video import DecodeCount

Results = Mapping[str, VideoResult]
"""Video's name to what one policy made of it."""

Answers = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One policy on a whole set. Savings are shares of what the reference spends.

    The reference is full recomputation, unless another was named.

    Attributes:
        policy: its name.
        default: it is the product's default.
        videos: how many it was run on.
        answers: how many (window, question) pairs.
        f1: of (video, category) pairs, where a video is positive for a category when any window
            says yes to its question.
        precision: of the same.
        recall: of the same.
        auc: area under the ROC curve over frames: a frame's score is the highest over all questions
            of the mean over the windows that hold it, and a frame is positive within any event.
            None where there are only frames of one kind.
        event_precision: share of alerts that overlap an event of their category.
        event_recall: share of events that an alert of their category overlaps.
        delay_s: mean seconds from an event's start to the first alert, or None.
        flips: share of the (window, question) pairs answered otherwise than by the reference.
        flips_low: lower bound of its 95% interval.
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
    precision: float
    recall: float
    auc: float | None
    event_precision: float
    event_recall: float
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
    common = set.intersection(*(set(result) for result in results.values()))
    videos = [video for video in dataset.videos if video.name in common]
    asks = tuple(dataset.questions.values())
    scored = {
        policy: {v.name: result[v.name].calibrated(asks, settings) for v in videos}
        for policy, result in results.items()
    }
    categories = tuple(dataset.questions)
    thresholds = np.array([settings.threshold_for(ask) for ask in asks])
    rating = _Rating(videos, categories, scored[reference], thresholds)
    return [rating.row(policy, result) for policy, result in scored.items()]


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

    def row(self, policy: str, results: Results) -> AccuracyRow:
        kinds = self._count(results)
        total = sum(kinds.values(), Counts())
        events = sum(self._find(results), EventScore())
        flips = self._flips(results)
        spent = _Spending.of(self._windows(results))
        full = _Spending.of(self._windows(self._reference))
        decoding = sum((results[v.name].decoding for v in self._videos), DecodeCount())
        return AccuracyRow(
            policy=policy,
            default=policy == DEFAULT,
            videos=len(self._videos),
            answers=flips.pairs,
            f1=total.f1,
            precision=total.precision,
            recall=total.recall,
            auc=self._auc(results),
            event_precision=events.precision,
            event_recall=events.recall,
            delay_s=events.delay,
            flips=flips.share,
            flips_low=flips.low,
            flips_high=flips.high,
            yes_flips=self._yes_flips(results),
            kept=spent.kept / max(1, spent.full),
            tokens_saved=_saved(spent.encoded + spent.prefilled, full.encoded + full.prefilled),
            vision_saved=_saved(spent.encoded, full.encoded),
            prefill_saved=_saved(spent.prefilled, full.prefilled),
            flops_saved=_saved(spent.flops, full.flops),
            video_flops_saved=_saved(spent.flops - spent.asking, full.flops - full.asking),
            windows_per_s=spent.windows / max(spent.seconds, 1e-9),
            decoded=decoding.share,
            decoding=decoding.to_dict(),
            kinds={category: counts.f1 for category, counts in kinds.items()},
        )

    def _windows(self, results: Results) -> list[WindowResult]:
        return [window for video in self._videos for window in results[video.name].windows]

    def _count(self, results: Results) -> dict[str, Counts]:
        said = []
        for video in self._videos:
            yes = results[video.name].scores >= self._thresholds
            answers = {self._categories[n] for n in np.flatnonzero(yes.any(axis=0)).tolist()}
            said.append((video.categories, answers))
        return count_videos(said, self._categories)

    def _find(self, results: Results) -> Iterator[EventScore]:
        for video in self._videos:
            result = results[video.name]
            yes = result.scores >= self._thresholds
            for column, category in enumerate(self._categories):
                if video.events is not None:
                    events = [
                        event.seconds(result.rate)
                        for event in video.events
                        if event.category == category
                    ]
                    yield find_events(result.spans, yes[:, column].tolist(), events)

    def _flips(self, results: Results) -> Flips:
        return count_flips(
            [self._compare(results[v.name], self._reference[v.name]) for v in self._videos]
        )

    def _compare(self, result: VideoResult, reference: VideoResult) -> tuple[int, int]:
        ours, theirs = self._sides(result, reference)
        return int((ours != theirs).sum()), ours.size

    def _yes_flips(self, results: Results) -> float:
        flips = yes = 0
        for video in self._videos:
            ours, theirs = self._sides(results[video.name], self._reference[video.name])
            flips += int((ours != theirs).sum())
            yes += int((ours | theirs).sum())
        return flips / max(1, yes)

    def _sides(self, result: VideoResult, reference: VideoResult) -> tuple[Answers, Answers]:
        """Returns which answers are a yes, and which of the reference's: [windows, questions]."""
        before = {window.index: window.scores for window in reference.windows}
        known = np.array([before[window.index] for window in result.windows])
        return result.scores >= self._thresholds, known >= self._thresholds

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


@dataclass(frozen=True, slots=True)
class _Spending:
    windows: int
    full: int
    kept: int
    encoded: int
    prefilled: int
    flops: int
    asking: int
    seconds: float

    @classmethod
    def of(cls, windows: Sequence[WindowResult]) -> _Spending:
        return cls(
            windows=len(windows),
            full=sum(window.full for window in windows),
            kept=sum(window.kept for window in windows),
            encoded=sum(window.encoded for window in windows),
            prefilled=sum(window.prefilled for window in windows),
            flops=sum(window.flops for window in windows),
            asking=sum(window.asking for window in windows),
            seconds=sum(window.seconds for window in windows),
        )


def _within(
    times: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]
) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return inside


def _saved(spent: int, full: int) -> float:
    return 1 - spent / max(full, 1)
