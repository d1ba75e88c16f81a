"""One temporal patch of a stream's window: its masks, its tokens and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from costream.errors import IntegrityError
from costream.models import Segment
from costream.pruning import KeepMask


@dataclass(frozen=True, slots=True)
class CachedPatch:
    """A temporal patch in the window, whose tokens the pool has.

    Attributes:
        ticks: ticks of its first and its last frame.
        frames: how many frames it has.
        keep: which groups are kept.
        carried: the groups beside them that are carried over: bool [groups].
        encoded: groups that were run through the vision encoder; more than are kept where the
            pruner looks at features.
        damaged: frames in whose interval the decoder met errors.
        segment: its tokens, or None where no group is shown.
        label_tokens: its tokens that are not visual, counted even where it has no segment.
        position: position of the segment's start.
        slot: logical slot of its first token.
    """

    ticks: tuple[int, int]
    frames: int
    keep: KeepMask
    carried: Tensor
    encoded: int
    damaged: int
    segment: Segment | None = None
    label_tokens: int = 0
    position: int = 0
    slot: int = 0

    @property
    def tick(self) -> int:
        """Tick of its first frame: it belongs to the windows that hold this tick."""
        return self.ticks[0]

    @property
    def anchor(self) -> bool:
        """Encoded whole on purpose, and not for want of evidence as every frame of its stream."""
        return self.keep.anchor not in (None, "blind")

    @property
    def kept(self) -> Tensor:
        """The groups that are kept: bool [groups]."""
        return torch.from_numpy(self.keep.groups.reshape(-1))

    @property
    def shown(self) -> Tensor:
        """The groups that the language model sees: bool [groups]."""
        return self.kept | self.carried

    @property
    def tokens(self) -> int:
        """Logical slots it takes."""
        return 0 if self.segment is None else len(self.segment)


def check_layout(patches: Sequence[CachedPatch], start: int) -> None:
    """Checks that patches fill the slots from ``start`` on, in order of ticks and positions.

    Raises:
        IntegrityError: there is a gap, an overlap or a disorder.
    """
    slot = start
    for before, patch in zip([None, *patches], patches, strict=False):
        if patch.slot != slot:
            raise IntegrityError(f"tick {patch.tick} lies at slot {patch.slot}, not {slot}")
        if before and (before.tick, before.position) >= (patch.tick, patch.position):
            raise IntegrityError(f"tick {patch.tick} does not follow tick {before.tick}")
        slot += patch.tokens
