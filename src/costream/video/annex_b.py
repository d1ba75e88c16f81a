"""H.264 and H.265 packets behind start codes (ITU-T H.264 and H.265, annex B), whatever they were.

A container that states lengths instead keeps the parameter sets in a record of its own: avcC or
hvcC (ISO/IEC 14496-15). Behind start codes, with the parameter sets before every key frame, packets
of any source can be stored by the same means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from costream.video.packet_ring import StoredPacket

START = b"\x00\x00\x00\x01"

CODECS = frozenset({"h264", "hevc"})

_START_CODE = re.compile(rb"\x00\x00\x01")
_PARAMETERS = {"h264": frozenset({7, 8}), "hevc": frozenset({32, 33, 34})}
_SEQUENCE = {"h264": 7, "hevc": 33}


def annex_b(packet: StoredPacket) -> bytes:
    """Returns a packet's units behind start codes; a key frame's begin with its parameter sets.

    What is no unit of its length is left out, since nobody could decode it.
    """
    found = list(_units(packet))
    if packet.key and not any(_is_sequence(unit, packet) for unit in found):
        found = [*parameter_sets(packet), *found]
    return b"".join(START + unit for unit in found)


def sequence_sets(packet: StoredPacket) -> set[bytes]:
    """Returns the sequence parameter sets that hold from a key frame on, own or beside."""
    own = {unit for unit in _units(packet) if _is_sequence(unit, packet)}
    return own or {unit for unit in parameter_sets(packet) if _is_sequence(unit, packet)}


def parameter_sets(packet: StoredPacket) -> list[bytes]:
    """Returns the parameter sets that come beside a packet, without start codes."""
    extradata, codec = packet.parameters.extradata or b"", packet.parameters.codec
    if not _has_lengths(extradata):
        found = list(_behind_start_codes(extradata))
    elif codec == "h264":
        found = list(_of_avc_record(extradata))
    else:
        found = list(_of_hevc_record(extradata))
    return [unit for unit in found if kind(unit, codec) in _PARAMETERS[codec]]


def kind(unit: bytes, codec: str) -> int:
    """Returns a unit's type, as the codec numbers them."""
    return unit[0] >> 1 & 0x3F if codec == "hevc" else unit[0] & 0x1F


def _is_sequence(unit: bytes, packet: StoredPacket) -> bool:
    codec = packet.parameters.codec
    return kind(unit, codec) == _SEQUENCE[codec]


def _units(packet: StoredPacket) -> Iterator[bytes]:
    extradata = packet.parameters.extradata or b""
    if not _has_lengths(extradata):
        return _behind_start_codes(packet.data)
    at = 4 if packet.parameters.codec == "h264" else 21
    return _of_lengths(packet.data, (extradata[at] & 3) + 1)


def _has_lengths(extradata: bytes) -> bool:
    return len(extradata) > 6 and extradata[0] == 1


def _behind_start_codes(data: bytes) -> Iterator[bytes]:
    places = [match.end() for match in _START_CODE.finditer(data)]
    for begin, end in zip(places, [*(place - 3 for place in places[1:]), len(data)], strict=True):
        unit = data[begin:end].rstrip(b"\x00")
        if unit:
            yield unit


def _of_lengths(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        at += size
        if not 0 < length <= len(data) - at:
            return
        yield data[at : at + length]
        at += length


def _of_avc_record(record: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (0x1F, 0xFF):
        if at >= len(record):
            return
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            unit, at = _sized(record, at)
            if unit:
                yield unit


def _of_hevc_record(record: bytes) -> Iterator[bytes]:
    at, arrays = 23, record[22] if len(record) > 22 else 0
    for _ in range(arrays):
        count, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            unit, at = _sized(record, at)
            if not unit:
                return
            yield unit


def _sized(record: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(record[at : at + 2], "big")
    return record[at + 2 : end], end
