"""What a source has to keep so that its windows can be checked. Nothing here knows torch."""

from __future__ import annotations

from costream.settings import EngineSettings
from costream.video.packet_ring import RingLimits

BEHIND = 8
"""Strides for which what a window was made of is kept, beside two windows' length."""

MAX_BYTES = 256 << 20
"""Most bytes of packets that are kept for it."""


def audit_ring(settings: EngineSettings) -> RingLimits:
    """Returns what a source keeps of its packets so that windows can be checked.

    A window is had again twice where it differs, while the source goes on.
    """
    return RingLimits(audit_seconds(settings), MAX_BYTES)


def audit_seconds(settings: EngineSettings) -> float:
    """Returns how much of a stream is kept for that, in seconds."""
    return 2 * settings.window + BEHIND * settings.stride
