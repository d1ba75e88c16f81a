"""What a camera takes of a node, and what a node has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHARE = 0.001
"""What any camera takes of a node at the least, whatever is known of it: its process and threads,
and so that cameras of which nothing is known are spread as well."""


@dataclass(frozen=True, slots=True)
class Need:
    """What cameras take.

    Attributes:
        memory: bytes that their windows hold on the device.
        compute: seconds of the device a second.
        decode: seconds of a core a second, for reading them.
        cameras: how many they are.
    """

    memory: float = 0.0
    compute: float = 0.0
    decode: float = 0.0
    cameras: int = 1

    def __add__(self, other: Need) -> Need:
        return Need(
            self.memory + other.memory,
            self.compute + other.compute,
            self.decode + other.decode,
            self.cameras + other.cameras,
        )


NOTHING = Need(cameras=0)


def total(needs: Iterable[Need]) -> Need:
    """Returns what cameras take together."""
    return sum(needs, NOTHING)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one node has for cameras.

    Attributes:
        memory: bytes of the device beside the weights.
        compute: seconds of the device a second: 1 for one device.
        decode: cores that read.
    """

    memory: float
    compute: float = 1.0
    decode: float = 1.0

    def load(self, need: Need) -> float:
        """Returns how full cameras make the node, of what is fullest: beyond 1 they are too many.

        Args:
            need: of all of them together.
        """
        return max(
            need.cameras * SHARE,
            need.memory / max(self.memory, 1.0),
            need.compute / max(self.compute, 1e-9),
            need.decode / max(self.decode, 1e-9),
        )
