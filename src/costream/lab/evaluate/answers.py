"""Which answers are a yes, and what that is worth on each video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.datasets import Video
from costream.lab.evaluate.metrics import (
    EventScore,
    Tally,
    VideoTally,
    count_videos,
    find_events,
)
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.settings import EngineSettings

Results = Mapping[str, VideoResult]
"""Video's name to what one policy made of it."""

Answers = npt.NDArray[np.bool_]
"""Which answers are a yes: [windows, questions]."""

Decisions = Mapping[str, Answers]
"""Video's name to one policy's answers."""


def decide(results: Results, thresholds: npt.NDArray[np.float64]) -> Decisions:
    """Returns which scores that are told reach their question's threshold: [questions]."""
    told = {name: result.told(thresholds) for name, result in results.items()}
    return {name: result.scores >= thresholds for name, result in told.items()}


def decide_by_settings(
    results: Results, videos: Sequence[Video], asks: Sequence[str], settings: EngineSettings
) -> Decisions:
    """Returns which answers settings take for a yes, by their calibration and thresholds."""
    thresholds = np.array([settings.threshold_for(ask) for ask in asks])
    scored = {v.name: results[v.name].calibrated(asks, settings) for v in videos}
    return decide(scored, thresholds)


def aligned(
    windows: Sequence[WindowResult], ours: Answers, known: Sequence[WindowResult], theirs: Answers
) -> tuple[Answers, Answers]:
    """Returns one policy's answers and, of the same windows, those of another."""
    rows = {window.index: row for row, window in enumerate(known)}
    return ours, theirs[[rows[window.index] for window in windows]]


class Examiner:
    """Compares answers with what videos show, and with those of a reference.

    Args:
        videos: the videos, in the order of tallies.
        categories: in the order of the questions.
    """

    def __init__(self, videos: Sequence[Video], categories: Sequence[str]) -> None:
        self._videos = videos
        self._categories = tuple(categories)
        # Most answers are the same whatever the calibration: their alerts are looked for once.
        self._found: dict[tuple[object, ...], EventScore] = {}

    def tally(
        self, results: Results, ours: Decisions, reference: Results, theirs: Decisions
    ) -> Tally:
        """Counts what answers are worth.

        Args:
            results: of the policy: windows and rates.
            ours: its answers.
            reference: results that flips are against.
            theirs: the reference's answers.
        """
        return Tally(
            [
                self._tally(
                    video,
                    results[video.name],
                    ours[video.name],
                    reference[video.name],
                    theirs[video.name],
                )
                for video in self._videos
            ]
        )

    def events(self, results: Results, ours: Decisions) -> EventScore:
        """Returns what was found of the events of all videos whose times are annotated."""
        scores = [self._find(v, results[v.name], ours[v.name]) for v in self._videos]
        return sum(scores, EventScore())

    def said(self, ours: Decisions) -> list[tuple[frozenset[str], set[str]]]:
        """Returns for each video what it shows and what some window says yes to."""
        return [(video.categories, self._said(ours[video.name])) for video in self._videos]

    def _said(self, yes: Answers) -> set[str]:
        return {self._categories[n] for n in np.flatnonzero(yes.any(axis=0)).tolist()}

    def _tally(
        self,
        video: Video,
        result: VideoResult,
        yes: Answers,
        known: VideoResult,
        before: Answers,
    ) -> VideoTally:
        counts = count_videos([(video.categories, self._said(yes))], self._categories).values()
        events = self._find(video, result, yes)
        ours, theirs = aligned(result.windows, yes, known.windows, before)
        annotated = video.events is not None
        return VideoTally(
            hits=sum(one.hits for one in counts),
            false=sum(one.false for one in counts),
            missed=sum(one.missed for one in counts),
            events=events.events,
            found=events.found,
            alerts=events.alerts,
            justified=events.justified,
            seconds=result.windows[-1].end - result.windows[0].start if annotated else 0.0,
            answers=ours.size,
            flips=int((ours != theirs).sum()),
            yes=int((ours | theirs).sum()),
        )

    def _find(self, video: Video, result: VideoResult, yes: Answers) -> EventScore:
        """Returns what was found of a video's events; nothing where nobody annotated them."""
        if video.events is None:
            return EventScore()
        # Windows of one length and stride may still belong to another grid.
        key = (video.name, result.spans[0], result.spans[-1], yes.tobytes())
        if key not in self._found:
            spans = {
                category: [e.seconds(result.rate) for e in video.events if e.category == category]
                for category in self._categories
            }
            self._found[key] = sum(
                (
                    find_events(result.spans, yes[:, column].tolist(), spans[category])
                    for column, category in enumerate(self._categories)
                ),
                EventScore(),
            )
        return self._found[key]
