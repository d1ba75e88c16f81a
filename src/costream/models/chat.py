"""The chat format of a checkpoint: the text around a video, what is said and the answer to come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from costream.errors import ModelError, SettingsError
from costream.models.tokens import QUESTION
from costream.turn import Turn

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
        # An earlier answer may be shown without its thought: that closes none.
        same = history.startswith(begun[: begun.rindex(opened) + len(opened)])
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


def mark(number: int) -> str:
    """Returns what stands for the text of a turn in what :func:`between` returns."""
    return f"\x00turn {number}\x00"


def between(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]) -> str:
    """Renders turns about a video by a checkpoint's chat template.

    Args:
        tokenizer: has the template.
        turns: users' and answers in turn; the first and the last are users'.

    Returns:
        The text from the first turn's to the last one's, both included; each is its :func:`mark`.

    Raises:
        SettingsError: the template does not take such turns, or does not show them all.
    """
    marks = [mark(number) for number in range(len(turns))]
    messages = [
        {"role": turn.role, "content": [{"type": "text", "text": name}]}
        for turn, name in zip(turns, marks, strict=True)
    ]
    messages[0]["content"] = [{"type": "video"}, {"type": "text", "text": marks[0]}]
    try:
        text = _render(tokenizer, messages, add_generation_prompt=True)
    except ModelError as error:
        raise SettingsError(f"this model can't be told these messages: {error}") from error
    found = [text.find(name) for name in marks]
    if found[0] < 0 or found != sorted(found):
        raise SettingsError("this model's chat template leaves some of the messages out")
    return text[found[0] : found[-1] + len(marks[-1])]


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
