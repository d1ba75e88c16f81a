"""A file played again and again, without being encoded again."""

from __future__ import annotations

from pathlib import Path

import av


def write_looped(source: Path, target: Path, repeats: int) -> None:
    """Writes the packets of a file several times, one time after the other.

    Args:
        source: a file with one video stream, whose first packet is a key frame and whose packets
            need nothing from the time before.
        target: the file to write.
        repeats: how many times.

    Raises:
        OSError: a file can't be read or written.
    """
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        video = container.streams.video[0]
        written = output.add_stream_from_template(video)
        packets = [packet for packet in container.demux(video) if packet.size]
        length = sum(packet.duration or 0 for packet in packets)
        for turn in range(repeats):
            for packet in packets:
                if turn:
                    assert packet.pts is not None and packet.dts is not None
                    packet.pts += length
                    packet.dts += length
                packet.stream = written
                output.mux(packet)
