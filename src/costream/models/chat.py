"""The chat format of a checkpoint: the text around a video, a question and the answer to come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from costream.errors import ModelError
from costream.models.tokens import QUESTION

_ANSWER = "\x00answer\x00"

_TAG = re.compile(r"<(/?)([A-Za-z_:]+)>")
"""A tag that a template writes around a thought. Control tokens, ``<|...|>``, are none."""


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a checkpoint's chat template writes around a video.

    Attributes:
        before: the text before the video.
        after: the text behind it, up to where the answer begins. It holds ``QUESTION``.
        thought: the tag of a thought that comes before an answer and is closed in ``after`` with
            nothing in it, such as ``<think>``; None where the model answers at once.
    """

    before: str
    after: str
    thought: str | None = None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, video: str) -> ChatFormat:
        """Renders a checkpoint's own chat template and cuts it where the video stands.

        Args:
            tokenizer: has the template.
            video: what the template writes where a video stands.

        Raises:
            ModelError: the template can't be rendered, does not place a video before text, or
                begins a thought and can't close it.
        """
        content = [{"type": "video"}, {"type": "text", "text": QUESTION}]
        asked = [{"role": "user", "content": content}]
        begun = _render(tokenizer, asked, add_generation_prompt=True)
        # Templates of models that think only if they may: others don't know the option.
        direct = _render(tokenizer, asked, add_generation_prompt=True, enable_thinking=False)
        opened = _open_tag(begun)
        if opened is None and direct == begun:
            return cls._cut(begun, video)
        if direct != begun and _open_tag(direct) is None:
            return cls._cut(direct, video, opened or _last_tag(direct))
        if opened is None:
            return cls._cut(begun, video)
        answered = [*asked, {"role": "assistant", "content": [{"type": "text", "text": _ANSWER}]}]
        history, found, _ = _render(tokenizer, answered).partition(_ANSWER)
        same = history.startswith(begun[: begun.rindex(opened)])
        if found and same and _open_tag(history) is None:
            return cls._cut(history, video, opened)
        raise ModelError(
            f"the checkpoint's chat template begins a thought, {opened}, and does not say how an "
            "empty one is closed: take the variant of the model that answers at once"
        )

    @classmethod
    def _cut(cls, text: str, video: str, thought: str | None = None) -> ChatFormat:
        before, found, after = text.partition(video)
        if not found or QUESTION not in after:
            raise ModelError("the checkpoint's chat template does not place a video before text")
        return cls(before, after, thought)


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[Any], **options: Any) -> str:
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    except (TemplateError, TypeError, KeyError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise ModelError(f"the checkpoint's chat template can't be used: {problem}") from error
    return text


def _behind_question(text: str) -> str:
    return text.rpartition(QUESTION)[2]


def _open_tag(text: str) -> str | None:
    """Returns the tag behind the question that is opened and not closed."""
    tags = _TAG.findall(_behind_question(text))
    if not tags or tags[-1][0]:
        return None
    return f"<{tags[-1][1]}>"


def _last_tag(text: str) -> str | None:
    tags = _TAG.findall(_behind_question(text))
    return f"<{tags[-1][1]}>" if tags else None
