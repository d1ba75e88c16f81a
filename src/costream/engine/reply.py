"""What a model says to a question in free form, while it is written."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from costream.engine.wakeup import Over, Wakeup
from costream.errors import SettingsError
from costream.turn import Turn

Finish = Literal["stop", "length", "cancelled"]
"""Why a reply ended: the model ended it or wrote a stop, it reached its length, or nobody wants it
any more."""


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How a reply is written.

    Attributes:
        max_tokens: most tokens that it takes.
        temperature: 0 for the likeliest token each time, else tokens are drawn.
        top_p: tokens are drawn of the likeliest ones that have this probability together.
        seed: of the draws; None for another each time.
        stop: texts before which it ends.
        likeliest: how many tokens are told beside each that was written, with their probabilities.

    Raises:
        SettingsError: a value is out of range.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    likeliest: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise SettingsError(f"a reply takes at least 1 token, not {self.max_tokens}")
        if not 0 <= self.temperature <= 2:
            raise SettingsError(f"temperature is 0 to 2, not {self.temperature:g}")
        if not 0 < self.top_p <= 1:
            raise SettingsError(f"top_p is above 0 and at most 1, not {self.top_p:g}")
        if not all(self.stop):
            raise SettingsError("a stop is empty: leave it out")


@dataclass(frozen=True, slots=True)
class Chance:
    """A token that was or could have been written.

    Attributes:
        text: what it says.
        logprob: logarithm of the model's own probability, whatever the temperature.
    """

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Written:
    """A token of a reply.

    Attributes:
        chance: the token.
        likeliest: the likeliest tokens in its place.
    """

    chance: Chance
    likeliest: tuple[Chance, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a stream a reply is about.

    Attributes:
        start: of the window, in seconds of stream time.
        end: likewise.
        frames: how many it shows.
        fps: frames a second that were sampled.
        cached_tokens: tokens of prompt and window. They were in the pool: none was computed again.
        text_tokens: those of what was asked, which were computed.
    """

    start: float
    end: float
    frames: int
    fps: float
    cached_tokens: int
    text_tokens: int


class Reply:
    """A reply that is being written. Any thread may use it.

    Iterating, with ``for`` or ``async for``, gives its text in pieces as they are written, each of
    them once, and ends with the reply; what kept it from being written is raised there.

    Args:
        turns: what is asked, checked.
        options: how it is written.
        wakeup: wakes who waits for text.
        ring: wakes the engine.

    Attributes:
        turns: what was asked.
        options: how it is written.
        sight: what it is about; None until it begins.
        yes: probability of yes against no at its first token, as the model has it, without any
            calibration; None until it begins.
        written: its tokens so far, where ``options.likeliest`` asks for them.
        tokens: how many were written so far.
        finish: why it ended; None until then, and where an error ended it.
        error: what kept it from being written.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        options: ReplyOptions,
        wakeup: Wakeup,
        ring: Callable[[], None],
    ) -> None:
        self.turns = tuple(turns)
        self.options = options
        self.sight: Sight | None = None
        self.yes: float | None = None
        self.written: list[Written] = []
        self.tokens = 0
        self.finish: Finish | None = None
        self.error: Exception | None = None
        self._wakeup = wakeup
        self._ring = ring
        self._pieces: deque[str] = deque()

    def cancel(self) -> None:
        """Ends it; text that waits is dropped. A reply that has ended stays as it is."""
        with self._wakeup.lock:
            if not self.ended:
                self.finish = "cancelled"
                self._pieces.clear()
        self._wakeup.notify()
        self._ring()

    def take(self, patience: float) -> str | Over | None:
        """Returns its next piece, once each; waits for one, but not for long.

        Args:
            patience: seconds after which None is returned: there is none yet.

        Returns:
            The piece, or that the reply has ended and no piece is left.
        """
        found = self._wakeup.wait(self._next, patience)
        return found if isinstance(found, str | Over) else None

    def read(self) -> str:
        """Waits for its end and returns all of its text that was not taken yet."""
        return "".join(self)

    @property
    def ended(self) -> bool:
        """Whether no more of it is written. Pieces may still wait to be taken."""
        return self.finish is not None or self.error is not None

    def begin(self, sight: Sight) -> None:
        """Notes what it is about. The engine's thread calls it."""
        self.sight = sight

    def put(self, piece: str) -> None:
        """Adds text. The engine's thread calls it."""
        with self._wakeup.lock:
            if piece and not self.ended:
                self._pieces.append(piece)
        self._wakeup.notify()

    def end(self, finish: Finish) -> None:
        """Ends it. The engine's thread calls it."""
        with self._wakeup.lock:
            self.finish = self.finish or finish
        self._wakeup.notify()

    def fail(self, error: Exception) -> None:
        """Ends it by an error, unless it has ended."""
        with self._wakeup.lock:
            if not self.ended:
                self.error = error
        self._wakeup.notify()

    def __iter__(self) -> Iterator[str]:
        while isinstance(piece := self._wakeup.wait(self._next), str):
            yield piece
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[str]:
        while isinstance(piece := await self._wakeup.awaited(self._next), str):
            yield piece
        if self.error is not None:
            raise self.error

    def _next(self) -> str | Over | None:
        if self._pieces:
            return self._pieces.popleft()
        return Over.OVER if self.ended else None
