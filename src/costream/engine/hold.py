"""What is pruned stays in sight: its features, keys and values are taken from where it was last.

A group is pruned because it looks as it did before. To leave it out of the language model's window,
as published systems do, says something else: that nothing is there. So the window is kept complete.
A held group costs no pass through any model: its features are those of the temporal patch before,
and its keys and values are copied from there, the keys rotated to where it stands now.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from costream.engine.prefill import Piece
from costream.engine.resident import Resident
from costream.engine.store import Copies
from costream.models import EncoderMemory, VisualTokens

NOWHERE = -1
"""Slot of a group that the store does not hold."""


class FeatureMemory:
    """The features that each group of a stream had last.

    Args:
        groups: groups of a whole frame.

    Attributes:
        known: bool [groups], those that were encoded at some time.
        vision: what the vision encoder itself remembers.
    """

    def __init__(self, groups: int) -> None:
        self.known = torch.zeros(groups, dtype=torch.bool)
        self.vision = EncoderMemory()
        self._embeds = torch.empty(0)
        self._deepstack = torch.empty(0)

    def complete(self, kept: Tensor, visual: VisualTokens) -> VisualTokens:
        """Takes in the features of one temporal patch and returns those of all known groups.

        Args:
            kept: the groups that it has: bool [groups].
            visual: their features.
        """
        if not len(self._embeds):
            levels, _, hidden = visual.deepstack.shape
            self._embeds = visual.embeds.new_zeros(len(kept), hidden)
            self._deepstack = visual.deepstack.new_zeros(levels, len(kept), hidden)
        places = kept.to(visual.embeds.device)
        self._embeds[places] = visual.embeds
        self._deepstack[:, places] = visual.deepstack
        self.known = self.known | kept
        return VisualTokens(self._embeds, self._deepstack).take(self.known)


class Sight:
    """Where the store has what each group showed last, as temporal patches follow each other.

    It is good until slots are reserved.

    Args:
        groups: groups of a whole frame.
    """

    def __init__(self, groups: int) -> None:
        self._slots = torch.full((groups,), NOWHERE)
        self._positions = torch.zeros(groups, dtype=torch.int64)

    def follow(self, resident: Resident, piece: Piece) -> None:
        """Goes on to a resident whose tokens the store has, or will have before they are copied."""
        visual = piece.segment.visual
        self._move(resident.shown, piece.slots[visual], _positions(piece))

    def arrive(self, resident: Resident, piece: Piece) -> Piece:
        """Goes on to a resident that is new.

        Returns:
            What of its piece has to be computed, and the copies that make up for the rest.
        """
        visual = piece.segment.visual
        slots, positions = piece.slots[visual], _positions(piece)
        groups = resident.shown.nonzero()[:, 0]
        copied = resident.held[groups] & (self._slots[groups] != NOWHERE)
        sources = groups[copied]
        copies = Copies(
            slots[copied], self._slots[sources], positions[copied] - self._positions[sources]
        )
        computed = torch.ones_like(visual)
        computed[visual] = ~copied
        # A copy is never copied in the same pass: what it came from is.
        anew = torch.zeros_like(resident.held)
        anew[groups[~copied]] = True
        self._move(anew, slots[~copied], positions[~copied])
        return replace(piece.take(computed), copies=copies)

    def _move(self, groups: Tensor, slots: Tensor, positions: Tensor) -> None:
        self._slots[groups] = slots
        self._positions[groups] = positions


def _positions(piece: Piece) -> Tensor:
    """Where visual tokens stand on the first axis, along which the stream goes: [visual tokens]."""
    along: Tensor = piece.segment.positions[0] + piece.position[0]
    return along[piece.segment.visual]
