"""Replies that nodes write, as the front end's own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Protocol

from costream.engine.dialogue import checked_turns
from costream.engine.reply import Reply, ReplyOptions
from costream.engine.wakeup import Wakeup
from costream.errors import ClusterError
from costream.serve.cluster.open_replies import ReplyPart
from costream.turn import Turn

MOST = 32
"""Replies that are taken from nodes at a time, those among them whose client has left and whose
node is still to be told, within about a second."""

ENDING = 5.0
"""Seconds to wait for the threads of replies to end."""


class ReplySource(Protocol):
    """Where replies come from. Any thread may use it."""

    def reply(
        self, node: str, camera: str, turns: Sequence[Turn], options: ReplyOptions
    ) -> Generator[ReplyPart, None, None]:
        """Asks a camera of a node; yields the reply's parts, at least one in a few seconds.

        Closing the generator cancels the reply.

        Raises:
            CoStreamError: what kept it from being begun; a ``ClusterError`` where the node is gone.
        """
        ...


class RemoteReplies:
    """The replies that nodes are writing for this front end. Any thread may use it.

    Each is taken from its node by a thread, which has the part of the engine's: the thread ends
    with the reply.

    Args:
        source: the line to the nodes.
    """

    def __init__(self, source: ReplySource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, Reply] = {}
        self._closed = False

    def begin(self, node: str, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks a camera of a node; what keeps the reply from being written is raised by it.

        Raises:
            SettingsError: something is wrong with the messages.
            ClusterError: the service is being stopped, or takes too many replies already.
        """
        reply = Reply(checked_turns(turns), options, Wakeup(), lambda: None)
        thread = threading.Thread(
            target=self._take, args=(reply, node, camera), name="costream-reply", daemon=True
        )
        with self._lock:
            if self._closed:
                raise ClusterError("the service is being stopped: ask again later")
            if len(self._open) >= MOST:
                raise ClusterError(f"{MOST} replies are under way already: ask again in a moment")
            thread.start()
            self._open[thread] = reply
        return reply

    def close(self) -> None:
        """Ends all replies, and takes no further ones."""
        with self._lock:
            self._closed = True
            left = dict(self._open)
        for reply in left.values():
            reply.fail(ClusterError("the service is being stopped: ask again later"))
        for thread in left:
            thread.join(ENDING)

    def __len__(self) -> int:
        return len(self._open)

    def _take(self, reply: Reply, node: str, camera: str) -> None:
        """Takes a reply from its node until it has ended, there or here."""
        try:
            parts = self._source.reply(node, camera, reply.turns, reply.options)
            with closing(parts):
                for part in parts:
                    if reply.ended:  # nobody here wants more of it
                        return
                    part.give(reply)
        except Exception as error:  # this reply's alone
            reply.fail(error)
        finally:
            with self._lock:
                del self._open[threading.current_thread()]
