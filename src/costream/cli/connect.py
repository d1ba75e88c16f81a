"""How a source is connected to, as the command line says; also in another process."""

from __future__ import annotations

from dataclasses import dataclass

from costream.video import Access, Decoding, Stream


@dataclass(frozen=True, slots=True)
class Connect:
    """Makes a new stream of a source, not opened yet.

    Attributes:
        source: the source.
        motion: whether motion vectors are extracted.
        decode: what is decoded.
        access: how it is reached.
    """

    source: str
    motion: bool
    decode: Decoding
    access: Access

    def __call__(self) -> Stream:
        """Returns the stream."""
        return Stream(self.source, motion=self.motion, decode=self.decode, **self.access)
