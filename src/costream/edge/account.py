"""How much was sent, beside what the camera sent."""

from __future__ import annotations

from dataclasses import dataclass

from costream.edge.interval import Interval


@dataclass(slots=True)
class Account:
    """A running account. One thread counts each field.

    Attributes:
        camera: bytes of packets that the camera sent.
        sent: bytes of requests, their heads included; not of TLS, TCP and IP.
        packets: bytes of the camera's packets among them.
        frames: native frames.
        decoded: frames among them that were decoded here.
        ticks: sampled frames.
        shown: pictures among them that were sent.
        left: sampled frames that were left out.
        requests: that were answered.
        failures: requests that were not.
        seconds: stream time.
    """

    camera: int = 0
    sent: int = 0
    packets: int = 0
    frames: int = 0
    decoded: int = 0
    ticks: int = 0
    shown: int = 0
    left: int = 0
    requests: int = 0
    failures: int = 0
    seconds: float = 0.0

    def count(self, interval: Interval) -> None:
        """Counts an interval that was read."""
        self.ticks += 1
        self.frames += len(interval.frames)
        self.decoded += interval.counts.decoded
        self.shown += sum(frame.shown is not None for frame in interval.frames)
        self.seconds = interval.time

    @property
    def share(self) -> float:
        """What was sent, as a share of what the camera sent."""
        return self.sent / self.camera if self.camera else 0.0

    def line(self) -> str:
        """Returns it as a line for people."""
        left = f", {self.left} left out" if self.left else ""
        return (
            f"{self.seconds:.0f} s: {_bytes(self.sent)} of the camera's {_bytes(self.camera)} sent "
            f"({self.share:.1%}), {self.shown} of {self.ticks} sampled pictures{left}, "
            f"{self.decoded / max(1, self.frames):.0%} of the frames decoded here"
        )


def _bytes(count: int) -> str:
    if count < 1 << 20:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1 << 20):.1f} MiB"
