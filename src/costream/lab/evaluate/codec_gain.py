"""What the codec's own evidence adds over luma alone, codec by codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from costream.lab.evaluate.signal import SignalRow
from costream.pruning import CodecLastKept, LastKept, ResidualLastKept

COMPARED = (LastKept.name, CodecLastKept.name, ResidualLastKept.name)
"""The rules compared: the same comparison of luma, alone, with vectors and with residuals."""


@dataclass(frozen=True, slots=True)
class RuleMeans:
    """One rule over all the streams of one codec.

    Attributes:
        codec: as in the rows.
        pruner: name of the rule.
        streams: how many there were.
        keep: mean share of the groups kept, of frames not kept whole.
        recall: mean recall.
        least: least recall.
        precision: mean precision.
        cost: mean cost, as a ratio to plain decoding.
    """

    codec: str
    pruner: str
    streams: int
    keep: float
    recall: float
    least: float
    precision: float
    cost: float


def compare_evidence(rows: Sequence[SignalRow]) -> list[RuleMeans]:
    """Returns the means of the rules compared, for every codec that has them all."""
    found: list[RuleMeans] = []
    for codec in dict.fromkeys(row.codec for row in rows):
        own = [
            [row for row in rows if (row.codec, row.pruner) == (codec, name)] for name in COMPARED
        ]
        if all(own):
            found += map(_means, own)
    return found


def _means(rows: Sequence[SignalRow]) -> RuleMeans:
    return RuleMeans(
        codec=rows[0].codec,
        pruner=rows[0].pruner,
        streams=len(rows),
        keep=fmean(row.keep for row in rows),
        recall=fmean(row.recall for row in rows),
        least=min(row.recall for row in rows),
        precision=fmean(row.precision for row in rows),
        cost=fmean(row.cost for row in rows),
    )
