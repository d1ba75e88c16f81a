"""When a frame is encoded whole, whatever the evidence says."""

from __future__ import annotations

from collections.abc import Sequence

from costream.pruning.base import AnchorReason
from costream.video.sample import Sample


class AnchorSchedule:
    """Remembers a stream's last anchor and says when the next one is due.

    Age is counted in ticks, from the first frame of the anchor to the last frame of the temporal
    patch at hand. So anchors are never more than ``every`` ticks apart, whatever the number of
    frames in a temporal patch; after a gap in the stream the next patch is an anchor if its turn
    came within the gap.

    Attributes:
        every: ticks from one anchor to the next, at most. It can be set while the stream runs.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._last: int | None = None

    def due(self, samples: Sequence[Sample]) -> AnchorReason | None:
        """Says why the temporal patch must be an anchor, or None where it need not be one.

        Raises:
            ValueError: ``samples`` is empty.
        """
        if not samples:
            raise ValueError("a temporal patch has at least one frame")
        if self._last is None:
            return "first"
        if any(sample.change.damaged for sample in samples):
            return "damage"
        return "age" if samples[-1].tick - self._last >= self.every else None

    def place(self, samples: Sequence[Sample]) -> None:
        """Notes that the temporal patch was encoded whole as an anchor."""
        self._last = samples[0].tick
