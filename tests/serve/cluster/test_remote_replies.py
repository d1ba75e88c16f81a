"""Replies that a node writes, as the front end's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest

from costream.engine.reply import Reply, ReplyOptions
from costream.errors import ClusterError, NoWindowError, SettingsError
from costream.serve.cluster import remote_replies
from costream.serve.cluster.remote_replies import RemoteReplies
from costream.turn import Turn
from tests.serve.chat.service import served
from tests.serve.cluster.replying import SIGHT, SOON, ReplyingNode, threads, write
from tests.serve.waiting import until

ASKED = [Turn("system", "Be brief."), Turn("user", "Who comes?")]

OPTIONS = ReplyOptions(max_tokens=9, likeliest=1)


@pytest.fixture
def node() -> ReplyingNode:
    return ReplyingNode()


@pytest.fixture
def replies(node: ReplyingNode) -> Iterator[RemoteReplies]:
    replies = RemoteReplies(node)
    yield replies
    replies.close()
    assert not threads() and not len(replies)


def ask(replies: RemoteReplies) -> Reply:
    return replies.begin("node-a", "door", ASKED, OPTIONS)


def test_a_reply_is_the_node_s(replies: RemoteReplies, node: ReplyingNode) -> None:
    reply = ask(replies)
    there = node.newest()
    ((name, camera, turns, options),) = node.asked
    assert (name, camera, options) == ("node-a", "door", OPTIONS)
    assert turns == (Turn("user", "Be brief.\n\nWho comes?"),)
    pieces = iter(reply)
    write(there, "A ")
    assert next(pieces) == "A "
    assert (reply.sight, reply.yes, reply.tokens) == (SIGHT, 0.75, 1)
    write(there, "person", " walks.")
    there.end("length")
    assert "".join(pieces) == "person walks."
    assert (reply.tokens, reply.finish, reply.error) == (3, "length", None)
    assert reply.written == there.written
    until(lambda: not threads(), SOON)
    assert not len(node.open)


def test_a_reply_that_is_cancelled_here_is_cancelled_there(
    replies: RemoteReplies, node: ReplyingNode
) -> None:
    silent, busy = ask(replies), ask(replies)
    until(lambda: len(node.replies) == 2, SOON)
    write(node.replies[1], "A")
    for reply in (silent, busy):
        reply.cancel()
    until(lambda: [there.finish for there in node.replies] == ["cancelled"] * 2, SOON)
    until(lambda: not threads(), SOON)
    assert silent.read() == "" and not len(node.open)


def test_what_keeps_a_node_from_answering_is_raised_by_the_reply(
    replies: RemoteReplies, node: ReplyingNode
) -> None:
    node.refuses = NoWindowError("the model is being loaded")
    with pytest.raises(NoWindowError, match="being loaded"):
        ask(replies).read()
    node.refuses = None
    reply = ask(replies)
    node.newest().fail(NoWindowError("the stream has no window yet"))
    with pytest.raises(NoWindowError, match="no window yet"):
        reply.read()


def test_a_node_that_dies_ends_its_replies(replies: RemoteReplies, node: ReplyingNode) -> None:
    reply = ask(replies)
    write(node.newest(), "A")
    pieces = iter(reply)
    assert next(pieces) == "A"
    node.gone = ClusterError("node node-a is gone")
    with pytest.raises(ClusterError, match="is gone"):
        next(pieces)


def test_a_reply_that_its_node_gave_up_ends(
    replies: RemoteReplies, node: ReplyingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = ask(replies)
    node.newest()
    monkeypatch.setattr(node.open, "_open", {})
    with pytest.raises(ClusterError, match="given up this reply: ask again"):
        reply.read()


def test_messages_are_checked_before_a_node_is_asked(
    replies: RemoteReplies, node: ReplyingNode
) -> None:
    with pytest.raises(SettingsError, match="begins with a user"):
        replies.begin("node-a", "door", [Turn("assistant", "Hello.")], OPTIONS)
    assert not node.asked


def test_few_replies_are_under_way_at_a_time(
    replies: RemoteReplies, node: ReplyingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_replies, "MOST", 2)
    under_way = [ask(replies), ask(replies)]
    with pytest.raises(ClusterError, match="2 replies are under way already"):
        ask(replies)
    for reply in under_way:
        reply.cancel()
    until(lambda: not len(replies), SOON)
    ask(replies).cancel()


def test_the_end_of_the_service_ends_all_replies(node: ReplyingNode) -> None:
    replies = RemoteReplies(node)
    reply = ask(replies)
    there = node.newest()
    replies.close()
    assert not threads() and there.finish == "cancelled"
    with pytest.raises(ClusterError, match="being stopped"):
        reply.read()
    with pytest.raises(ClusterError, match="being stopped"):
        ask(replies)


def test_a_front_end_asks_without_loading_torch() -> None:
    code = """if True:
        import sys
        from costream.engine.reply import ReplyOptions
        from costream.serve.api.chat import ChatBody
        from costream.serve.cluster.service import RemoteReplies
        body = {"model": "camera:door", "messages": [{"role": "user", "content": "Who comes?"}]}
        asked = ChatBody.model_validate(body)
        RemoteReplies(None).begin("node-a", "door", asked.turns, asked.options)
        sys.exit("torch" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@dataclass
class Front:
    """A front end of one camera."""

    replies: RemoteReplies
    model: str = "costream/test"

    def camera_ids(self) -> Sequence[str]:
        return ["door"]

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        return self.replies.begin("node-a", camera, turns, options)


def test_a_client_that_leaves_ends_the_reply_at_the_node(
    replies: RemoteReplies, node: ReplyingNode
) -> None:
    body = {"model": "camera:door", "messages": [{"role": "user", "content": "Who comes?"}]}
    with served(Front(replies), None) as url:
        path = f"{url}/v1/chat/completions"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(path, json=body, timeout=1.0)
        until(lambda: node.newest().finish == "cancelled", SOON)
        streamed = {**body, "stream": True}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(path, json=streamed, timeout=1.0)
        until(lambda: node.newest(2).finish == "cancelled", SOON)
    until(lambda: not threads(), SOON)
