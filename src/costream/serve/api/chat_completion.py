"""A reply of the engine as OpenAI's chat completions."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from costream.serve.api.chat_errors import api_error

if TYPE_CHECKING:
    from costream.engine.reply import Chance, Finish, Reply, Written

_FINISH: dict[Finish, str] = {"stop": "stop", "length": "length", "cancelled": "stop"}


class Completion:
    """One reply that is told as a chat completion, whole or in chunks.

    Args:
        model: as it was asked for.
        reply: the reply, which has begun.
        fresh: whether the video was computed for it.
        top: likeliest tokens to tell beside each; None to tell of none.
        about: what is told of what it is about beside its window.
    """

    def __init__(
        self, model: str, reply: Reply, fresh: bool, top: int | None, about: dict[str, Any]
    ) -> None:
        self._reply = reply
        self._fresh = fresh
        self._top = top
        self._about = about
        self._told = 0
        self._frame = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, text: str) -> dict[str, Any]:
        """Returns a reply that has ended."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs(),
            "finish_reason": self._finish,
        }
        return {
            **self._frame,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._usage,
            "costream": self._evidence,
        }

    async def chunks(
        self, first: str, rest: AsyncIterator[str], *, include_usage: bool
    ) -> AsyncIterator[str]:
        """Yields a reply as Server-Sent Events while it is written.

        Args:
            first: its first piece.
            rest: the others.
            include_usage: tell what it took in a chunk of its own.
        """
        yield self._chunk({"role": "assistant", "content": ""}, include_usage)
        try:
            if first:
                yield self._chunk({"content": first}, include_usage)
            async for piece in rest:
                yield self._chunk({"content": piece}, include_usage)
        except Exception as error:  # told as the stream's last event
            yield _event(api_error(error).body)
            return
        evidence = {"costream": self._evidence}
        yield self._chunk({}, include_usage, finish=self._finish, **evidence)
        if include_usage:
            yield _event({**self._frame, **_CHUNK, "choices": [], "usage": self._usage})
        yield "data: [DONE]\n\n"

    def _chunk(
        self, delta: dict[str, Any], include_usage: bool, finish: str | None = None, **more: Any
    ) -> str:
        logprobs = self._logprobs() if delta.get("content") else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        usage = {"usage": None} if include_usage else {}
        return _event({**self._frame, **_CHUNK, "choices": [choice], **usage, **more})

    def _logprobs(self) -> dict[str, Any] | None:
        """Returns what is to be told of the tokens since the last time."""
        if self._top is None:
            return None
        fresh = self._reply.written[self._told :]
        self._told += len(fresh)
        return {"content": [self._token(written) for written in fresh], "refusal": None}

    def _token(self, written: Written) -> dict[str, Any]:
        top = written.likeliest[: self._top]
        return {**_chance(written.chance), "top_logprobs": [_chance(chance) for chance in top]}

    @property
    def _finish(self) -> str:
        return _FINISH[self._reply.finish or "stop"]

    @property
    def _usage(self) -> dict[str, Any]:
        sight = self._reply.sight
        assert sight is not None
        prompt, written = sight.cached_tokens + sight.text_tokens, self._reply.tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": 0 if self._fresh else sight.cached_tokens},
        }

    @property
    def _evidence(self) -> dict[str, Any]:
        sight = self._reply.sight
        assert sight is not None
        return {
            **self._about,
            "start": sight.start,
            "end": sight.end,
            "frames": sight.frames,
            "fps": sight.fps,
            "yes": self._reply.yes,
        }


_CHUNK = {"object": "chat.completion.chunk"}


def _chance(chance: Chance) -> dict[str, Any]:
    # JSON knows no infinity: OpenAI's own value for what is as good as impossible.
    logprob = max(chance.logprob, -9999.0)
    return {"token": chance.text, "logprob": logprob, "bytes": list(chance.text.encode())}


def _event(values: dict[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"
