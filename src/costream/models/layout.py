"""The contract of a layout: prompt, frames and questions as tokens with positions.

It needs no weights, and no device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from costream.preprocessing import FrameGeometry
from costream.turn import Turn


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where a temporal patch stands behind the position base.

    Attributes:
        index: temporal patches before it since the position base.
        time: seconds since the position base, the mean over its frames.
        interval: seconds from one temporal patch to the next.
    """

    index: int
    time: float
    interval: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens that is laid out as one piece: the prompt, a temporal patch, a question.

    Attributes:
        ids: int64 [tokens]. Visual tokens hold the family's placeholder.
        visual: bool [tokens], true where the embedding comes from the vision encoder.
        positions: int64 [axes, tokens], relative to the segment's start.
        span: how far the next segment's start lies behind this one's. It does not depend on what
            was pruned, so dropped tokens leave holes and the kept ones keep their distances.
    """

    ids: Tensor
    visual: Tensor
    positions: Tensor
    span: int

    def __len__(self) -> int:
        return int(self.ids.shape[0])


class Layout(ABC):
    """How one family lays out what it is asked about a video."""

    @abstractmethod
    def prompt(self) -> Segment:
        """Returns the tokens before the video."""

    @abstractmethod
    def frame(self, timestamp: Timestamp, kept: Tensor, geometry: FrameGeometry) -> Segment:
        """Returns the tokens of one temporal patch: its label and its visual tokens.

        Args:
            timestamp: where it stands behind the position base.
            kept: bool [groups].
            geometry: how it was cut.
        """

    @abstractmethod
    def question(self, text: str) -> Segment:
        """Returns the tokens after the video, up to where the answer begins.

        Args:
            text: what is asked. It means its characters, those of control tokens too.
        """

    @abstractmethod
    def conversation(self, turns: Sequence[Turn]) -> Segment:
        """Returns the tokens after the video of a conversation, up to where the answer begins.

        Args:
            turns: users' and answers in turn; the first and the last are users'.

        Raises:
            SettingsError: the checkpoint's chat template does not take such turns.
        """

    @abstractmethod
    def text(self, ids: Sequence[int]) -> Segment:
        """Lays out tokens of plain text, such as an answer while it is written."""

    @abstractmethod
    def start(self, position: int) -> Tensor:
        """Returns where a temporal patch begins on each axis: int64 [axes, 1].

        Its position grows along the stream by the spans of those before it. An axis on which the
        frames of a window lie over each other stays where it is.
        """

    @abstractmethod
    def text_start(self, first: int, last: int, end: int, geometry: FrameGeometry) -> Tensor:
        """Returns where the text behind a window begins on each axis: int64 [axes, 1].

        Args:
            first: position of the window's first temporal patch.
            last: position of its last one.
            end: position behind that.
            geometry: how they were cut.
        """

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of an answer's tokens, without the control tokens among them."""
