"""Verdicts for programs."""

from __future__ import annotations

import json
import sys

from costream.engine.verdict import Verdict
from costream.video import FrameRecord


class JsonDisplay:
    """One JSON object a line."""

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: who reads JSON waits for verdicts."""

    def show(self, verdict: Verdict) -> None:
        """Prints a verdict's line at once: who reads it may be waiting."""
        sys.stdout.write(json.dumps(verdict.to_dict(), allow_nan=False) + "\n")
        sys.stdout.flush()

    def finish(self) -> None:
        """Shows nothing: the last line is the last verdict."""
