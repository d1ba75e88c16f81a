"""How accuracy and savings answer to one setting at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from costream.engine.schedule import HELD_WINDOWS
from costream.lab.evaluate.accuracy import AccuracyRow, rate_policies
from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.policies import DEFAULT, POLICIES, REFERENCE
from costream.lab.evaluate.runner import Runner
from costream.settings import EngineSettings
from costream.video import Decoding

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
KEEPS = (0.02, 0.05, 0.1, 0.2, 0.4)
SHARES_OF_WINDOW = (0.2, 0.5, 1.0, HELD_WINDOWS, 4.0)
WINDOW_FACTORS = (0.4, 0.6, 1.0, 1.6)
STRIDE_FACTORS = (0.5, 1.0, 2.0, 4.0)

AXES: Mapping[str, str] = {
    "threshold": "score from which an answer is a yes",
    "stride": "stride in seconds",
    "window": "window in seconds",
    "anchor_every": "seconds between anchors",
    "keep": "upper limit of the share kept (last-kept-budget)",
}
"""The settings that are varied, and what they mean."""


@dataclass(frozen=True, slots=True)
class SensitivityPoint:
    """One policy at one value of one setting.

    Attributes:
        axis: the setting.
        value: its value.
        policy: ``full`` or ``costream``.
        base: it is the value of the evaluation itself.
        f1: video-level F1.
        flips: share of answers that differ from full recomputation at the same value.
        yes_flips: the same among answers that are a yes on either side.
        tokens_saved: share of full recomputation's visual tokens.
        flops_saved: share of its operations.
    """

    axis: str
    value: float
    policy: str
    base: bool
    f1: float
    flips: float
    yes_flips: float
    tokens_saved: float
    flops_saved: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


class Sensitivity:
    """Varies one setting at a time around those of an evaluation.

    Args:
        runner: runs what is not measured yet.
        dataset: its set.
        base: the settings of the evaluation.
        patch: frames of a temporal patch: lengths are whole numbers of them.
        decode: which pictures are decoded.
    """

    def __init__(
        self,
        runner: Runner,
        dataset: Dataset,
        base: EngineSettings,
        patch: int,
        decode: Decoding,
    ) -> None:
        self._runner = runner
        self._dataset = dataset
        self._base = base
        self._grain = patch / base.fps
        self._decode = decode

    def points(self) -> Iterator[SensitivityPoint]:
        """Yields every point, axis by axis."""
        results = self._run({}, both=True)
        for threshold in THRESHOLDS:
            yield from self._rate("threshold", threshold, results)
        yield from self._vary("stride", self._lengths(self._base.stride, STRIDE_FACTORS), both=True)
        yield from self._vary("window", self._lengths(self._base.window, WINDOW_FACTORS), both=True)
        anchors = self._lengths(self._base.window, SHARES_OF_WINDOW)
        yield from self._vary("anchor_every", anchors, results[REFERENCE])
        yield from self._vary("keep", list(KEEPS), results[REFERENCE])

    def _lengths(self, length: float, factors: tuple[float, ...]) -> list[float]:
        """Returns multiples of a length, rounded to whole temporal patches."""
        return sorted({max(1, round(f * length / self._grain)) * self._grain for f in factors})

    def _vary(
        self,
        axis: str,
        values: list[float],
        reference: Results | None = None,
        *,
        both: bool = False,
    ) -> Iterator[SensitivityPoint]:
        for value in values:
            changes: dict[str, Any] = {axis: value}
            if axis == "keep":
                changes["pruner"] = "last-kept-budget"
            if self._fits(changes):
                results = self._run(changes, both=both)
                if reference is not None:
                    results = {REFERENCE: reference, **results}
                yield from self._rate(axis, value, results)

    def _fits(self, changes: dict[str, Any]) -> bool:
        lengths = self._base.model_dump() | changes
        return bool(lengths["stride"] <= lengths["window"])

    def _run(self, changes: dict[str, Any], *, both: bool) -> dict[str, Results]:
        base = EngineSettings.checked(**{**self._base.model_dump(), **changes})
        default = POLICIES[DEFAULT].with_changes(changes)
        policies = [POLICIES[REFERENCE], default] if both else [default]
        return dict(self._runner.run(policies, base, self._decode))

    def _rate(
        self, axis: str, value: float, results: Mapping[str, Results]
    ) -> Iterator[SensitivityPoint]:
        # The threshold alone does not change what was run: it is met here.
        told = {"threshold": value, "thresholds": {}} if axis == "threshold" else {}
        for row in rate_policies(self._dataset, results, self._base.model_copy(update=told)):
            yield self._point(axis, value, row)

    def _point(self, axis: str, value: float, row: AccuracyRow) -> SensitivityPoint:
        base = getattr(self._base, axis)
        if axis == "anchor_every":
            base = base or HELD_WINDOWS * self._base.window
        return SensitivityPoint(
            axis=axis,
            value=round(value, 6),
            policy=row.policy,
            base=axis != "keep" and abs(value - base) < 1e-9,
            f1=row.f1,
            flips=row.flips,
            yes_flips=row.yes_flips,
            tokens_saved=row.tokens_saved,
            flops_saved=row.flops_saved,
        )
