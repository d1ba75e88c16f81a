"""The one bit of H.264 syntax that FFmpeg keeps to itself: whether a picture is a reference."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEAD = 4096
"""Bytes to look at: parameter sets and messages before the first slice are shorter."""

_START_CODE = re.compile(rb"\x00\x00\x01")
_SLICES = frozenset({1, 2, 5})


def is_reference(packet: bytes | memoryview) -> bool | None:
    """Returns whether other pictures may refer to the H.264 picture in ``packet``.

    It is told by ``nal_ref_idc`` of the first slice (ITU-T H.264, 7.4.1). None if no slice is found
    at the beginning of the packet.
    """
    head = bytes(packet[:_HEAD])
    for header in _headers(head):
        if header & 0x1F in _SLICES:
            return header >> 5 & 3 > 0
    return None


def _headers(head: bytes) -> Iterator[int]:
    """Yields the header bytes of NAL units, whether start codes or lengths divide them."""
    if head.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        yield from (head[m.end()] for m in _START_CODE.finditer(head) if m.end() < len(head))
        return
    at = 0
    while at + 4 < len(head):
        yield head[at + 4]
        at += 4 + int.from_bytes(head[at : at + 4], "big")
