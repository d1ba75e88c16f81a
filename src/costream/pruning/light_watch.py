"""Recognises that the light changes, and tells lamps and clouds from a camera's exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from costream.pruning.lighting import Lighting, Luma, fit_lighting

SHIFT = 4.0
"""Mean luma steps, of 255, from which a change of the light counts."""

STEADY = 1.5
"""Mean luma steps from one frame to the next under which the light counts as steady."""

REST = 8
"""Frames of steady light after which a change of the light is over."""

PURE_SHARE = 0.14
"""Share of groups that may differ besides, where the light is said to have changed alone."""

TRUSTED_SHARE = 0.3
"""Share of groups that may differ besides, where the light of a change under way is believed."""

Episode = Literal["alone", "mixed"]


@dataclass(frozen=True, slots=True)
class LightView:
    """What the watch says of one frame.

    Attributes:
        reference: the reference to compare the frame with, relit where the light is known.
        whole: a change of the light has begun, and the frame is its one whole frame.
    """

    reference: Luma
    whole: bool


class Light(Protocol):
    """What a rule does about the light of one stream."""

    @property
    def scene(self) -> Literal["light"] | None:
        """Whether the light is changing."""
        ...

    @property
    def followed(self) -> bool:
        """Whether the light changes alone, so that the reference is relit."""
        ...

    @property
    def mixed(self) -> bool:
        """Whether the light changes along with the scene."""
        ...

    def view(self, reference: Luma, now: Luma, threshold: float) -> LightView:
        """Takes the next frame of the stream: see :meth:`LightWatch.view`."""
        ...


class LightWatch:
    """Follows the light of one stream, frame by frame.

    A change of the light begins when it moves the reference by 4 luma steps in the mean, and ends
    after 8 frames of steady light. It is one of two kinds, by its first frame:

    * **Alone**: gain and offset explain at least 86% of the groups. Lamps, clouds and switches
      are of this kind. Its first frame is kept whole; from then on the reference is relit frame by
      frame, so that a ramp keeps no second one.
    * **Mixed**: much of the scene changes with it, as when a camera's exposure answers to a
      person or a car. What is light and what is content can't be told apart with certainty
      there, so the comparison stays plain until the light has come to rest.
    """

    def __init__(self) -> None:
        self._episode: Episode | None = None
        self._steady = 0
        self._previous: Luma | None = None

    @property
    def scene(self) -> Literal["light"] | None:
        """Whether the light is changing."""
        return "light" if self._episode else None

    @property
    def followed(self) -> bool:
        """Whether the light changes alone, so that the reference is relit."""
        return self._episode == "alone"

    @property
    def mixed(self) -> bool:
        """Whether the light changes along with the scene."""
        return self._episode == "mixed"

    def view(self, reference: Luma, now: Luma, threshold: float) -> LightView:
        """Takes the next frame of the stream.

        Args:
            reference: float32 [rows, cols, n], what was last kept in each group's n sub-blocks.
            now: the frame, of the same shape.
            threshold: luma steps by which a sub-block must differ to count as changed.
        """
        self._rest(now)
        light = self._fit(reference, now)
        if light is None:
            return LightView(reference, False)
        relit = light.apply(reference)
        besides = changed_share(relit, now, threshold)
        if self._episode is None and light.shift(reference) >= SHIFT:
            self._episode = "alone" if besides <= PURE_SHARE else "mixed"
            return LightView(reference, self._episode == "alone")
        follow = self.followed and besides <= TRUSTED_SHARE
        return LightView(relit if follow else reference, False)

    def _fit(self, reference: Luma, now: Luma) -> Lighting | None:
        # A fit takes longer than all else here, and most frames are as light as the reference.
        if self._episode is None and float(np.abs(now - reference).mean()) < SHIFT / 2:
            return None
        return fit_lighting(reference, now)

    def _rest(self, now: Luma) -> None:
        previous, self._previous = self._previous, now
        if self._episode is None or previous is None:
            self._steady = 0
            return
        step = fit_lighting(previous, now)
        steady = step is not None and step.shift(previous) < STEADY
        self._steady = self._steady + 1 if steady else 0
        if self._steady >= REST:
            self._episode = None


def changed_share(reference: Luma, now: Luma, threshold: float) -> float:
    """Returns the share of groups of which any sub-block differs by more than ``threshold``."""
    return float((np.abs(now - reference).max(axis=-1) > threshold).mean())
