"""What an edge sends of a stream, beside all of it and beside other ways to send pictures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from time import process_time
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream
from PIL import Image

from costream.edge.account import Account
from costream.edge.camera import EdgeCamera
from costream.edge.forwarder import Line
from costream.edge.outbox import Outbox
from costream.edge.receiver import Answer, head_size, request_headers
from costream.edge.uplink import Uplink
from costream.edge.wire import SESSION, records
from costream.errors import SourceError
from costream.video import Sample, Stream
from costream.video.packet_ring import PacketRing, RingLimits

HEARTBEAT = 4.0
"""Seconds, as the command has it by default."""

JPEG_QUALITY = 85

_PATH, _HOST, _TOKEN = "/api/cameras/door/push", "cameras.example.org:443", "t" * 43
_USUAL_QP = 25


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """What it takes to send one stream.

    Attributes:
        name: of the stream.
        seconds: that it lasts.
        full: bytes of all of its packets.
        sent: bytes that the edge sends: requests and their heads, without TLS and TCP.
        packets: bytes of the camera's packets among them.
        encoded: bytes of the sampled pictures, encoded anew by x264 at ``qp``.
        jpegs: bytes of the sampled pictures as JPEGs of quality :data:`JPEG_QUALITY`.
        ticks: sampled pictures.
        shown: those that the edge sent.
        decoded: share of the frames that it decoded.
        qp: quantiser of the stream, on average.
        processor: processor time that the edge took, over the stream's length.
    """

    name: str
    seconds: float
    full: int
    sent: int
    packets: int
    encoded: int
    jpegs: int
    ticks: int
    shown: int
    decoded: float
    qp: int
    processor: float

    def to_dict(self) -> dict[str, Any]:
        """Returns it for JSON."""
        return asdict(self)


def forwarding_of(path: Path, name: str, fps: float) -> ForwardRow:
    """Measures one file.

    Raises:
        SourceError: it can't be read, or is too short to be sampled twice.
    """
    begun = process_time()
    account = _forward(path, fps)
    spent = process_time() - begun
    if not account.seconds:
        raise SourceError(f"{name} gave one sampled picture: measure a longer one")
    with Stream(path, decode="all") as stream:
        qp, jpegs = _looked_at(stream.samples(fps))
    with Stream(path, motion=False, decode="all") as stream:
        rate = Fraction(fps).limit_denominator(1000)
        encoded = sum(packet.size for packet in _encoded(stream.samples(fps), rate, qp))
    return ForwardRow(
        name=name,
        seconds=account.seconds,
        full=account.camera,
        sent=account.sent,
        packets=account.packets,
        encoded=encoded,
        jpegs=jpegs,
        ticks=account.ticks,
        shown=account.shown,
        decoded=account.decoded / max(1, account.frames),
        qp=qp,
        processor=spent / account.seconds,
    )


class _Metered:
    """Takes every request at once, and counts."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._next = 0

    def send(self, body: Sequence[bytes]) -> Answer:
        """Counts a request."""
        length = sum(map(len, body))
        head = head_size(_PATH, _HOST, request_headers(_TOKEN, length))
        self._next += sum(kind != SESSION for kind, _ in records(body))
        return Answer("here", self._next, self._fps, False, (), head + length)

    def close(self) -> None:
        """Does nothing."""


def _forward(path: Path, fps: float) -> Account:
    """Follows a file as an edge does, and makes its requests in stream time."""
    account, outbox = Account(), Outbox(1 << 40, float("inf"))
    outbox.patient = True
    uplink = Uplink(_Metered(fps), outbox, account, HEARTBEAT, lambda wanted: iter(()))
    uplink.exchange()
    ring = PacketRing(RingLimits(1.0, 1))
    last = 0.0
    camera = EdgeCamera(path, ring=ring, decode="auto")
    with camera:
        line = Line(outbox, camera, fps, None)
        for passage in camera.passages(fps):
            line.put(passage)
            account.count(passage.interval)
            if outbox.is_urgent or passage.interval.time - last >= HEARTBEAT:
                uplink.exchange()
                last = passage.interval.time
    uplink.exchange()
    account.camera = ring.received
    return account


def _looked_at(samples: Iterable[Sample]) -> tuple[int, int]:
    """Returns the stream's QP, and the bytes of its sampled pictures as JPEGs."""
    qps, jpegs = list[float](), 0
    for sample in samples:
        told = sample.change.qp
        if np.isfinite(told).any():
            qps.append(float(np.nanmean(told)))
        target = io.BytesIO()
        Image.fromarray(sample.picture.rgb()).save(target, "JPEG", quality=JPEG_QUALITY)
        jpegs += len(target.getvalue())
    return round(float(np.mean(qps))) if qps else _USUAL_QP, jpegs


def _encoded(samples: Iterable[Sample], rate: Fraction, qp: int) -> Iterator[Packet[VideoStream]]:
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate)
        video.pix_fmt = "yuv420p"
        video.codec_context.options = {"qp": str(qp), "preset": "medium"}
        video.codec_context.thread_count = 1
        for number, sample in enumerate(samples):
            picture = sample.picture.frame
            if not number:
                video.width, video.height = picture.width, picture.height
            frame = picture.reformat(video.width, video.height, "yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, PictureType.NONE
            yield from video.encode(frame)
        yield from video.encode(None)
