"""Text to tokens and back: what is ours may hold control tokens, what users write never does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from costream.errors import ModelError

QUESTION = "\x00question\x00"
"""Stands for the user's question in the text of a chat template."""

_MARKUP = re.compile(r"<\S+>|\[[A-Z_/]+\]")
"""Added tokens that mark something and say nothing, though they are not declared special."""


class Tokens:
    """The vocabulary of one checkpoint.

    Added tokens are the ones that a tokenizer finds in a text before anything else: ``<|im_end|>``,
    ``<|video_pad|>``, ``<think>``. A text of ours, such as a chat template, means them where they
    stand in it. A user's text means its characters.

    Args:
        tokenizer: the checkpoint's.

    Raises:
        ModelError: it is not one of the ``tokenizers`` library.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise ModelError("the checkpoint's tokenizer has no fast form, such as tokenizer.json")
        self._marking = backend
        self._plain = _without_added_tokens(backend)
        self._added = backend.get_added_tokens_decoder()
        self._unwritten = frozenset(
            number
            for number, token in self._added.items()
            if token.special or _MARKUP.fullmatch(token.content)
        )

    def encode(self, text: str, question: str = "") -> list[int]:
        """Returns the tokens of a text of ours: added tokens are meant where they stand in it.

        The tokens are those that the checkpoint's tokenizer finds, so long as the question holds
        no text of an added token.

        Args:
            text: the text. It may hold :data:`QUESTION`.
            question: the user's text in its place, which means its characters.
        """
        return self.encode_filled(text, {QUESTION: question})

    def encode_filled(self, text: str, said: Mapping[str, str]) -> list[int]:
        """Does what :meth:`encode` does with several texts of users.

        Args:
            text: the text of ours.
            said: by the mark that stands for it in ``text``, what a user said. A mark in what was
                said is text as well.
        """
        marks, ids = re.compile("|".join(map(re.escape, said))), list[int]()
        for part in self._parts(text):
            if isinstance(part, int):
                ids.append(part)
            else:
                ids += self.encode_plain(marks.sub(lambda found: said[found[0]], part))
        return ids

    def encode_plain(self, text: str) -> list[int]:
        """Returns the tokens of a text's characters, whatever they spell."""
        # Unlike `encode`, it lets other threads run meanwhile: a long text takes seconds.
        (found,) = self._plain.encode_batch([text], add_special_tokens=False)
        ids: list[int] = found.ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens that a model wrote, without the control tokens among them."""
        said = [number for number in ids if number not in self._unwritten]
        text: str = self._marking.decode(said, skip_special_tokens=True)
        return text.strip()

    def id_of(self, content: str) -> int | None:
        """Returns the added token that is written so, or None where there is none."""
        number: int | None = self._marking.token_to_id(content)
        return number if number in self._added else None

    def _parts(self, text: str) -> Iterator[int | str]:
        """Yields a text's added tokens and the stretches of text between them, in order."""
        found, done = self._marking.encode(text, add_special_tokens=False), 0
        for number, (begin, end) in zip(found.ids, found.offsets, strict=True):
            if number in self._added:
                yield text[done:begin]
                yield number
                done = end
        yield text[done:]


def _without_added_tokens(tokenizer: Any) -> Tokenizer:
    """Returns a tokenizer that shares the model of another and takes every text for text."""
    plain = Tokenizer(tokenizer.model)
    for step in ("normalizer", "pre_tokenizer"):
        if (found := getattr(tokenizer, step)) is not None:
            setattr(plain, step, found)
    return plain
