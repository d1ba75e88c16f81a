"""How much of a file our own reader reads, whether FFmpeg agrees, and how fast it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.sidedata.motionvectors import MotionVectors

from costream.errors import SourceError
from costream.video.bitstream import open_reader
from costream.video.side_data import Extradata, side_data
from costream.video.source import open_container, reason
from costream.video.track import codec_name, find_video
from costream.video.vectors import EXPORT_OPTIONS

if TYPE_CHECKING:
    from costream._bitstream import Picture
    from costream.video.bitstream import Reader

RUNS = 3
"""Times that reading and decoding are timed in turn; the fastest of each counts."""

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class BitstreamRow:
    """What was found in one file.

    Attributes:
        source: the file.
        codec: FFmpeg's name of its codec.
        pictures: pictures found.
        slices: slices that were read to their very end.
        unsupported: slices that were not, by what they needed.
        vectors: motion vectors that FFmpeg exported and that were compared.
        mv_equal: share of them that our reader gives as well, in the same direction; None where
            FFmpeg exports none.
        speedup: processor time of FFmpeg's single-threaded decoding over that of reading, its
            arrays by 4x4 block, which are made when somebody looks, left alone; None where there
            is no reader.
    """

    source: str
    codec: str
    pictures: int
    slices: int
    unsupported: dict[str, int]
    vectors: int
    mv_equal: float | None
    speedup: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the row as JSON-ready values."""
        return asdict(self)


def rate_reader(source: Path, *, runs: int = RUNS) -> BitstreamRow:
    """Reads a file with our own reader and with FFmpeg.

    Args:
        source: the file.
        runs: times that both are timed.

    Raises:
        SourceError: the file can't be opened or holds no video.
    """
    name = str(source)
    packets, codec, extradata = _demux(name)
    reader = open_reader(codec, extradata)
    if reader is None:
        return BitstreamRow(name, codec, 0, 0, {}, 0, None, None)
    pictures = _read(reader, packets)
    vectors, equal = _compare(name, pictures)
    reading, decoding = [], []
    for _ in range(runs):
        fresh = open_reader(codec, extradata)
        assert fresh is not None
        reading.append(_time_reading(fresh, packets))
        decoding.append(_decode(name))
    return BitstreamRow(
        source=name,
        codec=codec,
        pictures=len(pictures),
        slices=sum(picture.slices for picture in pictures.values()),
        unsupported=dict(Counter(why for p in pictures.values() for why in p.unsupported)),
        vectors=vectors,
        mv_equal=equal / vectors if vectors else None,
        speedup=min(decoding) / max(min(reading), 1e-9),
    )


_Sent = tuple[bytes, bytes | None]
"""A packet, and the parameter sets that come beside it."""


def _demux(name: str) -> tuple[list[_Sent], str, bytes | None]:
    with open_container(name, _TIMEOUT, {}) as container:
        stream = find_video(container, name)
        codec, extradata = codec_name(stream), stream.codec_context.extradata
        known = Extradata(extradata)
        sent = [(bytes(one), known.renew(one)) for one in container.demux(stream) if one.size]
        return sent, codec, extradata


def _read(reader: Reader, packets: list[_Sent]) -> dict[int, Picture]:
    """Pictures by the number of their packet: of two in one, the last."""
    return {
        number: picture
        for number, sent in enumerate(packets)
        for picture in _read_one(reader, sent, number)
    }


def _read_one(reader: Reader, sent: _Sent, number: int) -> list[Picture]:
    packet, extradata = sent
    if extradata is not None:
        reader.configure(extradata)
    return reader.read(packet, number)


def _time_reading(reader: Reader, packets: list[_Sent]) -> float:
    """Processor seconds of reading. Pictures are let go as decoded frames are, not held."""
    begun = process_time()
    for number, sent in enumerate(packets):
        _read_one(reader, sent, number)
    return process_time() - begun


def _decode(name: str) -> float:
    """Processor seconds of decoding, demuxing aside."""
    with open_container(name, _TIMEOUT, {}) as container:
        stream = find_video(container, name)
        stream.codec_context.thread_count = 1
        packets = list(container.demux(stream))
        begun = process_time()
        for packet in packets:
            try:
                stream.decode(packet)
            except av.FFmpegError:
                continue
        return process_time() - begun


def _compare(name: str, pictures: dict[int, Picture]) -> tuple[int, int]:
    """Vectors that FFmpeg exported, and how many of them are the same here."""
    compared = equal = 0
    with open_container(name, _TIMEOUT, {}) as container:
        stream = find_video(container, name)
        context = stream.codec_context
        context.thread_count, context.copy_opaque = 1, True
        context.options = EXPORT_OPTIONS
        try:
            packets = [p for p in container.demux(stream) if p.size]
            for number, packet in enumerate([*packets, None]):
                if packet is not None:
                    packet.opaque = number
                for frame in stream.decode(packet):
                    sent = frame.opaque
                    picture = pictures.get(sent) if isinstance(sent, int) else None
                    if picture is not None and not picture.unsupported:
                        told, same = _agree(frame, picture)
                        compared, equal = compared + told, equal + same
        except av.error.EOFError:
            pass
        except av.FFmpegError as error:
            raise SourceError(f"{name} can't be decoded: {reason(error, _TIMEOUT)}") from error
    return compared, equal


def _agree(frame: av.VideoFrame, picture: Picture) -> tuple[int, int]:
    exported = side_data(frame, "MOTION_VECTORS")
    if not isinstance(exported, MotionVectors):
        return 0, 0
    rows = exported.to_ndarray()
    # Destinations are the middles of blocks; the codec's grid is of 4 x 4 samples.
    x = (rows["dst_x"].astype(np.intp) - rows["w"] // 2 + picture.crop_left) // 4
    y = (rows["dst_y"].astype(np.intp) - rows["h"] // 2 + picture.crop_top) // 4
    inside = (x >= 0) & (y >= 0) & (x < picture.columns) & (y < picture.rows)
    rows, x, y = rows[inside], x[inside], y[inside]
    direction = (rows["source"] > 0).astype(np.intp)
    ours = np.where(
        (picture.reference[y, x, direction] >= 0)[:, None], picture.motion[y, x, direction], 0
    )
    same = (ours[:, 0] == rows["motion_x"]) & (ours[:, 1] == rows["motion_y"])
    return len(rows), int(same.sum())
