"""What the evidence of change costs beside plain decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from costream.video import Stream

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds to read one stream, the best of some rounds that took turns.

    Attributes:
        plain: decoding and sampling alone.
        extracting: the same with motion vectors taken and gathered into change maps.
    """

    plain: float
    extracting: float

    def cost(self, deciding: float, vectors: bool) -> float:
        """Returns the time of decoding, extraction and decisions, as a ratio to plain decoding.

        Args:
            deciding: seconds that the decisions took.
            vectors: the rule needs motion vectors extracted.
        """
        return ((self.extracting if vectors else self.plain) + deciding) / self.plain


def measure_overhead(open_stream: Callable[[bool], Stream], fps: float) -> Overhead:
    """Reads a stream plainly and with extraction, in turns.

    Args:
        open_stream: opens the stream again; its argument says whether to take motion vectors.
        fps: sampling rate, in frames a second.

    Raises:
        SourceError: as :meth:`Stream.samples`.
    """
    rounds = [
        (_read(open_stream(False), fps), _read(open_stream(True), fps)) for _ in range(ROUNDS)
    ]
    plain, extracting = zip(*rounds, strict=True)
    return Overhead(min(plain), min(extracting))


def _read(stream: Stream, fps: float) -> float:
    before = perf_counter()
    with stream:
        for _ in stream.samples(fps):
            pass
    return perf_counter() - before
