"""Records, as ``application/x-costream`` has them: see docs/push.md.

A record is a byte that says what it is, four that say how long it is (unsigned, the highest first),
and so many bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from costream.errors import SettingsError

FRAMED = "application/x-costream"
"""The media type of a stream that is sent as records."""

VERSION = 1
"""Of what an edge sends. A receiver takes no other."""

DATA, GAP, HEARTBEAT = 1, 2, 3
"""Kinds of records of a stream in a container: bytes of it; seconds, as a 64-bit float, for which
nothing may come; and nothing, so that the connection counts as alive."""

SESSION, CAMERA, PARAMETERS, PACKET, STANDING, INTERVAL, LOST, SKIPPED, STRETCH = range(4, 13)
"""Kinds of records of an edge: see :mod:`costream.edge.messages`."""

PACKED = 13
"""Records in one, compressed."""

LARGEST = 1 << 20
"""Bytes of a record, but for packets."""

LARGEST_PACKET = 16 << 20
"""Bytes of a record that holds a packet."""

LONGEST_GAP = 3600.0
"""Seconds that one gap may last."""

HEAD = struct.Struct(">BI")
SECONDS = struct.Struct(">d")

Record = tuple[int, bytes]
"""A kind and what the record holds."""


def record(kind: int, payload: bytes = b"") -> bytes:
    """Returns a record."""
    return HEAD.pack(kind, len(payload)) + payload


def gap(seconds: float) -> bytes:
    """Returns the record of a gap."""
    return record(GAP, SECONDS.pack(seconds))


def packed(records: bytes) -> bytes:
    """Returns records as one, compressed, where that is shorter.

    Args:
        records: one behind the other, of :data:`LARGEST` bytes at most.
    """
    short = record(PACKED, zlib.compress(records, 9))
    return short if len(short) < len(records) else records


def records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Yields the records of a stream that comes in any pieces; what is packed comes unpacked.

    Raises:
        SettingsError: one is none.
    """
    for kind, payload in _split(chunks):
        if kind == PACKED:
            yield from _unpacked(payload)
        else:
            yield kind, payload


def _split(chunks: Iterable[bytes]) -> Iterator[Record]:
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while (found := _first(waiting)) is not None:
            del waiting[: HEAD.size + len(found[1])]
            yield found
    if waiting:
        raise SettingsError("the stream ends within a record: send each one whole")


def _first(waiting: bytearray) -> Record | None:
    if len(waiting) < HEAD.size:
        return None
    kind, length = HEAD.unpack_from(waiting)
    _check(kind, length)
    end = HEAD.size + length
    if len(waiting) < end:
        return None
    payload = bytes(waiting[HEAD.size : end])
    if kind == GAP:
        _check_gap(SECONDS.unpack(payload)[0])
    return kind, payload


def _unpacked(payload: bytes) -> Iterator[Record]:
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(payload, LARGEST)
    except zlib.error:
        raise SettingsError("a packed record can't be unpacked: send it as zlib has it") from None
    if not inflate.eof or inflate.unused_data:
        raise SettingsError(f"a packed record holds one zlib stream of at most {LARGEST} bytes")
    for kind, inner in _split((plain,)):
        if kind in _WHOLE:
            raise SettingsError(f"a record of kind {kind} can't be packed: send it as it is")
        yield kind, inner


_WHOLE = frozenset({PACKED, PACKET, STRETCH})

_LENGTHS: dict[int, Callable[[int], bool]] = {
    DATA: lambda length: 0 < length <= LARGEST,
    GAP: lambda length: length == SECONDS.size,
    HEARTBEAT: lambda length: length == 0,
    PACKET: lambda length: 0 < length <= LARGEST_PACKET,
    STRETCH: lambda length: 0 < length <= LARGEST_PACKET,
    **dict.fromkeys(
        (SESSION, CAMERA, PARAMETERS, STANDING, INTERVAL, LOST, SKIPPED, PACKED),
        lambda length: 0 < length <= LARGEST,
    ),
}


def _check(kind: int, length: int) -> None:
    if kind not in _LENGTHS:
        raise SettingsError(
            f"there is no record of kind {kind}: docs/push.md has those of version {VERSION}"
        )
    if not _LENGTHS[kind](length):
        raise SettingsError(
            f"a record of kind {kind} is not {length} bytes long: data takes 1 to {LARGEST}, a "
            f"packet 1 to {LARGEST_PACKET}, a gap {SECONDS.size}, a heartbeat none"
        )


def _check_gap(seconds: float) -> None:
    if not 0 <= seconds <= LONGEST_GAP:
        raise SettingsError(f"a gap lasts 0 to {LONGEST_GAP:g} seconds, not {seconds:g}")
