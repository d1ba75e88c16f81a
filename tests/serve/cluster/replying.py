"""A node whose replies tests write, as its engine would."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Generator, Sequence

from costream.engine.reply import Chance, Reply, ReplyOptions, Sight, Written
from costream.engine.wakeup import Wakeup
from costream.serve.cluster.open_replies import OpenReplies, ReplyPart
from costream.turn import Turn
from tests.serve.waiting import until

SIGHT = Sight(start=3.0, end=5.0, frames=4, fps=2.0, cached_tokens=50, text_tokens=7)

SOON = 10.0


class ReplyingNode:
    """Stands for the line to one node.

    Attributes:
        asked: what it was asked: node, camera, turns and options.
        replies: what it writes, by tests.
        open: those that are fetched.
        refuses: what keeps replies from being begun.
        gone: what is raised instead of any further part.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Sequence[Turn], ReplyOptions]] = []
        self.replies: list[Reply] = []
        self.open = OpenReplies()
        self.refuses: Exception | None = None
        self.gone: Exception | None = None

    def reply(
        self, node: str, camera: str, turns: Sequence[Turn], options: ReplyOptions
    ) -> Generator[ReplyPart, None, None]:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append((node, camera, turns, options))
        reply = a_reply(turns, options)
        name = self.open.add(reply)
        self.replies.append(reply)
        try:
            while True:
                part = pickle.loads(pickle.dumps(self.open.fetch(name, 0.02)))
                if self.gone is not None:
                    raise self.gone
                yield part
                if part.is_last:
                    return
        except GeneratorExit:
            self.open.cancel(name)

    def newest(self, count: int = 1) -> Reply:
        """Waits until it was asked so often; returns the newest reply."""
        until(lambda: len(self.replies) >= count, SOON)
        return self.replies[-1]


def a_reply(turns: Sequence[Turn] = (), options: ReplyOptions | None = None) -> Reply:
    return Reply(turns, options or ReplyOptions(), Wakeup(), lambda: None)


def write(reply: Reply, *tokens: str) -> None:
    """Writes tokens as the engine does."""
    reply.begin(SIGHT)
    reply.yes = 0.75
    for token in tokens:
        reply.tokens += 1
        if reply.options.likeliest:
            reply.written.append(Written(Chance(token, -0.5), (Chance(token, -0.5),)))
        reply.put(token)


def threads() -> list[str]:
    """Returns the threads that take replies."""
    return [t.name for t in threading.enumerate() if t.name == "costream-reply"]
