"""The few bits of H.264 and H.265 syntax that say how a picture hangs together with others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = 4096
"""Bytes to look at: parameter sets and messages before the first slice are shorter."""

_START_CODE = re.compile(rb"\x00\x00\x01")
_SLICES = frozenset({1, 2, 5})
_PARAMETERS = frozenset({7, 8, 13, 15})
_HEVC_LAST_SLICE = 31
_HEVC_RANDOM_ACCESS = range(16, 24)
_HEVC_PARAMETERS = frozenset({32, 33, 34})
_HEVC_SEQUENCE_PARAMETERS = 33
_MAX_LAYERS = 7


def is_reference(packet: bytes | memoryview) -> bool | None:
    """Returns whether other pictures may refer to the H.264 picture in ``packet``.

    It is told by ``nal_ref_idc`` of the first slice (ITU-T H.264, 7.4.1). None if no slice is found
    at the beginning of the packet.
    """
    for header in _headers(memoryview(packet)):
        if header & 0x1F in _SLICES:
            return header >> 5 & 3 > 0
    return None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a coded picture stands to others.

    Attributes:
        restart: every picture that follows it in decoding and display order can be decoded from
            here: an IDR picture, and of H.265 any IRAP picture.
        reference: others may be predicted from it.
    """

    restart: bool
    reference: bool


UNKNOWN = Standing(restart=False, reference=True)
"""Of a packet in which no slice is found: nothing is concluded from it."""


class UnitReader:
    """Looks at the NAL units of one stream's packets, at their headers alone."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        """Starts with what the container says of the stream.

        Args:
            codec: ``h264`` or ``hevc``.
            extradata: an avcC or hvcC record, parameter sets behind start codes, or nothing.
        """
        extradata = extradata or b""
        self._hevc = codec == "hevc"
        lengths_at = 21 if self._hevc else 4
        by_length = len(extradata) > lengths_at and extradata[0] == 1
        self._length = (extradata[lengths_at] & 3) + 1 if by_length else 0
        self._layers = self._told_layers(extradata) if self._hevc else 1

    def standing(self, packet: bytes | memoryview) -> Standing:
        """Returns how the packet's picture stands to others, by its first slice."""
        for header, _ in self._units(memoryview(packet)):
            if self._hevc:
                kind = header >> 1 & 0x3F
                if kind <= _HEVC_LAST_SLICE:
                    # A picture that its own sub-layer does not refer to may serve a higher one.
                    passing = kind < _HEVC_RANDOM_ACCESS.start and not kind & 1
                    return Standing(kind in _HEVC_RANDOM_ACCESS, not passing or self._layers > 1)
            elif header & 0x1F in _SLICES:
                return Standing(header & 0x1F == 5, header >> 5 & 3 > 0)
        return UNKNOWN

    def parameters(self, packet: bytes | memoryview) -> bytes:
        """Returns the parameter sets before the packet's first slice, as a packet of their own."""
        found = b""
        for header, unit in self._units(memoryview(packet)):
            kind = header >> 1 & 0x3F if self._hevc else header & 0x1F
            if kind in (_HEVC_PARAMETERS if self._hevc else _PARAMETERS):
                size = len(unit).to_bytes(self._length, "big") if self._length else b"\0\0\1"
                found += size + bytes(unit)
            elif kind <= _HEVC_LAST_SLICE if self._hevc else kind in _SLICES:
                break
        return found

    def _units(self, packet: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yields the header byte of each NAL unit and the unit."""
        if not self._length:
            yield from _behind_start_codes(packet)
            return
        at = self._length
        while at < len(packet):
            size = int.from_bytes(packet[at - self._length : at], "big")
            yield packet[at], packet[at : at + size]
            at += size + self._length

    def _told_layers(self, extradata: bytes) -> int:
        """Returns how many temporal sub-layers the stream may have."""
        if self._length:
            return extradata[21] >> 3 & 7 or _MAX_LAYERS
        for header, unit in _behind_start_codes(memoryview(extradata)):
            if header >> 1 & 0x3F == _HEVC_SEQUENCE_PARAMETERS and len(unit) > 2:
                return (unit[2] >> 1 & 7) + 1
        return _MAX_LAYERS


def _behind_start_codes(packet: memoryview) -> Iterator[tuple[int, memoryview]]:
    head = bytes(packet[:_HEAD])
    starts = [match.end() for match in _START_CODE.finditer(head) if match.end() < len(head)]
    if not starts:
        return
    for start, end in zip(starts, [*(start - 3 for start in starts[1:]), len(head)], strict=True):
        yield head[start], packet[start:end]


def _headers(packet: memoryview) -> list[int]:
    """Returns the header bytes of NAL units, whether lengths or start codes divide them."""
    by_length = _by_length(packet)
    if by_length is not None:
        return by_length
    head = bytes(packet[:_HEAD])
    return [head[m.end()] for m in _START_CODE.finditer(head) if m.end() < len(head)]


def _by_length(packet: memoryview) -> list[int] | None:
    """Returns the header bytes if lengths lead exactly to the packet's end, else None.

    A length of 256 to 511 looks like a start code, so that the first bytes alone don't tell.
    """
    headers, at = [], 0
    while at + 4 < len(packet):
        headers.append(packet[at + 4])
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return headers if at == len(packet) else None
