"""The named ways of spending that an evaluation compares: each is a setting of one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from costream.engine.refresh import DEFAULT_REFRESH
from costream.engine.schedule import HELD_WINDOWS
from costream.errors import SettingsError
from costream.pruning import DEFAULT_PRUNER
from costream.settings import EngineSettings

Changes = Mapping[str, Any]

REFERENCE = "full"
"""Full recomputation, which all others are compared with. It always runs."""

DEFAULT = "costream"
"""The product's default. Baselines of equal budget are given what it spent."""

CONFIRMED = "confirmed"
"""The default, with every yes confirmed by full recomputation before it is told."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the default policy spent on a set: shares of full recomputation's visual tokens.

    Attributes:
        kept: of a window's tokens, those that were in it.
        patches: temporal patches in a window.
    """

    kept: float
    patches: int

    def kept_beside_anchors(self, windows: int) -> float:
        """The share for rules that keep one patch whole on top of it, once in so many windows."""
        whole = 1 / (self.patches * windows)
        return max(0.0, (self.kept - whole) / (1 - whole)) if whole < 1 else 0.0

    def recent(self, settings: EngineSettings) -> float:
        """Seconds at the window's end that hold as many tokens: at least one temporal patch."""
        return max(1, round(self.kept * self.patches)) * settings.window / self.patches


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of the comparison.

    Attributes:
        name: what it is called.
        changes: how its settings differ from those of the evaluation.
        fit: further changes that make its budget equal to the default policy's.
        from_scratch: every window is treated as if nothing had been seen before: all of its
            frames are encoded and prefilled.
    """

    name: str
    changes: Changes
    fit: Callable[[Budget, EngineSettings], Changes] | None = None
    from_scratch: bool = False

    @property
    def confirms(self) -> bool:
        """Whether it is run by no engine: what it tells follows from two others' answers."""
        return bool(self.changes.get("confirm"))

    def with_changes(self, changes: Changes) -> Policy:
        """Returns the same policy with further changes."""
        return replace(self, changes={**self.changes, **changes})

    def settings(self, base: EngineSettings, budget: Budget | None) -> EngineSettings:
        """Returns the settings to run with.

        Args:
            base: those of the evaluation.
            budget: what the default policy spent; needed where ``fit`` is given.
        """
        fitted: Changes = {}
        if self.fit is not None:
            assert budget is not None
            fitted = self.fit(budget, base)
        return EngineSettings.checked(**{**base.model_dump(), **self.changes, **fitted})


def _settings(pruner: str, refresh: str, *, hold: bool = True) -> Changes:
    return {"pruner": pruner, "refresh": refresh, "hold": hold}


def _keep_beside_held_anchors(budget: Budget, base: EngineSettings) -> Changes:
    return {"keep": budget.kept_beside_anchors(HELD_WINDOWS)}


def _keep_beside_anchors(budget: Budget, base: EngineSettings) -> Changes:
    return {"keep": budget.kept_beside_anchors(1)}


def _keep(budget: Budget, base: EngineSettings) -> Changes:
    return {"keep": budget.kept}


def _recent(budget: Budget, base: EngineSettings) -> Changes:
    return {"recent": budget.recent(base)}


_ALL = (
    Policy(REFERENCE, _settings("none", "full"), from_scratch=True),
    Policy("prune-only", _settings(DEFAULT_PRUNER, "full")),
    Policy("drop", _settings(DEFAULT_PRUNER, "anchors", hold=False)),
    Policy("refresh-only", _settings("none", DEFAULT_REFRESH)),
    Policy(DEFAULT, _settings(DEFAULT_PRUNER, DEFAULT_REFRESH)),
    Policy(CONFIRMED, {**_settings(DEFAULT_PRUNER, DEFAULT_REFRESH), "confirm": True}),
    Policy("anchors", _settings(DEFAULT_PRUNER, "anchors")),
    Policy("prefix", _settings(DEFAULT_PRUNER, "prefix")),
    Policy("stale", _settings(DEFAULT_PRUNER, "stale")),
    Policy("held-cacheblend", _settings(DEFAULT_PRUNER, "cacheblend")),
    Policy("held-vlcache", _settings(DEFAULT_PRUNER, "vlcache")),
    Policy("held-random", _settings(DEFAULT_PRUNER, "random")),
    # Direct reuse, whatever the default's refresh is: today the same.
    Policy("none", _settings(DEFAULT_PRUNER, "none")),
    Policy("random", _settings("random", DEFAULT_REFRESH), _keep_beside_held_anchors),
    Policy("low-fps", _settings("low-fps", "full", hold=False), _keep),
    Policy("recent", _settings("none", "full"), _recent),
    Policy("evs", _settings("evs", "full", hold=False), _keep_beside_anchors),
    Policy("cacheblend", _settings("none", "cacheblend")),
    Policy("vlcache", _settings("none", "vlcache")),
)

POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in _ALL}


def choose_policies(names: Sequence[str]) -> list[Policy]:
    """Returns the named policies in the table's order, with those that they need; all for none.

    Raises:
        SettingsError: a name is unknown.
    """
    for name in names:
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise SettingsError(f"unknown policy {name!r}: choose of {known}")
    wanted = set(names or POLICIES) | {REFERENCE, DEFAULT}
    return [policy for name, policy in POLICIES.items() if name in wanted]
