"""Results for programs."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from costream.audit import AuditReport
from costream.cli.gaps import describe_gap, gap_values
from costream.engine.result import Result
from costream.video import FrameRecord, Gap

logger = logging.getLogger("costream")


class JsonDisplay:
    """One JSON object a line.

    Args:
        source: name of the source, where there is one alone.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._warned_of_skips = False

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: who reads JSON waits for results."""

    def show(self, result: Result) -> None:
        """Prints a result's line at once: who reads it may be waiting."""
        _print_line(result.to_dict())

    def note(self, gap: Gap) -> None:
        """Prints a gap's line, and warns of it: of skipped frames the first time."""
        _print_line(gap_values(gap.stream or self._source, gap))
        if gap.kind == "skipped" and self._warned_of_skips:
            return
        self._warned_of_skips |= gap.kind == "skipped"
        logger.warning("%s: %s", gap.stream or self._source, describe_gap(gap))

    def check(self, report: AuditReport) -> None:
        """Prints a line of what audits came to so far."""
        _print_line({"stream": self._source, "audit": report.to_dict()})

    def finish(self) -> None:
        """Shows nothing: the last line is the last result."""


def _print_line(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, allow_nan=False) + "\n")
    sys.stdout.flush()
