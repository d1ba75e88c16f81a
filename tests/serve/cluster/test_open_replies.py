"""Replies that a node writes, fetched part by part."""

from __future__ import annotations

import threading
import time

import pytest

from costream.engine.reply import ReplyOptions
from costream.errors import ChildError, ClusterError, NoWindowError
from costream.serve.cluster.open_replies import OpenReplies
from tests.serve.cluster.replying import SIGHT, a_reply, write


def test_a_reply_is_fetched_as_it_comes_with_what_is_known_of_it() -> None:
    replies, reply = OpenReplies(), a_reply(options=ReplyOptions(likeliest=1))
    name = replies.add(reply)
    waiting = replies.fetch(name, 0)
    assert (waiting.sight, waiting.text, waiting.is_last) == (None, "", False)
    write(reply, "A ", "person")
    part = replies.fetch(name)
    assert (part.text, part.tokens, part.yes, part.sight) == ("A person", 2, 0.75, SIGHT)
    assert [written.chance.text for written in part.written] == ["A ", "person"]
    write(reply, " walks.")
    reply.end("stop")
    last = replies.fetch(name)
    assert (last.text, last.tokens, last.finish, last.error) == (" walks.", 3, "stop", None)
    assert [written.chance.text for written in last.written] == [" walks."]
    assert last.is_last and not len(replies)


def test_a_call_waits_for_text_but_not_for_long() -> None:
    replies, reply = OpenReplies(), a_reply()
    name = replies.add(reply)
    begun = time.monotonic()
    assert replies.fetch(name, 0.1).text == ""
    assert 0.1 <= time.monotonic() - begun < 5
    threading.Timer(0.1, write, (reply, "late")).start()
    assert replies.fetch(name, 30).text == "late"


@pytest.mark.parametrize(
    ("error", "told"),
    [(NoWindowError("no window yet"), NoWindowError), (OverflowError(), ChildError)],
)
def test_what_ends_a_reply_is_told(error: Exception, told: type[Exception]) -> None:
    replies, reply = OpenReplies(), a_reply()
    name = replies.add(reply)
    write(reply, "A")
    reply.fail(error)
    part = replies.fetch(name)
    assert part.text == "A" and type(part.error) is told
    assert part.is_last and not len(replies)


def test_a_reply_that_is_cancelled_is_not_written_on() -> None:
    replies, reply = OpenReplies(), a_reply()
    name = replies.add(reply)
    replies.cancel(name)
    replies.cancel(name)
    assert reply.finish == "cancelled"
    with pytest.raises(ClusterError, match="ask again"):
        replies.fetch(name)


def test_a_reply_that_nobody_fetches_is_forgotten() -> None:
    replies, left, fetched = OpenReplies(), a_reply(), a_reply()
    replies.add(left)
    name = replies.add(fetched)
    replies.forget()
    assert len(replies) == 2
    time.sleep(0.3)
    replies.fetch(name, 0)
    replies.forget(silent=0.2)
    assert left.finish == "cancelled" and fetched.finish is None
    assert len(replies) == 1


def test_replies_of_two_processes_are_not_taken_for_each_other() -> None:
    assert OpenReplies().add(a_reply()) != OpenReplies().add(a_reply())
