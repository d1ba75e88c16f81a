"""One temporal patch that lives in the window: its tokens, their features and their slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from costream.errors import IntegrityError
from costream.models import Segment, VisualTokens
from costream.pruning import KeepMask


@dataclass(slots=True)
class Resident:
    """A temporal patch in the window.

    The session that holds it owns it; only the fields from ``segment`` on ever
    change, when it enters the window, an epoch begins, or the store moves its slots.

    Attributes:
        ticks: ticks of its first and its last frame.
        frames: how many frames it has.
        keep: which groups are kept.
        held: the groups beside them that stay in sight as they last were: bool [groups].
        visual: the features of both, in the order of groups, needed again whenever the tokens are
            recomputed.
        encoded: groups that were run through the vision encoder; more than are kept where the
            pruner looks at features.
        damaged: frames in whose interval the decoder met errors.
        segment: its tokens, or None where no group is shown.
        label_tokens: its tokens that are not visual, counted even where it has no segment.
        position: position of the segment's start in the epoch.
        slot: slot of its first token.
    """

    ticks: tuple[int, int]
    frames: int
    keep: KeepMask
    held: Tensor
    visual: VisualTokens
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
        return self.kept | self.held

    @property
    def tokens(self) -> int:
        """Slots it takes in the store."""
        return 0 if self.segment is None else len(self.segment)


def check_layout(residents: Sequence[Resident], start: int) -> None:
    """Checks that residents fill the store from ``start`` on, in order of ticks and positions.

    Raises:
        IntegrityError: there is a gap, an overlap or a disorder.
    """
    slot = start
    for before, resident in zip([None, *residents], residents, strict=False):
        if resident.slot != slot:
            raise IntegrityError(f"tick {resident.tick} lies at slot {resident.slot}, not {slot}")
        if before and (before.tick, before.position) >= (resident.tick, resident.position):
            raise IntegrityError(f"tick {resident.tick} does not follow tick {before.tick}")
        slot += resident.tokens
