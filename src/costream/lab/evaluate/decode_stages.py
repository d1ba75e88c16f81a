"""Where the processor time of reading a stream goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import thread_time
from typing import Any
from unittest.mock import patch

from costream.video.decoder import Decoder
from costream.video.demuxer import Demuxer
from costream.video.follower import Follower

Stage = str

READ, DECODE, FOLLOW, PRUNE, OTHER = "read", "decode", "follow", "prune", "other"
STAGES = (READ, DECODE, FOLLOW, PRUNE, OTHER)
"""``read``: packets out of their container. ``decode``: FFmpeg's decoder. ``follow``: our reader,
through packets that are not decoded. ``prune``: looking at pictures and deciding. ``other``: all
else between packets and samples."""


@dataclass(slots=True)
class StageTimes:
    """Processor time of one thread by stage, and how often each was entered.

    Attributes:
        seconds: of each stage but ``prune`` and ``other``, which whoever runs the stream knows.
        calls: how often it was entered: of ``decode``, packets that were decoded.
    """

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    calls: Counter[Stage] = field(default_factory=Counter)

    def add(self, stage: Stage, seconds: float) -> None:
        """Notes that a stage was entered for so long."""
        self.seconds[stage] += seconds
        self.calls[stage] += 1

    def shares(self, reading: float, pruning: float) -> dict[Stage, float]:
        """Returns each stage's share of all time.

        Args:
            reading: seconds that samples took to come.
            pruning: seconds that deciding took.
        """
        whole = {stage: self.seconds[stage] for stage in (READ, DECODE, FOLLOW)}
        whole |= {PRUNE: pruning, OTHER: max(0.0, reading - sum(whole.values()))}
        total = sum(whole.values())
        return {stage: whole[stage] / total for stage in STAGES}


class StageClock:
    """Times the stages of the streams that one thread reads.

    Attributes:
        times: what is added to. Set it before another stream is read on.
    """

    def __init__(self) -> None:
        self.times = StageTimes()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Times all streams that are read meanwhile.

        The parts of a stream have no clocks in them: here their methods are replaced by timed ones.
        That costs a few microseconds a packet, so what is timed like this tells shares, not sums.
        """
        with ExitStack() as stack:
            for owner, name, replacement in (
                (Demuxer, "packets", self._timed_packets(Demuxer.packets)),
                (Decoder, "decode", self._timed(Decoder.decode, DECODE)),
                (Follower, "_tell", self._timed(Follower._tell, FOLLOW)),
            ):
                stack.enter_context(patch.object(owner, name, replacement))
            yield

    def _timed(self, method: Callable[..., Any], stage: Stage) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            begun = thread_time()
            try:
                return method(*args, **named)
            finally:
                self.times.add(stage, thread_time() - begun)

        return call

    def _timed_packets(self, packets: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def call(demuxer: Demuxer) -> Iterator[Any]:
            step = self._timed(packets(demuxer).__next__, READ)
            while True:
                try:
                    packet = step()
                except StopIteration:
                    return
                yield packet

        return call
