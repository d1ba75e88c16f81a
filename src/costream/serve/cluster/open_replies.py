"""Replies that a node writes for the front end, which fetches them part by part."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from time import monotonic

from costream.engine.reply import Finish, Reply, Sight, Written
from costream.engine.wakeup import Over
from costream.errors import ChildError, ClusterError

PATIENCE = 1.0
"""Seconds for which a call waits for text before it says that there is none yet."""

SILENT = 30.0
"""Seconds after which a reply that nobody fetches is cancelled: its front end is gone."""


@dataclass(frozen=True, slots=True)
class ReplyPart:
    """What has come of a reply since its last part.

    Attributes:
        sight: what the reply is about, as for the others: see :class:`Reply`.
        yes: likewise.
        tokens: how many were written so far.
        text: what was written.
        written: the tokens of it, where they are asked for.
        finish: why the reply ended, where this part is the last.
        error: what ended it, likewise.
    """

    sight: Sight | None
    yes: float | None
    tokens: int
    text: str = ""
    written: tuple[Written, ...] = ()
    finish: Finish | None = None
    error: Exception | None = None

    @property
    def is_last(self) -> bool:
        """Whether the reply has ended with it."""
        return self.finish is not None or self.error is not None

    def give(self, reply: Reply) -> None:
        """Adds it to a reply elsewhere, as the engine's thread does."""
        if self.sight is not None:
            reply.begin(self.sight)
        reply.yes, reply.tokens = self.yes, self.tokens
        reply.written += self.written
        reply.put(self.text)
        if self.error is not None:
            reply.fail(self.error)
        elif self.finish is not None:
            reply.end(self.finish)


class OpenReplies:
    """The replies of a node that are being written. Any thread may use it.

    Their names can't be guessed, and are never given twice: a process that begins anew knows none
    of those of the last one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}

    def add(self, reply: Reply) -> str:
        """Takes a reply on; returns its name."""
        name = secrets.token_hex(8)
        with self._lock:
            self._open[name] = _Open(reply)
        return name

    def fetch(self, name: str, patience: float = PATIENCE) -> ReplyPart:
        """Returns what has come of a reply since the last call; waits for some, but not for long.

        One thread at a time fetches a reply. With its last part, it is not known any more.

        Raises:
            ClusterError: it is not known, or not any more.
        """
        with self._lock:
            found = self._open.get(name)
            if found is not None:
                found.fetched = monotonic()
        if found is None:
            raise ClusterError("the node has given up this reply: ask again")
        part = found.fetch(patience)
        if part.is_last:
            with self._lock:
                self._open.pop(name, None)
        return part

    def cancel(self, name: str) -> None:
        """Ends a reply that nobody wants any more; one that has ended is as well."""
        with self._lock:
            found = self._open.pop(name, None)
        if found is not None:
            found.reply.cancel()

    def forget(self, silent: float = SILENT) -> None:
        """Cancels replies that nobody has fetched for so many seconds: call it now and then."""
        long_ago = monotonic() - silent
        with self._lock:
            names = [name for name, found in self._open.items() if found.fetched < long_ago]
            left = [self._open.pop(name) for name in names]
        for found in left:
            found.reply.cancel()

    def __len__(self) -> int:
        return len(self._open)


@dataclass(slots=True)
class _Open:
    """One reply: how many of its tokens were told, and when it was fetched last."""

    reply: Reply
    told: int = 0
    fetched: float = field(default_factory=monotonic)

    def fetch(self, patience: float) -> ReplyPart:
        reply, pieces = self.reply, list[str]()
        piece = reply.take(patience)
        while isinstance(piece, str):
            pieces.append(piece)
            piece = reply.take(0)
        # What is known of a piece is noted before the piece is put: it is there by now.
        written = tuple(reply.written[self.told :])
        self.told += len(written)
        part = ReplyPart(reply.sight, reply.yes, reply.tokens, "".join(pieces), written)
        return self._last(part) if piece is Over.OVER else part

    def _last(self, part: ReplyPart) -> ReplyPart:
        error = self.reply.error
        told = None if error is None else ChildError.of(error)
        return replace(part, finish=self.reply.finish, error=told)
