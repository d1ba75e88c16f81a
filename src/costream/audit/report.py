"""What audits came to, as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from costream.audit.sequence import Interval

Cause = Literal["reuse", "pruning", "decoding", "unknown"]
"""What made an answer differ: keys and values of windows before (``reuse``), patches that were
pruned (``pruning``), pictures that were not decoded (``decoding``); ``unknown`` where it could not
be told apart."""

CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True, slots=True)
class QuestionAudit:
    """How often a question's cheap answer differs from the full one.

    Attributes:
        ask: the question.
        zone: the zone it is asked about, or None.
        windows: windows that it was asked of.
        checked: those that were answered in full as well.
        missed: those that were to be, and could not.
        flips: checked windows whose decision differs.
        share: share of all windows whose decision differs, estimated.
        bounds: of that share, valid at every moment together: see
            :class:`~costream.audit.sequence.ConfidenceSequence`.
        difference: mean absolute difference of the scores over all windows, estimated.
        difference_bounds: likewise.
        causes: flips by cause.
    """

    ask: str
    zone: str | None
    windows: int
    checked: int
    missed: int
    flips: int
    share: float
    bounds: Interval
    difference: float
    difference_bounds: Interval
    causes: Mapping[Cause, int]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the audits of a stream came to so far.

    Attributes:
        target: share of compute that audits may take, of that of full recomputation.
        windows: windows so far.
        checked: those that were run in full as well.
        missed: those that were to be, and could not: what they were made of was gone, or there was
            no room.
        share: share of all answers that differ, estimated.
        bounds: of that share.
        cost: operations of the audits, as a share of those of full recomputation.
        questions: one for each question that was asked, in the order in which they came up.
    """

    target: float
    windows: int
    checked: int
    missed: int
    share: float
    bounds: Interval
    cost: float
    questions: tuple[QuestionAudit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON-ready values."""
        return asdict(self)
