"""How many native frames were decoded, and why each was, or was not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

Reason = Literal["all", "start", "change", "busy", "audit", "unknown", "bound", "doubt", "whole"]
"""Why a frame was decoded.

* ``all``: all frames are, as the user has it or since none is sampled;
* ``start``: until there was a picture to follow;
* ``change``: something changed, and the frame shows it or leads to one that does;
* ``busy``: something changed again and again lately, so that following is not tried;
* ``audit``: to compare what was followed with it, and nothing had changed;
* ``unknown``: what happened can't be told: damage, stamps that jump;
* ``bound``: more would have been held than may be, since no random access point came;
* ``doubt``: what was followed was wrong lately;
* ``whole``: the stream can't be followed for what it is.
"""


@dataclass(frozen=True, slots=True)
class DecodeCount:
    """Native frames by why they were decoded, see :data:`Reason`, or why not.

    Attributes:
        still: not decoded: nothing changed, by what was followed.
        unreferenced: not decoded: no sample is taken of it, and no other frame is predicted from
            it.
    """

    all: int = 0
    start: int = 0
    change: int = 0
    busy: int = 0
    audit: int = 0
    unknown: int = 0
    bound: int = 0
    doubt: int = 0
    whole: int = 0
    still: int = 0
    unreferenced: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Returns the reasons."""
        return tuple(field.name for field in fields(cls))

    @property
    def undecoded(self) -> int:
        """Frames that were not decoded."""
        return self.still + self.unreferenced

    @property
    def decoded(self) -> int:
        """Frames that were decoded."""
        return self.total - self.undecoded

    @property
    def total(self) -> int:
        """All of them."""
        return sum(_values(self))

    @property
    def share(self) -> float:
        """The share that was decoded, 0..1; 1 where there is no frame."""
        return self.decoded / self.total if self.total else 1.0

    def __add__(self, other: DecodeCount) -> DecodeCount:
        """Returns the counts of both."""
        return DecodeCount(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, earlier: DecodeCount) -> DecodeCount:
        """Returns what was counted since an earlier count of the same stream."""
        return DecodeCount(*(a - b for a, b in zip(_values(self), _values(earlier), strict=True)))

    def to_dict(self) -> dict[str, int]:
        """Returns what there is any of, by reason."""
        return {name: count for name, count in asdict(self).items() if count}


def _values(count: DecodeCount) -> tuple[int, ...]:
    return tuple(getattr(count, name) for name in count.names())
