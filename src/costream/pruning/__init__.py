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
from costream.pruning.baseline import KeepAll, RandomKeep
from costream.pruning.budget import BudgetLastKept
from costream.pruning.last_kept import LastKept
from costream.pruning.published import CodecFlowV3, CodecFlowV4
from costream.pruning.variants import CodecLastKept, RelitLastKept

DEFAULT_PRUNER = LastKept.name
"""Registered name of the rule that is used where none is chosen."""

__all__ = [
    "DEFAULT_PRUNER",
    "PRUNERS",
    "AnchorReason",
    "BudgetLastKept",
    "CodecFlowV3",
    "CodecFlowV4",
    "CodecLastKept",
    "KeepAll",
    "KeepMask",
    "LastKept",
    "PatchGrid",
    "Pruner",
    "PrunerSettings",
    "RandomKeep",
    "RelitLastKept",
    "Scene",
]
