"""Operating points: how much of a stream is left out, from the least care to full recomputation."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class PruningKnobs:
    """What a pruner is set to while its stream runs.

    Attributes:
        threshold: factor of the threshold of change; above 1 keeps less.
        anchors: factor of the distance between frames that are encoded whole; 0 encodes every
            frame whole.
    """

    threshold: float
    anchors: float


PRUNING = (
    PruningKnobs(1.6, 16.0),
    PruningKnobs(1.25, 4.0),
    PruningKnobs(1.0, 1.0),
    PruningKnobs(0.75, 0.5),
    PruningKnobs(0.5, 0.25),
    PruningKnobs(0.0, 0.0),
)
"""From the least care to none pruned. The first is the floor: nothing keeps less."""

RECOMPUTING: tuple[int | None, ...] = (None, 8, 4, 2, 1)
"""After how many windows all keys and values of a stream are recomputed: never, to each time."""


STRETCH = (1, 1, 2, 4, 4)
"""By how many strides a window moves on, by level of overload."""

THIN = (1, 1, 1, 1, 2)
"""Of how many temporal patches one is shown, by level of overload."""

LEVELS = len(STRETCH)
"""Levels of overload, the first of which is none."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What is left out of a stream.

    Attributes:
        pruning: place in :data:`PRUNING`.
        recomputing: place in :data:`RECOMPUTING`.
        decode_all: every picture is decoded, whatever the bitstream says of it.
        stretch: strides by which a window moves on.
        thin: of so many temporal patches the first is shown.
    """

    pruning: int = 2
    recomputing: int = 0
    decode_all: bool = False
    stretch: int = 1
    thin: int = 1

    @property
    def knobs(self) -> PruningKnobs:
        """What the pruner is set to."""
        return PRUNING[self.pruning]

    @property
    def recompute_every(self) -> int | None:
        """After how many windows all is recomputed, or None for never."""
        return RECOMPUTING[self.recomputing]

    def with_pruning(self, step: int) -> OperatingPoint | None:
        """Returns the point that prunes less by some steps, or None where there is none."""
        place = self.pruning + step
        return replace(self, pruning=place) if 0 <= place < len(PRUNING) else None

    def with_recomputing(self, step: int) -> OperatingPoint | None:
        """Returns the point that recomputes more often by some steps, or None for no such."""
        place = self.recomputing + step
        return replace(self, recomputing=place) if 0 <= place < len(RECOMPUTING) else None

    def with_decoding(self) -> OperatingPoint | None:
        """Returns the point that decodes everything, or None where this one does."""
        return None if self.decode_all else replace(self, decode_all=True)

    def degraded(self, level: int) -> OperatingPoint:
        """Returns what is left of the point in an overload.

        First it prunes as much as may be and decodes no more than it has to, then strides are
        lengthened, then the sampled rate is lowered. After that a live source skips frames.

        Args:
            level: 0 for no overload, up to :data:`LEVELS` - 1.
        """
        if not level:
            return self
        return OperatingPoint(0, 0, decode_all=False, stretch=STRETCH[level], thin=THIN[level])

    def __str__(self) -> str:
        parts = []
        if self.pruning == len(PRUNING) - 1:
            parts.append("nothing pruned")
        elif self.pruning != USUAL.pruning:
            knobs = self.knobs
            parts.append(f"threshold x{knobs.threshold:g}, anchors x{knobs.anchors:g} apart")
        if self.recompute_every is not None:
            every = self.recompute_every
            often = "each window" if every == 1 else f"every {every} windows"
            parts.append(f"recomputed {often}")
        if self.decode_all:
            parts.append("all decoded")
        if self.stretch > 1:
            parts.append(f"stride x{self.stretch}")
        if self.thin > 1:
            parts.append(f"rate / {self.thin}")
        return ", ".join(parts) or "usual"


USUAL = OperatingPoint()
"""The engine's settings as they are: where every stream begins."""
