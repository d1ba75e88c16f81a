"""A change map becomes the set of patches to keep: contract, rules and their registry."""

from costream.pruning.base import (
    PRUNERS,
    AnchorReason,
    KeepMask,
    PatchGrid,
    Pruner,
    PrunerSettings,
    Scene,
)
from costream.pruning.baseline import KeepAll, LowFps, RandomKeep
from costream.pruning.budget import BudgetLastKept
from costream.pruning.evs import EfficientVideoSampling
from costream.pruning.last_kept import LastKept
from costream.pruning.published import CodecFlowV3, CodecFlowV4
from costream.pruning.variants import CodecLastKept, RelitLastKept, ResidualLastKept

DEFAULT_PRUNER = LastKept.name
"""Registered name of the rule that is used where none is chosen."""


def change_rules() -> tuple[str, ...]:
    """Returns the rules that decide from the picture and the codec alone, without a model."""
    return tuple(name for name, rule in PRUNERS.usable() if not rule.after_vision)


__all__ = [
    "DEFAULT_PRUNER",
    "PRUNERS",
    "AnchorReason",
    "BudgetLastKept",
    "CodecFlowV3",
    "CodecFlowV4",
    "CodecLastKept",
    "EfficientVideoSampling",
    "KeepAll",
    "KeepMask",
    "LastKept",
    "LowFps",
    "PatchGrid",
    "Pruner",
    "PrunerSettings",
    "RandomKeep",
    "RelitLastKept",
    "ResidualLastKept",
    "Scene",
    "change_rules",
]
