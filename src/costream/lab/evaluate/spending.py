"""What windows cost, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from costream.lab.evaluate.results import WindowResult


@dataclass(frozen=True, slots=True)
class Spending:
    """The cost of some windows.

    Attributes:
        windows: how many.
        full: visual tokens that they show, unpruned.
        kept: those that were encoded from their own frames.
        encoded: visual tokens that came out of the vision encoder.
        prefilled: those run through the language model.
        flops: operations.
        asking: those of them for the questions' own tokens.
        seconds: time, decoding included.
    """

    windows: int
    full: int
    kept: int
    encoded: int
    prefilled: int
    flops: int
    asking: int
    seconds: float

    @classmethod
    def of(cls, windows: Sequence[WindowResult]) -> Spending:
        """Adds up what windows cost."""
        return cls(
            windows=len(windows),
            full=sum(window.full for window in windows),
            kept=sum(window.kept for window in windows),
            encoded=sum(window.encoded for window in windows),
            prefilled=sum(window.prefilled for window in windows),
            flops=sum(window.flops for window in windows),
            asking=sum(window.asking for window in windows),
            seconds=sum(window.seconds for window in windows),
        )

    @property
    def tokens(self) -> int:
        """Visual tokens through the vision encoder and through the language model."""
        return self.encoded + self.prefilled

    @property
    def video_flops(self) -> int:
        """Operations but for the questions' own tokens."""
        return self.flops - self.asking


def saved(spent: int, full: int) -> float:
    """Returns the share that is saved of what full recomputation spends."""
    return 1 - spent / max(full, 1)
