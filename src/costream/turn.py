"""A turn of a conversation, as every station passes it on. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says in a conversation about a video.

    Attributes:
        role: whose turn it is; ``system`` is what the user wants minded throughout.
        text: what is said. It means its characters, those of control tokens too.
    """

    role: Literal["system", "user", "assistant"]
    text: str
