"""Refresh policies: which tokens of the overlap are recomputed when the window slides.

A reused key or value was computed when earlier frames, since gone, could still be seen. A policy
names the tokens whose context is worth putting right; all others are taken as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from costream.registry import Registry

if TYPE_CHECKING:
    # The names of policies are wanted where torch is not: on the command line.
    from costream.engine.resident import Resident


class RefreshPolicy(ABC):
    """Chooses what is recomputed. Stateless: one object serves all streams."""

    rebase: ClassVar[bool] = False
    """True where every window begins a new epoch: nothing is reused, positions and timestamps
    start again, and the window is what the stock model would see of it."""

    @abstractmethod
    def select(self, overlap: Sequence[Resident], start: int) -> list[Resident]:
        """Returns the temporal patches to recompute whole, in order.

        Args:
            overlap: those that an earlier window held already, in order.
            start: the window's first tick.
        """


REFRESH: Registry[RefreshPolicy] = Registry("refresh policy")

DEFAULT_REFRESH = "anchors"

PREFIX_FRAMES = 3
"""Frames that ``prefix`` recomputes (arXiv 2604.06036 v4)."""


@REFRESH.register("full")
class FullRefresh(RefreshPolicy):
    """Everything, in every window: exact, and the yardstick for all others."""

    rebase = True

    def select(self, overlap: Sequence[Resident], start: int) -> list[Resident]:
        return list(overlap)


@REFRESH.register("anchors")
class AnchorRefresh(RefreshPolicy):
    """The frames that were encoded whole: the paper's I-frames (arXiv 2604.06036)."""

    def select(self, overlap: Sequence[Resident], start: int) -> list[Resident]:
        return [resident for resident in overlap if resident.anchor]


@REFRESH.register("prefix")
class PrefixRefresh(RefreshPolicy):
    """The window's first frames, whose lost context was the largest share of what they saw."""

    def select(self, overlap: Sequence[Resident], start: int) -> list[Resident]:
        return [resident for resident in overlap if resident.tick < start + PREFIX_FRAMES]


@REFRESH.register("none")
class NoRefresh(RefreshPolicy):
    """Nothing: direct reuse."""

    def select(self, overlap: Sequence[Resident], start: int) -> list[Resident]:
        return []
