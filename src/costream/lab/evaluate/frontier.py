"""Every policy over its range of budgets: what a saving costs, not at one point alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from costream.lab.evaluate.accuracy import rate_policies
from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.cross_fit import CrossFit
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.policies import DEFAULT, POLICIES, Changes, Policy
from costream.lab.evaluate.runner import Runner
from costream.settings import EngineSettings
from costream.video import Decoding

HELD_TO = "last-kept-budget"
"""The default rule held to a share: what policies of the default rule are varied by."""


@dataclass(frozen=True, slots=True)
class Knob:
    """What a policy's budget is varied by.

    Attributes:
        setting: the setting, or ``recent`` for seconds given as shares of the window.
        values: from the cheapest on.
        changes: settings that make a policy heed it.
    """

    setting: str
    values: tuple[float, ...]
    changes: Changes

    def policy(self, policy: Policy, value: float, base: EngineSettings) -> Policy:
        """Returns a policy at a value of the knob."""
        length = value * base.window if self.setting == "recent" else value
        changes = {**policy.changes, **self.changes, self.setting: length}
        name = f"{policy.name} {self.setting} {value:g}"
        return replace(policy, name=name, changes=changes, fit=None)


_REFRESHED = Knob("refresh_share", (0.02, 0.05, 0.5), {})
_HELD = Knob("keep", (0.02, 0.05, 0.1, 0.2), {"pruner": HELD_TO})

KNOBS: Mapping[str, Knob] = {
    DEFAULT: _HELD,
    "drop": _HELD,
    "prune-only": Knob("keep", (0.02, 0.1), {"pruner": HELD_TO}),
    "random": Knob("keep", (0.1, 0.2, 0.5), {}),
    "low-fps": Knob("keep", (0.1, 0.2, 0.5), {}),
    "recent": Knob("recent", (0.2, 0.4, 0.7), {}),
    "evs": Knob("keep", (0.1, 0.2, 0.5), {}),
    "cacheblend": Knob("refresh_share", (0.05, 0.5), {}),
    "vlcache": Knob("refresh_share", (0.05, 0.5), {}),
    "stale": _REFRESHED,
    "held-cacheblend": _REFRESHED,
    "held-vlcache": _REFRESHED,
    "held-random": _REFRESHED,
}
"""By policy; those that are not named have one budget."""


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One policy at one budget.

    Attributes:
        policy: the policy.
        setting: what was varied, or nothing where it is as the table has it.
        value: its value; of ``recent``, as a share of the window.
        f1: of (video, category) pairs, scores as they are calibrated.
        own_f1: the same with thresholds chosen for this policy at this budget, cross-fitted.
        flips: share of answers that differ from full recomputation's.
        flips_low: lower bound of its 95% interval.
        flips_high: upper bound.
        yes_flips: the same among answers that are a yes on either side.
        tokens_saved: share of full recomputation's visual tokens.
        flops_saved: share of its operations.
        video_flops_saved: the same without the questions' own tokens.
    """

    policy: str
    setting: str
    value: float | None
    f1: float
    own_f1: float
    flips: float
    flips_low: float
    flips_high: float
    yes_flips: float
    tokens_saved: float
    flops_saved: float
    video_flops_saved: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def trace_frontier(
    runner: Runner,
    dataset: Dataset,
    base: EngineSettings,
    decode: Decoding,
    results: Mapping[str, Results],
) -> list[FrontierPoint]:
    """Varies the budget of every policy.

    Args:
        runner: runs what is not measured yet.
        dataset: its set.
        base: the settings of the evaluation.
        decode: which pictures are decoded.
        results: by policy, as the evaluation's table has them: one point each.
    """
    varied = {
        knob.policy(POLICIES[name], value, base).name: (name, knob.setting, value)
        for name, knob in KNOBS.items()
        if name in results
        for value in knob.values
    }
    policies = [
        KNOBS[name].policy(POLICIES[name], value, base) for name, _, value in varied.values()
    ]
    every = {**results, **runner.run(policies, base, decode)}
    fitted = CrossFit(dataset, every, base)
    points = []
    for row in rate_policies(dataset, every, base):
        policy, setting, value = varied.get(row.policy, (row.policy, "", None))
        points.append(
            FrontierPoint(
                policy=policy,
                setting=setting,
                value=value,
                f1=row.f1,
                own_f1=fitted.row("own", row.policy).f1,
                flips=row.flips,
                flips_low=row.flips_low,
                flips_high=row.flips_high,
                yes_flips=row.yes_flips,
                tokens_saved=row.tokens_saved,
                flops_saved=row.flops_saved,
                video_flops_saved=row.video_flops_saved,
            )
        )
    order = list(results)
    return sorted(points, key=lambda p: (order.index(p.policy), -p.video_flops_saved))
