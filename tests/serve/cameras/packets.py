"""Packets of a file, as a camera's ring would hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from costream.video import Stream
from costream.video.packet_ring import PacketRing, RingLimits, StoredPacket


def packets_of(path: Path, received: float = 100.0, rate: float = 25.0) -> list[StoredPacket]:
    """Returns all packets of a file, each received when it is due."""
    ring = PacketRing(RingLimits(seconds=3600, max_bytes=1 << 28))
    stream = Stream(path, motion=False)
    stream.ring = ring
    with stream:
        list(stream.frames())
    found = ring.since(0.0)
    return [replace(p, received=received + n / rate) for n, p in enumerate(found)]


def pictures_of(path: Path) -> list[np.ndarray]:
    """Decodes a file: luma of every frame."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def times_of(path: Path) -> list[float]:
    """Returns when each frame of a file is shown."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]
