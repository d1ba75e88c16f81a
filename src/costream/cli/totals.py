"""Sums over the windows of a stream, and the line that they make."""

from __future__ import annotations

from costream.cli.figures import count, saved
from costream.engine.verdict import Verdict


class Totals:
    """Sums over the windows shown so far."""

    def __init__(self) -> None:
        self.windows = 0
        self.full_flops = self.spent_flops = 0
        self.full_tokens = self.prefilled = 0
        self.seconds = 0.0
        self.until = 0.0

    def add(self, verdict: Verdict) -> None:
        """Counts one more window."""
        self.windows += 1
        self.full_flops += verdict.flops.full
        self.spent_flops += verdict.flops.spent
        self.full_tokens += verdict.tokens.full
        self.prefilled += verdict.tokens.prefilled
        self.seconds += verdict.seconds.total
        self.until = verdict.end

    def summary(self, *, ended: bool = False) -> str:
        """Returns one line on what was saved.

        Args:
            ended: no further window comes.
        """
        if not self.windows:
            return "no window was answered" if ended else "no window yet"
        flops = saved(self.spent_flops, self.full_flops)
        tokens = saved(self.prefilled, self.full_tokens)
        return (
            f"{count(self.windows, 'window')}, {round(self.until, 1):g} s of video, "
            f"{self.seconds:.1f} s of work: {flops} of the FLOPs and {tokens} of the visual "
            f"tokens saved against recomputing every window"
        )
