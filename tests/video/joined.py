"""Recordings that were joined into one stream, whose parameter sets change out of band."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av


def join_flv(path: Path, *parts: Path, move: Callable[[int], float] = lambda number: 0.0) -> Path:
    """Writes H.264 from MP4 files as one FLV, with a sequence header before each part's packets.

    Packets' stamps are moved by seconds, given for their numbers from 0 in each part.
    """
    tags, start = [], 0
    for part in parts:
        extradata, packets = _coded(part)
        tags.append(_tag(start, b"\x17\0\0\0\0" + extradata))
        for number, packet in enumerate(packets):
            dts, delay = _milliseconds(packet, packet.dts), packet.pts - packet.dts
            kind = b"\x17" if packet.is_keyframe else b"\x27"
            cts = _milliseconds(packet, delay).to_bytes(3, "big")
            moved = start + dts + round(1000 * move(number))
            tags.append(_tag(moved, kind + b"\x01" + cts + bytes(packet)))
        start += sum(_milliseconds(packet, packet.duration) for packet in packets)
    path.write_bytes(b"FLV\x01\x01\0\0\0\x09\0\0\0\0" + b"".join(tags))
    return path


def join_mp4(path: Path, *parts: Path) -> Path:
    """Writes MP4 files without B-frames as one, with a sample description for each."""
    coded = [_coded(part)[1] for part in parts]
    packets = [packet for part in coded for packet in part]
    data = b"".join(bytes(packet) for packet in packets)
    entries = [_box_of(part, b"stsd")[16:] for part in parts]
    table, first = [], 1
    for number, part in enumerate(coded, 1):
        table.append(struct.pack(">3I", first, 1, number))
        first += len(part)
    offsets, at = [], 8 + 24
    for packet in packets:
        offsets.append(at)
        at += packet.size
    keys = [number for number, packet in enumerate(packets, 1) if packet.is_keyframe]
    boxes = {
        b"stsd": _counted(entries),
        b"stsc": _counted(table),
        b"stsz": struct.pack(">3I", 0, 0, len(packets))
        + b"".join(struct.pack(">I", packet.size) for packet in packets),
        b"stco": _counted([struct.pack(">I", offset) for offset in offsets]),
        b"stss": _counted([struct.pack(">I", number) for number in keys]),
        b"stts": _counted([struct.pack(">2I", len(packets), packets[0].duration)]),
        b"edts": None,
        b"ctts": None,
        b"mdhd": struct.pack(
            ">5I2H",
            0,
            0,
            0,
            packets[0].time_base.denominator,
            packets[0].duration * len(packets),
            0x55C4,
            0,
        ),
    }
    brand = b"isom\0\0\2\0isomavc1"
    movie = _rebuilt(_box_of(parts[0], b"moov"), boxes)
    path.write_bytes(_box(b"ftyp", brand) + _box(b"mdat", data) + _box(b"moov", movie))
    return path


def _coded(path: Path) -> tuple[bytes, list[av.Packet]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        first = packets[0].dts
        for packet in packets:
            packet.pts, packet.dts = packet.pts - first, packet.dts - first
        return bytes(stream.codec_context.extradata), packets


def _milliseconds(packet: av.Packet, stamp: int) -> int:
    return round(stamp * packet.time_base * 1000)


def _tag(time: int, body: bytes) -> bytes:
    head = b"\x09" + len(body).to_bytes(3, "big") + (time & 0xFFFFFF).to_bytes(3, "big")
    tag = head + (time >> 24).to_bytes(1, "big") + b"\0\0\0" + body
    return tag + len(tag).to_bytes(4, "big")


_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def _counted(items: list[bytes]) -> bytes:
    return struct.pack(">2I", 0, len(items)) + b"".join(items)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8 : at + size]
        at += size


def _box_of(path: Path, wanted: bytes, data: bytes | None = None) -> bytes:
    """Returns a box's body; of ``stsd``, with the eight bytes before it."""
    data = path.read_bytes() if data is None else data
    for name, body in _boxes(data):
        if name == wanted:
            return b"\0" * 8 + body if wanted == b"stsd" else body
        if name in _PARENTS and (found := _box_of(path, wanted, body)):
            return found
    return b""


def _rebuilt(data: bytes, boxes: dict[bytes, bytes | None]) -> bytes:
    """Returns boxes with others in the place of some; None leaves one out."""
    out = b""
    for name, body in _boxes(data):
        if name in boxes:
            new = boxes[name]
            out += b"" if new is None else _box(name, new)
        else:
            out += _box(name, _rebuilt(body, boxes) if name in _PARENTS else body)
    return out
