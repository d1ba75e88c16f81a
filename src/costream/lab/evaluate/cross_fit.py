"""Accuracy under calibrations that are chosen on half of the videos and judged on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.evaluate.accuracy import common_videos
from costream.lab.evaluate.answers import (
    Answers,
    Decisions,
    Examiner,
    Results,
    decide_by_settings,
)
from costream.lab.evaluate.calibration import choose_even_odds
from costream.lab.evaluate.confirming import Floats, confirm
from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.metrics import Tally, event_f1, f1, false_alarms
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.settings import EngineSettings

HALVINGS = 20
"""How often the videos are halved."""

EDGE = 1e-6
"""How far a chance stays from 0 and 1, so that its log odds are finite."""

CALIBRATIONS: Mapping[str, str] = {
    "shipped": "as the checkpoint or the user says",
    "none": "the model's own probabilities",
    "full": "thresholds chosen for full recomputation alone, taken for all policies",
    "own": "thresholds chosen for each policy alone, full recomputation's for itself",
    "both": "thresholds chosen for full recomputation and the default together",
}
"""The calibrations. Those but the first two are cross-fitted."""


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One policy under one calibration. Intervals are 95%, over the videos that are judged.

    Attributes:
        calibration: one of :data:`CALIBRATIONS`.
        policy: the policy.
        f1: of (video, category) pairs; cross-fitted, of the mean counts over all halvings.
        f1_low: lower bound.
        f1_high: upper bound.
        f1_spread: standard deviation of F1 over the halvings: how much hangs on the thresholds'
            choice. 0 where nothing is chosen.
        f1_change: by how much F1 is above full recomputation's under the same calibration.
        f1_change_low: lower bound, both on the same drawn videos.
        f1_change_high: upper bound.
        event_recall: share of events found.
        event_precision: share of alerts justified.
        event_f1: harmonic mean of both.
        false_alarms: alerts without an event, an hour of annotated video, or None.
        flips: share of answers that differ from full recomputation's under the same calibration.
        yes_flips: the same among answers that are a yes on either side.
    """

    calibration: str
    policy: str
    f1: float
    f1_low: float
    f1_high: float
    f1_spread: float
    f1_change: float
    f1_change_low: float
    f1_change_high: float
    event_recall: float
    event_precision: float
    event_f1: float
    false_alarms: float | None
    flips: float
    yes_flips: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


class CrossFit:
    """Chooses thresholds on one half of the videos and judges the other, twenty times.

    The rule is the project's own (:mod:`~costream.lab.evaluate.calibration`), which needs no other
    videos this way: each video is judged by thresholds that were chosen without it. Halves are
    drawn at random, and each holds half of the videos that show the same. Thresholds from half of
    a small set are worse than those from a large one, for all policies alike.

    Args:
        dataset: videos and questions.
        results: by policy, as the model has them: not calibrated. Full recomputation and the
            default must be among them.
        settings: whose calibration is ``shipped``, and whose thresholds are taken for ``none``.
    """

    def __init__(
        self, dataset: Dataset, results: Mapping[str, Results], settings: EngineSettings
    ) -> None:
        self._videos = common_videos(dataset, results)
        self._results = results
        self._settings = settings
        self._asks = tuple(dataset.questions.values())
        categories = tuple(dataset.questions)
        self._examiner = Examiner(self._videos, categories)
        self._happened = np.array([[c in v.categories for c in categories] for v in self._videos])
        self._odds = {policy: self._log_odds(result) for policy, result in results.items()}
        self._confirming = {policy: self._whole_odds(result) for policy, result in results.items()}
        self._halves = _draw_halves(self._videos)
        self._chosen: dict[tuple[str, ...], list[tuple[Floats, Floats]]] = {}

    def rows(self) -> list[CalibrationRow]:
        """Returns every policy under every calibration."""
        return [self.row(name, policy) for name in CALIBRATIONS for policy in self._results]

    def row(self, calibration: str, policy: str) -> CalibrationRow:
        """Returns one policy under one calibration."""
        tallies = self._tally(calibration, policy)
        tally = Tally.mean(tallies)
        full = Tally.mean(self._tally(calibration, REFERENCE))
        score, change = tally.estimate(f1), tally.change(f1, full)
        return CalibrationRow(
            calibration=calibration,
            policy=policy,
            f1=score.value,
            f1_low=score.low,
            f1_high=score.high,
            f1_spread=float(np.std([one.value(f1) for one in tallies])),
            f1_change=change.value,
            f1_change_low=change.low,
            f1_change_high=change.high,
            event_recall=tally.share("event_recall").value,
            event_precision=tally.share("event_precision").value,
            event_f1=tally.value(event_f1),
            false_alarms=tally.value(false_alarms) if tally.total("seconds") else None,
            flips=tally.share("flips").value,
            yes_flips=tally.share("yes_flips").value,
        )

    def _tally(self, calibration: str, policy: str) -> list[Tally]:
        """Returns what a policy is worth: once, or once for each halving."""
        if calibration in ("shipped", "none"):
            ours, theirs = (self._decide(calibration, one) for one in (policy, REFERENCE))
            return [self._compare(policy, ours, theirs)]
        fitted = {"full": (REFERENCE,), "own": (policy,), "both": (REFERENCE, DEFAULT)}
        reference = fitted["both"] if calibration == "both" else (REFERENCE,)
        return [
            self._compare(policy, ours, theirs)
            for ours, theirs in zip(
                self._cross(policy, fitted[calibration]),
                self._cross(REFERENCE, reference),
                strict=True,
            )
        ]

    def _compare(self, policy: str, ours: Decisions, theirs: Decisions) -> Tally:
        results, reference = self._results[policy], self._results[REFERENCE]
        return self._examiner.tally(results, ours, reference, theirs)

    def _decide(self, calibration: str, policy: str) -> Decisions:
        settings = self._settings
        if calibration == "none":
            settings = settings.model_copy(update={"calibration": {}})
        return decide_by_settings(self._results[policy], self._videos, self._asks, settings)

    def _cross(self, policy: str, fitted: tuple[str, ...]) -> list[Decisions]:
        """Returns a policy's answers for each halving, by thresholds of the other half."""
        return [
            {
                video.name: self._yes(policy, video, second if inside else first)
                for video, inside in zip(self._videos, half, strict=True)
            }
            for half, (first, second) in zip(self._halves, self._choose(fitted), strict=True)
        ]

    def _yes(self, policy: str, video: Video, thresholds: Floats) -> Answers:
        odds = self._odds[policy][video.name]
        whole = self._confirming[policy].get(video.name)
        return odds >= thresholds if whole is None else confirm(odds, whole, thresholds)[0]

    def _choose(self, fitted: tuple[str, ...]) -> list[tuple[Floats, Floats]]:
        """Returns for each halving the thresholds of either half: [questions], log odds."""
        if fitted not in self._chosen:
            highest = [self._highest(policy) for policy in fitted]
            self._chosen[fitted] = [
                (self._even(highest, half), self._even(highest, ~half)) for half in self._halves
            ]
        return self._chosen[fitted]

    def _even(self, highest: Sequence[Floats], half: npt.NDArray[np.bool_]) -> Floats:
        if not half.any():
            # Of a single video nothing is left to choose by: the model's own odds stand.
            return np.zeros(len(self._asks))
        happened = torch.from_numpy(self._happened[half])
        odds = [torch.from_numpy(one[half]) for one in highest]
        columns = range(len(self._asks))
        return np.array(
            [choose_even_odds(happened[:, n], [one[:, n] for one in odds]) for n in columns]
        )

    def _highest(self, policy: str) -> Floats:
        """Returns for each video up to which threshold some answer is a yes: [videos, questions].

        Where a yes is confirmed, both scores of some window have to reach it.
        """
        odds, whole = self._odds[policy], self._confirming[policy]
        both = [np.minimum(odds[v.name], whole.get(v.name, np.inf)) for v in self._videos]
        return np.array([one.max(axis=0) for one in both])

    def _log_odds(self, results: Results) -> dict[str, Floats]:
        return {v.name: _log_odds(results[v.name].scores) for v in self._videos}

    def _whole_odds(self, results: Results) -> dict[str, Floats]:
        """Returns the log odds by which a yes is confirmed, of videos where it is."""
        whole = {v.name: results[v.name].whole for v in self._videos}
        return {name: _log_odds([w.scores for w in one]) for name, one in whole.items() if one}


def _log_odds(scores: npt.ArrayLike) -> Floats:
    """Returns the log odds of a yes; those of a score that is no number are the lowest."""
    chances = np.nan_to_num(np.asarray(scores, np.float64), nan=0.0).clip(EDGE, 1 - EDGE)
    odds: Floats = np.log(chances / (1 - chances))
    return odds


def _draw_halves(videos: Sequence[Video]) -> list[npt.NDArray[np.bool_]]:
    """Draws halves: bool [videos], true for those of the one half."""
    draw = np.random.default_rng(0)
    shown = [tuple(sorted(video.categories)) for video in videos]
    groups = [[n for n, kind in enumerate(shown) if kind == one] for one in sorted(set(shown))]
    halves = []
    for _ in range(HALVINGS):
        half = np.zeros(len(videos), np.bool_)
        # Videos take sides in turn across all groups, so that halves are of one size.
        mixed = [place for group in groups for place in draw.permutation(group).tolist()]
        half[mixed[int(draw.integers(2)) :: 2]] = True
        halves.append(half)
    return halves
