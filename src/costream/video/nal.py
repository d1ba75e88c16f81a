"""The one bit of H.264 syntax that FFmpeg keeps to itself: whether a picture is a reference."""

from __future__ import annotations

import re

_HEAD = 4096
"""Bytes to look at: parameter sets and messages before the first slice are shorter."""

_START_CODE = re.compile(rb"\x00\x00\x01")
_SLICES = frozenset({1, 2, 5})


def is_reference(packet: bytes | memoryview) -> bool | None:
    """Returns whether other pictures may refer to the H.264 picture in ``packet``.

    It is told by ``nal_ref_idc`` of the first slice (ITU-T H.264, 7.4.1). None if no slice is found
    at the beginning of the packet.
    """
    for header in _headers(memoryview(packet)):
        if header & 0x1F in _SLICES:
            return header >> 5 & 3 > 0
    return None


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
