"""A file played again and again, without being encoded again."""

from __future__ import annotations

from pathlib import Path

import av


def write_looped(source: Path, target: Path, repeats: int, again: int = 0) -> None:
    """Writes the packets of a file several times, one time after the other.

    Args:
        source: a file with one video stream without reordered frames.
        target: the file to write.
        repeats: how many times.
        again: number of the packet, a key frame that what follows needs nothing before, from which
            it is played from the second time on.

    Raises:
        OSError: a file can't be read or written.
    """
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        video = container.streams.video[0]
        written = output.add_stream_from_template(video)
        packets = [packet for packet in container.demux(video) if packet.size]
        played = 0
        for turn in range(repeats):
            for packet in packets[again if turn else 0 :]:
                packet.pts = packet.dts = played
                played += packet.duration or 0
                packet.stream = written
                output.mux(packet)
