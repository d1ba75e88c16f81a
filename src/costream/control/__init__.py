"""How careful each stream is treated: operating points, and controllers that move between them."""

from costream.control.budget import BudgetController
from costream.control.controller import Move, PointController
from costream.control.disagreement import DisagreementController
from costream.control.evidence import RateDetector, RateTest
from costream.control.point import (
    LEVELS,
    PRUNING,
    RECOMPUTING,
    USUAL,
    OperatingPoint,
    PruningKnobs,
)

__all__ = [
    "LEVELS",
    "PRUNING",
    "RECOMPUTING",
    "USUAL",
    "BudgetController",
    "DisagreementController",
    "Move",
    "OperatingPoint",
    "PointController",
    "PruningKnobs",
    "RateDetector",
    "RateTest",
]
