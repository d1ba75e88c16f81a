"""Streams that are asked in free form, and what the stock model would write."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from costream.engine.engine import Engine
from costream.engine.reply import Reply
from costream.models import ModelAdapter, Turn
from costream.pruning import PRUNERS
from costream.video import Picture
from tests.engine.golden import TOLERANCE
from tests.engine.test_scheduler import engine_of
from tests.engine.test_session import SOON
from tests.fakes import FakeStream, samples_of
from tests.models.published import FORMS, Published


class Stock(Published):
    """What the stock model writes, one whole pass a token."""

    def logprobs(
        self, frames: Sequence[Picture], turns: Sequence[Turn], written: str, fps: float
    ) -> torch.Tensor:
        """Returns logarithms of the probabilities behind what was written: [vocabulary]."""
        pixels, grid = self._pixels([picture.rgb() for picture in frames])
        video = self._video_text(list(range(len(frames))), grid, fps)
        text = self.asked(turns).replace(FORMS["released"], video) + written
        ids = self.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            logits: torch.Tensor = self.model(
                input_ids=ids,
                pixel_values_videos=pixels,
                video_grid_thw=torch.tensor([grid]),
                mm_token_type_ids=(ids == self.model.config.video_token_id).int() * 2,
            ).logits
        return logits[0, -1].log_softmax(-1)

    def asked(self, turns: Sequence[Turn]) -> str:
        """What the template writes of turns, the video in the first one."""
        messages: list[Any] = [
            {"role": turn.role, "content": [{"type": "text", "text": turn.text}]} for turn in turns
        ]
        messages[0]["content"].insert(0, {"type": "video"})
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return text


class Held(FakeStream):
    """A camera that sends some pictures and stays."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        super().__init__(samples_of(pictures))
        self.info = replace(self.info, awaited=True, live=True)
        self.over = threading.Event()

    def samples(self, fps: float, **options: object) -> Iterator:
        yield from super().samples(fps)
        self.over.wait(20 * SOON)


def unpruned(model: ModelAdapter, **values: object) -> Engine:
    """An engine that gives the stock model's results."""
    engine = engine_of(model, refresh="full", **values)
    engine._pruner = PRUNERS["none"]
    return engine


def assert_stock(reply: Reply, stock: Stock, frames: Sequence[Picture], fps: float = 2.0) -> None:
    """Checks that every token of a reply is the stock model's choice, at its probability."""
    reply.read()
    assert len(reply.written) == reply.tokens > 1
    written = ""
    for token in reply.written:
        logprobs = stock.logprobs(frames, reply.turns, written, fps)
        spread = float(logprobs.max() - logprobs.min())
        best = float(logprobs.max())
        assert token.chance.logprob == pytest.approx(best, abs=TOLERANCE * spread)
        written += stock.tokenizer.decode([int(logprobs.argmax())])
