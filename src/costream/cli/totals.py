"""Sums over the windows of a stream, and the line that they make."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from costream.cli.figures import count, reasons, saved, share
from costream.engine.result import Result
from costream.video import DecodeCount, Gap


class Totals:
    """Sums over the windows shown so far.

    Args:
        live: of a live source, of which the time that passed is told, and what was missed.
    """

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self._begun = monotonic()
        self.losses = self.skipped = 0
        self._away = 0.0
        self._gone_at: float | None = None
        self.windows = 0
        self.full_flops = self.spent_flops = 0
        self.full_tokens = self.prefilled = 0
        self.seconds = 0.0
        self.confirmed = Counter[str]()
        self.decoding = DecodeCount()
        self._ends: dict[str, float] = {}

    @property
    def until(self) -> float:
        """Seconds of video up to which windows were answered, of all streams together."""
        return sum(self._ends.values())

    def add(self, result: Result) -> None:
        """Counts one more window."""
        self.windows += 1
        self.full_flops += result.flops.full
        self.spent_flops += result.flops.spent
        self.full_tokens += result.tokens.full
        self.prefilled += result.tokens.prefilled
        if result.confirmation is not None:
            self.prefilled += result.confirmation.tokens
            self.confirmed += Counter(result.confirmation.outcomes)
        self.seconds += result.seconds.total
        self.decoding += result.decoding
        self._ends[result.stream] = result.end

    def note(self, gap: Gap) -> None:
        """Counts a gap of a live source."""
        self.losses += gap.kind == "lost"
        self.skipped += gap.frames
        if gap.kind == "lost":
            self._gone_at = monotonic()
        elif gap.kind == "back":
            self._away, self._gone_at = self.away, None

    @property
    def away(self) -> float:
        """Seconds for which the source was known to be lost, until now if it still is."""
        return self._away + (0.0 if self._gone_at is None else monotonic() - self._gone_at)

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
            f"{count(self.windows, 'window')}, {self._time()}: {flops} of the FLOPs "
            f"and {tokens} of the visual tokens saved against recomputing every window"
            f"{self._decoded()}"
        )

    def _decoded(self) -> str:
        """Says how much was decoded, where not all was, and why, most frequent first."""
        found = self.decoding
        if not found.undecoded:
            return ""
        return f"; {share(found.decoded, found.total)} of the frames decoded ({reasons(found)})"

    @property
    def confirmations(self) -> str:
        """What came of answers that turned to yes, where they were run in full; else nothing."""
        upheld, refuted, missed = (self.confirmed[o] for o in ("upheld", "refuted", "missed"))
        if not upheld + refuted + missed:
            return ""
        risen = count(upheld + refuted + missed, "answer")
        left = f", {missed} could not be run" if missed else ""
        return f"{upheld} of {risen} that turned to yes upheld in full{left}"

    def _time(self) -> str:
        if not self._live:
            return f"{round(self.until, 1):g} s of video, {self.seconds:.1f} s of work"
        parts = [f"{monotonic() - self._begun:.0f} s elapsed"]
        if self.losses:
            parts.append(f"lost {count(self.losses, 'time')} for {self.away:.0f} s")
        if self.skipped:
            parts.append(f"{count(self.skipped, 'frame')} skipped")
        return ", ".join(parts)
